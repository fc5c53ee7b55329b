"""Observations that are only bounds, of trials that were cut or stopped early."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import log_ndtr

if TYPE_CHECKING:
    from numpy.typing import NDArray

UNKNOWN_NOISE = 1e6
"""Variance of an observation without information."""


def below(
    bound: NDArray[np.float64], mean: NDArray[np.float64], variance: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and variance of a normal variable that is known to lie below a bound.

    Args:
        bound: Any shape.
        mean: Of the variable without the bound.
        variance: Likewise.
    """
    spread = np.sqrt(variance)
    place = (bound - mean) / spread
    # The ratio of density and distribution function, stable far below the mean.
    ratio = np.exp(-0.5 * place**2 - 0.5 * np.log(2 * np.pi) - log_ndtr(place))
    shrink = np.clip(1 - place * ratio - ratio**2, 0.02, 1.0)
    return mean - spread * ratio, variance * shrink
