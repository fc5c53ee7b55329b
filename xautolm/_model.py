"""Load the models that searches have saved, and predict with them."""

from __future__ import annotations

import functools
import json
import numbers
import shlex
from collections.abc import Iterable
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any
from typing import TypeVar

from xautolm._words import given_path
from xautolm._words import in_callers_words
from xautolm_core.errors import ConfigError
from xautolm_core.errors import DataError
from xautolm_core.search.contract import BEST_MODEL_FOLDER
from xautolm_core.search.contract import SEARCH_FILE
from xautolm_core.tasks.conversations import ROLES
from xautolm_core.tasks.spec import TaskType
from xautolm_core.tasks.texts import MAX_CHARACTERS
from xautolm_core.trial.contract import MODEL_CARD_FILE

if TYPE_CHECKING:
    import numpy as np

    from xautolm._result import SearchResult
    from xautolm_core.tasks.conversations import Conversation
    from xautolm_core.trial.answerer import Answerer
    from xautolm_core.trial.answerer import TextAnswer
    from xautolm_core.trial.classifier import Classifier
    from xautolm_core.trial.generation.generator import GeneratedText
    from xautolm_core.trial.generation.generator import TextGenerator

T = TypeVar("T")


class Model:
    """A saved model: a classifier, one that answers questions on passages, or one that writes.

    It is loaded when it answers for the first time, and stays loaded.

    Args:
        folder: Run folder of a search, or a folder with a model.
        device: ``"cpu"``, ``"cuda"``, or ``"auto"`` for a GPU where there is one.

    Attributes:
        folder: The model's own folder: of a language model a plain Hugging Face folder.
        device: As given.

    Raises:
        ConfigError: There is no model.
    """

    def __init__(self, folder: str | Path, *, device: str = "cpu") -> None:
        with in_callers_words():
            self.folder = _model_folder(given_path(folder, "run"))
            if not isinstance(device, str):
                raise ConfigError(
                    f"device: a {type(device).__name__} is no device",
                    hint="Write 'cpu', 'cuda' or 'auto'",
                )
        self.device = device

    @functools.cached_property
    def _classifier(self) -> Classifier:
        from xautolm_core.trial.predict import load_classifier

        return load_classifier(self.folder, device=self.device)

    @functools.cached_property
    def _answerer(self) -> Answerer:
        from xautolm_core.trial.predict import load_answerer

        return load_answerer(self.folder, device=self.device)

    @functools.cached_property
    def _generator(self) -> TextGenerator:
        from xautolm_core.trial.predict import load_generator

        return load_generator(self.folder, device=self.device)

    @functools.cached_property
    def _card(self) -> dict[str, Any]:
        try:
            card = json.loads((self.folder / MODEL_CARD_FILE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return card if isinstance(card, dict) else {}

    @property
    def task_type(self) -> str:
        """Name of the kind of task that it was trained for, such as ``text-classification``."""
        return str(self._card.get("task_type") or TaskType.TEXT_CLASSIFICATION)

    @property
    def answers_questions(self) -> bool:
        """Whether it answers questions on passages; a classifier does not."""
        return self.task_type == TaskType.QUESTION_ANSWERING

    @property
    def writes_texts(self) -> bool:
        """Whether it writes texts after prompts; a classifier does not."""
        return self.task_type == TaskType.TEXT_GENERATION

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names, in the order of the columns of ``predict_proba``; none of other models."""
        is_classifier = self.task_type == TaskType.TEXT_CLASSIFICATION
        return self._classifier.labels if is_classifier else ()

    @property
    def has_pairs(self) -> bool | None:
        """Whether a row consists of two texts; None if the folder does not say."""
        if self.task_type != TaskType.TEXT_CLASSIFICATION:
            return self.answers_questions
        return bool(self._card["has_pairs"]) if "has_pairs" in self._card else None

    def predict(
        self, texts: Iterable[str], text_pairs: Iterable[str] | None = None, *, batch_size: int = 32
    ) -> list[str]:
        """Return each text's most probable class, each question's answer, or each prompt's text.

        Args:
            texts: A list, a column of a frame, or any other texts. For a model that answers
                questions: the questions; for one that writes texts: the prompts.
            text_pairs: Second texts, for a model of pairs; the passages of questions.
            batch_size: Texts of one forward pass.

        Raises:
            ConfigError: Second texts are missing, too many, or not wanted.
            DataError: One of them is not a text.
            MissingExtraError: A package that the model needs is not installed.
        """
        if self.answers_questions:
            contexts = () if text_pairs is None else text_pairs
            answers = self.answer(texts, contexts, batch_size=batch_size)
            return [one.text for one in answers]
        if self.writes_texts:
            if text_pairs is not None:
                raise ConfigError(
                    "Second texts were given, and the model writes texts after prompts",
                    hint="Put all that it should read into the prompt",
                )
            return [one.text for one in self.generate(texts, batch_size=batch_size)]
        found = self.predict_proba(texts, text_pairs, batch_size=batch_size)
        return [self.labels[place] for place in found.argmax(1)]

    def answer(
        self, questions: Iterable[str], contexts: Iterable[str], *, batch_size: int = 32
    ) -> list[TextAnswer]:
        """Return the answer to each question, with a score in [0, 1], in their order.

        Args:
            questions: The questions.
            contexts: The passage of each.
            batch_size: Windows of passages of one forward pass.

        Returns:
            Answers with ``text`` (empty if the passage does not answer) and ``score``.

        Raises:
            ConfigError: The model is a classifier, there is not one passage for each question, or
                ``batch_size`` is below 1.
            DataError: Something in them is no text.
            MissingExtraError: A package that the model needs is not installed.
        """
        with in_callers_words():
            _require_count(batch_size)
            return self._answerer.answer(
                _checked(questions), _checked(contexts), batch_size=batch_size
            )

    def generate(
        self, prompts: Iterable[str | Conversation], *, batch_size: int = 16
    ) -> list[GeneratedText]:
        """Return what the model writes after each prompt, in their order.

        Args:
            prompts: Texts, or conversations: lists of ``{"role": ..., "content": ...}`` whose last
                message is of the user.
            batch_size: Prompts of one forward pass.

        Returns:
            What was written: ``text``, its number of ``tokens``, and ``is_cut`` where it reached
            the largest number of them before its end.

        Raises:
            ConfigError: The model writes no texts, or ``batch_size`` is below 1.
            DataError: Something in them is no prompt.
            MissingExtraError: A package that the model needs is not installed.
        """
        with in_callers_words():
            _require_count(batch_size)
            conversations = [
                _conversation(place, one) for place, one in enumerate(_listed(prompts))
            ]
            return self._generator.generate(conversations, batch_size=batch_size)

    def predict_proba(
        self, texts: Iterable[str], text_pairs: Iterable[str] | None = None, *, batch_size: int = 32
    ) -> np.ndarray:
        """Return the probability of each class for each text, float32, (texts, classes).

        The columns are in the order of ``labels``. See ``predict``.
        """
        with in_callers_words():
            pairs = None if text_pairs is None else _checked(text_pairs)
            _require_count(batch_size)
            return self._classifier.probabilities(_checked(texts), pairs, batch_size)

    def __repr__(self) -> str:
        """Return the class name and the folder."""
        return f"<Model {self.folder}>"


def load_model(run: str | Path, *, device: str = "cpu") -> Model:
    """Return the model that a search has chosen.

    Args:
        run: The run folder, or a folder with a model such as ``RUN/alternative``.
        device: ``"cpu"``, ``"cuda"``, or ``"auto"`` for a GPU where there is one.

    Raises:
        ConfigError: There is no model.
    """
    return Model(run, device=device)


def predict(
    run_or_model: str | Path | SearchResult | Model,
    texts: Iterable[str],
    text_pairs: Iterable[str] | None = None,
    *,
    batch_size: int = 32,
) -> list[str]:
    """Return the classes of new texts, the answers to new questions, or what follows new prompts.

    A path is loaded again by each call: keep what ``load_model`` returns to answer often.

    Args:
        run_or_model: A run folder, a model's folder, the result of a search, or a model.
        texts: The texts, the questions, or the prompts: a list, or a column of a frame.
        text_pairs: Second texts, for tasks of pairs; the passages of questions.
        batch_size: Texts of one forward pass.

    Returns:
        The most probable class of each text, the answer to each question, or what is written after
        each prompt, in their order.

    Raises:
        ConfigError: There is no model, or it wants pairs where single texts are given.
        DataError: One of them is not a text.

    Example:
        >>> xautolm.predict("runs/reviews-20261122T101500Z", ["It never worked."])
        ['negative']
    """
    model = Model(run_or_model) if isinstance(run_or_model, str | Path) else run_or_model
    if not callable(getattr(model, "predict", None)):
        raise ConfigError(
            f"A {type(model).__name__} is no model", hint="Give a run folder, or a model's folder"
        )
    return model.predict(texts, text_pairs, batch_size=batch_size)


def _require_count(batch_size: object) -> None:
    is_count = isinstance(batch_size, numbers.Integral) and int(batch_size) > 0
    if not is_count:
        raise ConfigError(
            f"batch_size: {batch_size!r} is no number of texts", hint="Give 1 or more"
        )


def _checked(texts: Iterable[str]) -> list[str]:
    """Return texts as in training: cut where they are very long."""
    found = _listed(texts)
    for place, text in enumerate(found):
        if not isinstance(text, str):
            raise DataError(
                f"The text at position {place} is of type {type(text).__name__}",
                hint="Give texts alone; leave out or fill in what is missing",
            )
    return [text[:MAX_CHARACTERS] for text in found]


def _listed(texts: Iterable[T]) -> list[T]:
    if isinstance(texts, str):
        raise ConfigError("One text was given in the place of several", hint="Write [text]")
    if not isinstance(texts, Iterable):
        raise ConfigError(f"A {type(texts).__name__} is no list of texts", hint="Write [text]")
    return list(texts)


def _conversation(place: int, prompt: object) -> list[dict[str, str]]:
    """Return a prompt as messages.

    Raises:
        DataError: It is none; the message names its position, from 0.
    """
    if isinstance(prompt, str):
        return [{"role": "user", "content": prompt[-MAX_CHARACTERS:]}]
    messages = list(prompt) if isinstance(prompt, Iterable) else []
    is_whole = all(
        isinstance(one, Mapping)
        and one.get("role") in ROLES
        and isinstance(one.get("content"), str)
        for one in messages
    )
    if not messages or not is_whole or messages[-1]["role"] != "user":
        raise DataError(
            f"What stands at position {place} is no prompt",
            hint='Give a text, or messages such as [{"role": "user", "content": "..."}] of which'
            " the last is of the user",
        )
    # Of what is very long the end is kept, as in training: it asks.
    return [{"role": m["role"], "content": m["content"][-MAX_CHARACTERS:]} for m in messages]


def _model_folder(run: Path) -> Path:
    """Return the folder of the model: of a run, or the folder itself."""
    folder = run
    if not folder.is_dir():
        raise ConfigError(f"{run} is not a folder", hint="Give the run folder of a search")
    for candidate in (folder / BEST_MODEL_FOLDER, folder):
        if (candidate / MODEL_CARD_FILE).is_file():
            return candidate
    if (folder / SEARCH_FILE).is_file():
        raise ConfigError(
            f"{run} has no model yet",
            hint=f"Continue the search: xautolm search --resume {shlex.quote(str(run))}",
        )
    raise ConfigError(f"{run} holds neither a run nor a model", hint="Give the run folder")
