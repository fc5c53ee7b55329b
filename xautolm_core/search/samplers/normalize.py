"""Normalisation of meta-features, column by column over experiences and current task together.

Source: XAutoLM, arXiv 2508.00924: standard scaling, or logarithm and then min-max.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Normalizer = Literal["standard", "log_min_max", "none"]


def standardize(
    matrix: NDArray[np.float64], counts: NDArray[np.int64] | None = None
) -> NDArray[np.float64]:
    """Shift each column to mean 0 and scale it to standard deviation 1; constant ones become 0.

    Args:
        matrix: Shape (rows, features).
        counts: Multiplicity of each row; 1 if None.
    """
    if len(matrix) == 0:
        return matrix
    shifted = matrix - np.average(matrix, axis=0, weights=counts)
    deviation = np.sqrt(np.average(shifted**2, axis=0, weights=counts))
    # By rounding, the mean of equal numbers can differ from them, and the deviation from zero.
    constant = matrix.max(axis=0) == matrix.min(axis=0)
    return np.where(constant, 0.0, shifted / np.where(deviation > 0, deviation, 1.0))


def log_min_max(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Take ``sign(x) * log(1 + |x|)``, then scale each column to [0, 1]; constant ones become 0."""
    logarithms = np.sign(matrix) * np.log1p(np.abs(matrix))
    low = logarithms.min(axis=0)
    spread = logarithms.max(axis=0) - low
    return np.asarray((logarithms - low) / np.where(spread > 0, spread, 1.0))


def min_max(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scale a vector to [0, 1]; 0 everywhere if it has no spread."""
    if len(values) == 0:
        return values
    spread = values.max() - values.min()
    return np.asarray((values - values.min()) / spread) if spread > 0 else np.zeros_like(values)


def normalize(
    matrix: NDArray[np.float64],
    normalizer: Normalizer,
    counts: NDArray[np.int64] | None = None,
) -> NDArray[np.float64]:
    """Apply a normaliser by name to rows with multiplicities (1 if None)."""
    match normalizer:
        case "standard":
            return standardize(matrix, counts)
        case "log_min_max":
            return log_min_max(matrix)
        case "none":
            return matrix
