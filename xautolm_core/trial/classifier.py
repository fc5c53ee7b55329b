"""The protocol of saved models: whatever kind they are, they answer texts in one way."""

from __future__ import annotations

from abc import ABC
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xautolm_core.errors import ConfigError

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


class Classifier(ABC):
    """A saved model, ready to answer. Texts are cut and paired as in training.

    Args:
        card: What was written beside it.
    """

    def __init__(self, card: ModelCard) -> None:
        self._card = card

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names in their order."""
        return self._card.labels

    @property
    def has_pairs(self) -> bool:
        """Whether an input consists of two texts."""
        return self._card.has_pairs

    @abstractmethod
    def logits(self, split: Split, *, max_rows: int = 256) -> np.ndarray:
        """Return the logits of all rows of a split, float32, (rows, classes).

        Args:
            split: The rows; their labels are not looked at.
            max_rows: Rows of one forward pass.
        """

    def probabilities(
        self, texts: Sequence[str], text_pairs: Sequence[str] | None = None, batch_size: int = 32
    ) -> np.ndarray:
        """Return the probabilities of all classes for some texts, float32, (texts, classes).

        Args:
            texts: The texts.
            text_pairs: Second texts, for a model of text pairs.
            batch_size: Rows of one forward pass.

        Raises:
            ConfigError: Second texts are missing, too many, or not wanted; or the model's output is
                not finite.
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
            return np.empty((0, len(self.labels)), dtype=np.float32)

        def column(values: Sequence[str]) -> pa.ChunkedArray:
            return pa.chunked_array([pa.array(list(values), type=pa.large_string())])

        split = Split(
            texts=column(texts),
            text_pairs=None if text_pairs is None else column(text_pairs),
            labels=np.zeros(len(texts), dtype=np.int32),
        )
        logits = self.logits(split, max_rows=batch_size)
        if not np.isfinite(logits).all():
            raise ConfigError("The model's output is not finite", hint="Use another model")
        shifted = np.exp(logits - logits.max(1, keepdims=True))
        found: np.ndarray = shifted / shifted.sum(1, keepdims=True)
        return found

    def predict(
        self, texts: Sequence[str], text_pairs: Sequence[str] | None = None, batch_size: int = 32
    ) -> list[Prediction]:
        """Return the answers to some texts, in their order.

        Args:
            texts: The texts.
            text_pairs: Second texts, for a model of text pairs.
            batch_size: Rows of one forward pass.

        Raises:
            ConfigError: Second texts are missing, too many, or not wanted; or the model's output is
                not finite.
        """
        return [
            Prediction(
                self.labels[int(row.argmax())],
                dict(zip(self.labels, (float(p) for p in row), strict=True)),
            )
            for row in self.probabilities(texts, text_pairs, batch_size)
        ]
