"""Normal scores: outcomes of one task as ranks, on the scale of a standard normal variable."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr
from scipy.special import ndtri

from xautolm_core.search.contract import Objective

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

F1_NOISE = 0.01
"""Approximate standard deviation of a macro-F1 on a thousand rows."""

LOG_NOISE = 0.05
"""Approximate standard deviation of the logarithm of seconds, joules or milliseconds."""

_MOST_COMPARED = 1_000
"""Most values that each one is ranked among; of more, evenly spaced quantiles."""

_GRID = np.linspace(-3.5, 3.5, 141)
_TAIL_SLOPE = 0.02
"""Added everywhere, so that the curve also rises beyond the extremes that were seen."""


def normal_scores(values: NDArray[np.float64], *, noise: float = 0.0) -> NDArray[np.float64]:
    """Return the normal score of each value's rank, ``Phi^-1((rank - 0.5) / n)``.

    A value ranks by its probability to lie above each other one: values that differ by less than
    the noise nearly share a rank, so that many trials with the same outcome do not fill the whole
    scale. Exact ties share their mean rank.

    Args:
        values: Shape (n,): more is better; NaN has no rank and keeps NaN.
        noise: Standard deviation of a repeated measurement; 0 where it is exact.
    """
    scores = np.full(len(values), np.nan)
    known = np.flatnonzero(np.isfinite(values))
    count = len(known)
    if count == 0:
        return scores
    found = values[known]
    others = np.sort(found)
    if count > _MOST_COMPARED:
        others = others[np.linspace(0, count - 1, _MOST_COMPARED).round().astype(int)]
    differences = found[:, None] - others[None, :]
    if noise > 0:
        chances = ndtr(differences / (np.sqrt(2.0) * noise))
    else:
        chances = 0.5 * (np.sign(differences) + 1.0)
    half = 0.5 / count
    scores[known] = ndtri(chances.mean(axis=1).clip(half, 1.0 - half))
    return scores


def noise_of(objective: Objective) -> float:
    """Return the standard deviation of a repeated measurement of an outcome.

    Macro-F1 is in points of 1, all others on the natural logarithm.
    """
    return F1_NOISE if objective is Objective.F1 else LOG_NOISE


class ValueCurve:
    """The worth of a normal score: its place between the worst and the best of a task, in [0, 1].

    It is the mean over the tasks of the history, so that the last percent of a score counts as much
    as on these; without a history it is the normal distribution function.

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
