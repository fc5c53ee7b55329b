"""Answers of a saved model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

import numpy as np

from xautolm_core.errors import ConfigError
from xautolm_core.errors import MissingExtraError
from xautolm_core.trial.contract import MODEL_CARD_FILE

if TYPE_CHECKING:
    from xautolm_core.tasks.task import Split
    from xautolm_core.trial.saving import ModelCard


@dataclass(frozen=True)
class Prediction:
    """What a model answers to one text.

    Attributes:
        label: The most probable class.
        probabilities: Class name to probability; they sum to 1.
    """

    label: str
    probabilities: dict[str, float]


class Classifier:
    """A saved model, ready to answer. Texts are cut and paired as in training.

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

        self._device = choose_device(device)
        self._model = model.to(self._device).eval()
        self._card = card
        # As in training, as far as this machine has it.
        self._precision = choose_precision(self._device, card.precision != "float32")
        self._encoder = Encoder(folder, card.max_length)

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names in their order."""
        return self._card.labels

    @property
    def has_pairs(self) -> bool:
        """Whether an input consists of two texts."""
        return self._card.has_pairs

    def predict(
        self, texts: Sequence[str], text_pairs: Sequence[str] | None = None, batch_size: int = 32
    ) -> list[Prediction]:
        """Return the answers to some texts, in their order.

        Args:
            texts: The texts.
            text_pairs: Second texts, for a model of text pairs.
            batch_size: Rows of one forward pass.

        Raises:
            ConfigError: Second texts are missing, too many, or not wanted.
        """
        import pyarrow as pa

        from xautolm_core.tasks.task import Split

        if (text_pairs is not None) != self.has_pairs:
            wanted = "pairs of texts" if self.has_pairs else "single texts"
            raise ConfigError(
                f"The model answers to {wanted}", hint="Give it what it was trained on"
            )
        if text_pairs is not None and len(text_pairs) != len(texts):
            raise ConfigError(
                f"{len(texts)} texts, but {len(text_pairs)} second texts",
                hint="Give one second text for each text",
            )
        if not texts:
            return []

        def column(values: Sequence[str]) -> pa.ChunkedArray:
            return pa.chunked_array([pa.array(list(values), type=pa.large_string())])

        split = Split(
            texts=column(texts),
            text_pairs=None if text_pairs is None else column(text_pairs),
            labels=np.zeros(len(texts), dtype=np.int32),
        )
        logits = self.logits(split, max_rows=batch_size)
        shifted = np.exp(logits - logits.max(1, keepdims=True))
        probabilities = shifted / shifted.sum(1, keepdims=True)
        return [
            Prediction(
                self.labels[int(row.argmax())],
                dict(zip(self.labels, (float(p) for p in row), strict=True)),
            )
            for row in probabilities
        ]

    def logits(self, split: Split, *, max_rows: int = 256) -> np.ndarray:
        """Return the logits of all rows of a split, float32, (rows, classes)."""
        from xautolm_core.trial.evaluation import evaluation_tokens
        from xautolm_core.trial.evaluation import predict_logits
        from xautolm_core.trial.inputs import TokenInput
        from xautolm_core.trial.tokens import Tokens
        from xautolm_core.trial.tokens import encode_rows

        traits = self._card.tokenizer
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


def load_classifier(model_folder: Path, *, device: str = "cpu") -> Classifier:
    """Return the classifier in a folder that a trial saved.

    Args:
        model_folder: The folder.
        device: ``auto``, ``cpu`` or ``cuda``.

    Raises:
        ConfigError: The folder holds no model of ours, or not a whole one.
        MissingExtraError: torch or transformers is not installed.
    """
    from pydantic import ValidationError

    try:
        import torch
        from transformers import AutoModelForSequenceClassification
        from transformers.utils import logging as transformers_logging

        from xautolm_core.trial.saving import ModelCard
    except ImportError as error:
        raise MissingExtraError("trial", "Predicting with a model") from error
    folder = Path(model_folder)
    hint = "Give the folder of a model that a search left, such as RUN/model"
    try:
        card = ModelCard.model_validate_json((folder / MODEL_CARD_FILE).read_bytes())
    except (OSError, ValidationError) as error:
        raise ConfigError(f"{folder} holds no model of xautolm", hint=hint) from error
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        model = AutoModelForSequenceClassification.from_pretrained(
            folder,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            dtype=torch.float32,
        )
        return Classifier(model, card, folder, device)
    except Exception as error:
        raise ConfigError(f"The model in {folder} cannot be loaded", hint=hint) from error
