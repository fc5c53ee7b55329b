"""Distances between tasks, and the meta-features that they are measured on.

Source: XAutoLM, arXiv 2508.00924: task and system features, concatenated.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Literal

import numpy as np

from xautolm_core.search.samplers.normalize import Normalizer
from xautolm_core.search.samplers.normalize import normalize

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xautolm_core.records.features import FeatureVector
    from xautolm_core.search.history.arrays import History

Distance = Literal["euclidean", "cosine"]


def euclidean(rows: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the Euclidean distance of each row to the target, shape (rows,)."""
    return np.asarray(np.sqrt(((rows - target) ** 2).sum(axis=1)))


def cosine(rows: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 1 minus the cosine of each row and the target, in [0, 2].

    Two zero vectors have distance 0; a zero vector has distance 1 to any other.
    """
    lengths = np.linalg.norm(rows, axis=1) * np.linalg.norm(target)
    both_zero = ~rows.any(axis=1) & ~np.any(target)
    similarity = np.divide(rows @ target, lengths, out=np.zeros(len(rows)), where=lengths > 0)
    return np.where(both_zero, 0.0, np.clip(1.0 - similarity, 0.0, 2.0))


def distances(
    rows: NDArray[np.float64], target: NDArray[np.float64], distance: Distance
) -> NDArray[np.float64]:
    """Apply a distance by name."""
    return euclidean(rows, target) if distance == "euclidean" else cosine(rows, target)


@dataclass(frozen=True)
class FeatureSpace:
    """Different vectors of meta-features, each once: those of the history and the current one.

    Attributes:
        codes: Shape (rows,): the vector of each experience.
        vectors: Shape (vectors, features).
        counts: Shape (vectors,): number of experiences with each vector.
        current: Shape (features,): the vector of the current search.
    """

    codes: NDArray[np.int64]
    vectors: NDArray[np.float64]
    counts: NDArray[np.int64]
    current: NDArray[np.float64]

    def distances(self, normalizer: Normalizer, distance: Distance) -> NDArray[np.float64]:
        """Return the distance of each experience to the current search, shape (rows,)."""
        both = np.vstack([self.vectors, self.current])
        normalized = normalize(both, normalizer, np.append(self.counts, 1))
        return distances(normalized[:-1], normalized[-1], distance)[self.codes]


def feature_space(history: History, task: FeatureVector, system: FeatureVector) -> FeatureSpace:
    """Concatenate the features of tasks and machines.

    Features that the current search does not have are left out; where an experience lacks one, it
    gets the mean of all the others, so that the gap does not change distances.

    Args:
        history: Experiences with the extractors of the current search.
        task: Features of the current task.
        system: Features of the current machine.
    """
    tasks, systems = history.task_features, history.system_features
    pairs = tasks.codes.astype(np.int64) * len(systems.matrix) + systems.codes
    different, codes, counts = np.unique(pairs, return_inverse=True, return_counts=True)
    task_codes, system_codes = np.divmod(different, max(1, len(systems.matrix)))
    vectors = np.hstack(
        [
            tasks.columns(_known(task))[task_codes],
            systems.columns(_known(system))[system_codes],
        ]
    )
    current = np.asarray([_values(task) + _values(system)], dtype=float)
    return FeatureSpace(
        codes.reshape(-1), _filled(np.vstack([vectors, current]), counts), counts, current[0]
    )


def _filled(matrix: NDArray[np.float64], counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return all rows but the last, gaps filled with the mean of the column; the last counts 1."""
    missing = np.isnan(matrix)
    weights = np.where(missing, 0, np.append(counts, 1)[:, None])
    sums = (np.where(missing, 0.0, matrix) * weights).sum(axis=0)
    means = sums / np.maximum(weights.sum(axis=0), 1)
    return np.where(missing, means, matrix)[:-1]


def _known(vector: FeatureVector) -> list[str]:
    return [name for name, value in vector.values.items() if _is_number(value)]


def _values(vector: FeatureVector) -> list[float]:
    return [float(vector.values[name] or 0.0) for name in _known(vector)]


def _is_number(value: float | None) -> bool:
    return value is not None and math.isfinite(value)
