"""Answers of a saved model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any
from typing import TypeVar

import numpy as np

from xautolm_core.errors import ConfigError
from xautolm_core.errors import MissingExtraError
from xautolm_core.records.methods import is_cheap
from xautolm_core.tasks.spec import TaskType
from xautolm_core.trial.answerer import Answerer
from xautolm_core.trial.classifier import Classifier
from xautolm_core.trial.contract import MODEL_CARD_FILE
from xautolm_core.trial.saving import ModelCard

if TYPE_CHECKING:
    from xautolm_core.tasks.task import Split
    from xautolm_core.trial.generation.generator import TextGenerator

M = TypeVar("M")

_HINT = "Give the folder of a model that a search left, such as RUN/model"


class LanguageModelClassifier(Classifier):
    """A fine-tuned language model.

    Args:
        model: The transformers model.
        card: What was written beside it.
        folder: Where it is, with its tokenizer.
        device: ``auto``, ``cpu`` or ``cuda``.
    """

    def __init__(self, model: Any, card: ModelCard, folder: Path, device: str) -> None:
        from xautolm_core.trial.encoding import Encoder
        from xautolm_core.trial.precision import choose_device
        from xautolm_core.trial.precision import choose_precision

        super().__init__(card)
        reader = card.reader()
        self._device = choose_device(device)
        self._model = model.to(self._device).eval()
        self._traits = reader.tokenizer
        # As in training, as far as this machine has it.
        self._precision = choose_precision(self._device, reader.precision != "float32")
        self._encoder = Encoder(folder, reader.max_length)

    @property
    def model(self) -> Any:
        """The transformers model, in evaluation mode."""
        return self._model

    def logits(self, split: Split, *, max_rows: int = 256) -> np.ndarray:
        """Return the logits of all rows of a split, float32, (rows, classes)."""
        from xautolm_core.trial.evaluation import evaluation_tokens
        from xautolm_core.trial.evaluation import predict_logits
        from xautolm_core.trial.inputs import TokenInput
        from xautolm_core.trial.tokens import Tokens
        from xautolm_core.trial.tokens import encode_rows

        traits = self._traits
        ids, offsets, types = encode_rows(
            split, self._encoder, uses_types=traits.uses_types, wide=True
        )
        inputs = TokenInput(
            self._model, Tokens(ids, offsets, types, ""), traits, self._device, self._precision
        )
        return predict_logits(
            self._model,
            inputs,
            np.arange(len(split)),
            len(self.labels),
            max_tokens=evaluation_tokens(self._device),
            max_rows=max_rows,
        )


def load_classifier(
    model_folder: Path, *, device: str = "cpu", threads: int | None = None, mixed: bool = True
) -> Classifier:
    """Return the classifier in a folder that a trial saved.

    A model without a language model needs no torch, neither to be loaded nor to answer.

    Args:
        model_folder: The folder.
        device: ``auto``, ``cpu`` or ``cuda``.
        threads: CPU threads of the language model; torch's own choice if None.
        mixed: Answer in the precision of the training, where this machine has it; else in float32.

    Raises:
        ConfigError: The folder holds no model of ours, or not a whole one.
        MissingExtraError: torch or transformers is needed and not installed.
    """
    folder = Path(model_folder)
    card = _card_of(folder, TaskType.TEXT_CLASSIFICATION)
    if not mixed and card.precision is not None:
        card = card.model_copy(update={"precision": "float32"})

    def load() -> Classifier:
        if is_cheap(card.configuration.method):
            from xautolm_core.trial.linear.loading import load_linear_classifier

            return load_linear_classifier(folder, card, device, threads)
        model = _load_language_model(folder, threads, "AutoModelForSequenceClassification")
        return LanguageModelClassifier(model, card, folder, device)

    return _loaded(folder, load)


def load_answerer(
    model_folder: Path, *, device: str = "cpu", threads: int | None = None
) -> Answerer:
    """Return the model in a folder that a trial saved, and that answers questions on passages.

    A model without a language model needs no torch, neither to be loaded nor to answer.

    Args:
        model_folder: The folder.
        device: ``auto``, ``cpu`` or ``cuda``.
        threads: CPU threads of the language model; torch's own choice if None.

    Raises:
        ConfigError: The folder holds no such model of ours, or not a whole one.
        MissingExtraError: torch or transformers is needed and not installed.
    """
    folder = Path(model_folder)
    card = _card_of(folder, TaskType.QUESTION_ANSWERING)

    def load() -> Answerer:
        if is_cheap(card.configuration.method):
            from xautolm_core.trial.lexical.model import load_lexical_answerer

            return load_lexical_answerer(folder, card)
        from xautolm_core.trial.spans.answerer import SpanAnswerer

        model = _load_language_model(folder, threads, "AutoModelForQuestionAnswering")
        return SpanAnswerer(model, card, folder, device)

    return _loaded(folder, load)


def load_generator(
    model_folder: Path, *, device: str = "cpu", threads: int | None = None
) -> TextGenerator:
    """Return the model in a folder that a trial saved, and that writes texts.

    Args:
        model_folder: The folder.
        device: ``auto``, ``cpu`` or ``cuda``.
        threads: CPU threads of the language model; torch's own choice if None.

    Raises:
        ConfigError: The folder holds no such model of ours, or not a whole one.
        MissingExtraError: torch or transformers is needed and not installed.
    """
    folder = Path(model_folder)
    card = _card_of(folder, TaskType.TEXT_GENERATION)

    def load() -> TextGenerator:
        from xautolm_core.space.classifiers import generator_class
        from xautolm_core.space.descriptor import read_config
        from xautolm_core.trial.generation.generator import TextGenerator

        auto_class = generator_class(str(read_config(folder)["model_type"]))
        model = _load_language_model(folder, threads, auto_class)
        return TextGenerator(model, card, folder, device)

    return _loaded(folder, load)


def read_card(model_folder: Path) -> ModelCard:
    """Return what stands beside a saved model.

    Raises:
        ConfigError: The folder holds no model of ours.
    """
    from pydantic import ValidationError

    folder = Path(model_folder)
    try:
        return ModelCard.model_validate_json((folder / MODEL_CARD_FILE).read_bytes())
    except (OSError, ValidationError) as error:
        raise ConfigError(f"{folder} holds no model of xautolm", hint=_HINT) from error


def _card_of(folder: Path, task_type: str) -> ModelCard:
    card = read_card(folder)
    if card.task_type != task_type:
        raise ConfigError(
            f"The model in {folder} is for {card.task_type}, not for {task_type}",
            hint="Give a model of the type of task that is asked for",
        )
    return card


def _loaded(folder: Path, load: Callable[[], M]) -> M:
    try:
        return load()
    except ImportError as error:
        raise MissingExtraError("trial", "Predicting with a model") from error
    except ConfigError:
        raise
    except Exception as error:
        raise ConfigError(f"The model in {folder} cannot be loaded", hint=_HINT) from error


def _load_language_model(folder: Path, threads: int | None, auto_class: str) -> Any:
    import torch
    import transformers
    from transformers.utils import logging as transformers_logging

    if threads is not None:
        torch.set_num_threads(threads)
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    return getattr(transformers, auto_class).from_pretrained(
        folder,
        local_files_only=True,
        trust_remote_code=False,
        use_safetensors=True,
        dtype=torch.float32,
    )
