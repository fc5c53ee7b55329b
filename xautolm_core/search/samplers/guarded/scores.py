"""Normal scores: outcomes of one task as ranks, on the scale of a standard normal variable."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr
from scipy.special import ndtri

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_GRID = np.linspace(-3.5, 3.5, 141)
_TAIL_SLOPE = 0.02
"""Added everywhere, so that the curve also rises beyond the extremes that were seen."""


def normal_scores(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``Phi^-1((rank - 0.5) / n)`` of each value; ties share their mean rank.

    Args:
        values: Shape (n,): more is better; NaN has no rank and keeps NaN.
    """
    scores = np.full(len(values), np.nan)
    known = np.flatnonzero(np.isfinite(values))
    if len(known) == 0:
        return scores
    found, place, counts = np.unique(values[known], return_inverse=True, return_counts=True)
    del found
    ends = np.cumsum(counts)
    ranks = (ends - counts + ends) / 2 + 0.5  # mean rank, from 1 on
    scores[known] = ndtri((ranks[place.reshape(-1)] - 0.5) / len(known))
    return scores


class ValueCurve:
    """What a normal score is worth: its place between the worst and the best of a task, in [0, 1].

    The mean over the tasks of the history, so that the last percent of a score counts as much as it
    does there; the normal distribution function without a history.

    Args:
        samples: Outcomes of each task, more is better (time and energy by negative logarithm).
    """

    def __init__(self, samples: Sequence[NDArray[np.float64]]) -> None:
        curves = []
        for sample in samples:
            ordered = np.sort(sample[np.isfinite(sample)])
            if len(ordered) < 3 or ordered[-1] <= ordered[0]:
                continue
            scaled = (ordered - ordered[0]) / (ordered[-1] - ordered[0])
            places = ndtri((np.arange(len(ordered)) + 0.5) / len(ordered))
            curves.append(np.interp(_GRID, places, scaled))
        # As if the normal distribution function were one more task.
        curves.append(ndtr(_GRID))
        mean = np.mean(curves, axis=0)
        self._values = mean + _TAIL_SLOPE * _GRID

    def __call__(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the worth of normal scores, any shape; a little outside of [0, 1] at the ends."""
        return np.asarray(np.interp(scores, _GRID, self._values))
