"""The protocol of saved models that answer questions on passages, whatever kind they are."""

from __future__ import annotations

from abc import ABC
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xautolm_core.errors import ConfigError

if TYPE_CHECKING:
    from xautolm_core.trial.saving import ModelCard

NULL_THRESHOLD = "null_threshold"
"""In a card's ``decoding``: above which margin a question is answered. Without it all are."""


@dataclass(frozen=True)
class TextAnswer:
    """What a model answers to one question.

    Attributes:
        text: The words of the passage that answer it; empty if the passage does not, as far as the
            model sees.
        score: How sure the model is of that, in [0, 1].
    """

    text: str
    score: float


class Answerer(ABC):
    """A saved model, ready to answer. Passages are read as in training.

    Args:
        card: What was written beside it.
    """

    def __init__(self, card: ModelCard) -> None:
        self._card = card

    @property
    def null_threshold(self) -> float | None:
        """The margin above which a question is answered; None where all are."""
        return self._card.decoding.get(NULL_THRESHOLD)

    def answer(
        self, questions: Sequence[str], contexts: Sequence[str], *, batch_size: int = 32
    ) -> list[TextAnswer]:
        """Return the answers to some questions, in their order.

        Args:
            questions: The questions.
            contexts: The passage of each.
            batch_size: Windows of one forward pass.

        Raises:
            ConfigError: There is not one passage for each question, or the model's output is not
                finite.
        """
        if len(questions) != len(contexts):
            raise ConfigError(
                f"{len(questions)} questions, but {len(contexts)} passages",
                hint="Give one passage for each question",
            )
        return self._answer(questions, contexts, batch_size) if len(questions) else []

    @abstractmethod
    def _answer(
        self, questions: Sequence[str], contexts: Sequence[str], batch_size: int
    ) -> list[TextAnswer]:
        """Return the answers to one question at least."""
