"""What a linear classifier consists of: one logistic regression for each kind of features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any
from typing import Protocol

import numpy as np

from xautolm_core.trial.classifier import Classifier
from xautolm_core.trial.linear.regression import LinearModel

if TYPE_CHECKING:
    from xautolm_core.tasks.task import Split
    from xautolm_core.trial.saving import ModelCard


class FeatureSource(Protocol):
    """Makes features of texts."""

    def features(self, split: Split, *, max_rows: int = 256) -> Any:
        """Return features of all rows of a split, dense or sparse, float32, (rows, columns)."""
        ...

    def write(self, folder: Path) -> dict[str, np.ndarray]:
        """Write what it needs to a model's folder; return the arrays that belong to it."""
        ...


@dataclass(frozen=True)
class LinearPart:
    """A logistic regression on one kind of features.

    Attributes:
        name: Of its arrays in a saved model: ``tfidf`` or ``probe``.
        source: Makes its features.
        model: The regression.
        weight: Of its log-probabilities among those of all parts, in (0, 1].
    """

    name: str
    source: FeatureSource
    model: LinearModel
    weight: float = 1.0


class LinearClassifier(Classifier):
    """One or more logistic regressions whose log-probabilities are averaged.

    Args:
        card: What stands beside the model.
        parts: At least one.
    """

    def __init__(self, card: ModelCard, parts: Sequence[LinearPart]) -> None:
        super().__init__(card)
        self._parts = tuple(parts)

    def logits(self, split: Split, *, max_rows: int = 256) -> np.ndarray:
        """Return the logits of all rows of a split, float32, (rows, classes)."""
        found = [
            part.model.logits(part.source.features(split, max_rows=max_rows))
            for part in self._parts
        ]
        return average(found, [part.weight for part in self._parts])


def average(logits: Sequence[np.ndarray], weights: Sequence[float]) -> np.ndarray:
    """Return the weighted sum of the log-probabilities of several models' logits, float32."""
    if len(logits) == 1:
        return logits[0]
    total = sum(w * _log_probabilities(z) for w, z in zip(weights, logits, strict=True))
    return np.asarray(total, dtype=np.float32)


def _log_probabilities(logits: np.ndarray) -> np.ndarray:
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    found: np.ndarray = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return found
