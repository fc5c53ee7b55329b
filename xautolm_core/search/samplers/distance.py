"""Distances between tasks, and the matrix of meta-features that they are measured on.

Source: XAutoLM, arXiv 2508.00924: task and system features, concatenated.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xautolm_core.experience.schema import Experience
    from xautolm_core.features.vector import FeatureVector

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


def feature_matrix(
    experiences: Sequence[Experience], task: FeatureVector, system: FeatureVector
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Put the features of experiences and of the current search side by side.

    Features that the current search does not have are left out; where an experience lacks one, it
    gets the mean of all the others, so that the gap neither brings tasks together nor apart.

    Args:
        experiences: Whose extractors are those of the current search.
        task: Features of the current task.
        system: Features of the current machine.

    Returns:
        The experiences' matrix, shape (n, features), and the current vector, shape (features,).
    """
    rows = [_row(task.values, e.task_features.values) for e in experiences]
    rows = [
        row + _row(system.values, e.system_features.values)
        for row, e in zip(rows, experiences, strict=True)
    ]
    current = np.asarray(_row(task.values, task.values) + _row(system.values, system.values))
    matrix = np.asarray(rows, dtype=float).reshape(len(experiences), len(current))
    known = np.vstack([matrix, current])
    means = np.nan_to_num(
        np.asarray([np.mean(c[~np.isnan(c)]) if (~np.isnan(c)).any() else 0.0 for c in known.T])
    )
    return np.where(np.isnan(matrix), means, matrix), current


def _row(current: Mapping[str, float | None], values: Mapping[str, float | None]) -> list[float]:
    return [_number(values.get(name)) for name, now in current.items() if _is_number(now)]


def _is_number(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _number(value: float | None) -> float:
    return float(value) if value is not None and math.isfinite(value) else math.nan
