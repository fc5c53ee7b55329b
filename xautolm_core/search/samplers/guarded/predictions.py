"""Convert normal scores back to scores, seconds and joules, with their uncertainty."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from xautolm_core.search.contract import Objective
from xautolm_core.search.explanation import PredictedRange

if TYPE_CHECKING:
    from numpy.typing import NDArray

_OUTER_TENTH = 1.2816
"""The 90 % quantile of a standard normal variable."""

_NOISE = 0.3
"""Prior residual variance of one trial's normal score."""

_TRUST_IN_NOISE = 4.0
"""Prior strength, in trials, against the task's own residuals."""

_TRUST_IN_SLOPE = 3.0
_LEAST_SPREAD = 1e-3
_OFFSET_NOISE = 0.6


class OutcomeScale:
    """The scale of an objective along normal scores: ``value = offset + slope * score``.

    The slope is that of the earlier tasks, shrunk towards that of the task's own trials; the offset
    is that of the own trials, shrunk towards the mean of the earlier tasks.

    Args:
        objective: The objective.
        samples: Values of each earlier task, more is better (see ``better_values``).
    """

    def __init__(self, objective: Objective, samples: Sequence[NDArray[np.float64]]) -> None:
        self._objective = objective
        known = [one[np.isfinite(one)] for one in samples]
        known = [one for one in known if len(one) >= 3]
        self._has_history = bool(known)
        means = np.asarray([one.mean() for one in known])
        spreads = np.asarray([max(one.std(), _LEAST_SPREAD) for one in known])
        self._slope = float(np.exp(np.log(spreads).mean())) if known else math.nan
        self._mean = float(means.mean()) if known else 0.0
        # A single task does not show how much tasks differ.
        between = float(means.std(ddof=1)) if len(known) > 1 else math.inf
        self._between = max(between, self._slope) if known else math.inf

    def prediction(
        self,
        values: NDArray[np.float64],
        scores: NDArray[np.float64],
        expected: NDArray[np.float64],
        mean: float,
        variance: float,
    ) -> PredictedRange | None:
        """Return the predicted range of a configuration; None if its scale is unknown.

        Args:
            values: Shape (n,): values of the task's own trials, more is better.
            scores: Shape (n,): their normal scores.
            expected: Shape (n,): their posterior normal scores.
            mean: Posterior normal score of the configuration.
            variance: Its variance.
        """
        slope = self._own_slope(values, scores)
        if slope is None:
            return None
        offset, doubt = self._offset(values, scores, slope)
        if not math.isfinite(doubt):
            return None
        middle = offset + slope * mean
        noise = _residual_variance((values - offset) / slope - expected)
        spread = math.sqrt(slope**2 * (variance + noise) + doubt**2)
        low, high = middle - _OUTER_TENTH * spread, middle + _OUTER_TENTH * spread
        if self._objective is Objective.F1:
            low, middle, high = (min(1.0, max(0.0, value)) for value in (low, middle, high))
            return PredictedRange(median=middle, low=low, high=high)
        return PredictedRange(median=_exp(-middle), low=_exp(-high), high=_exp(-low))

    def _own_slope(self, values: NDArray[np.float64], scores: NDArray[np.float64]) -> float | None:
        count = len(values)
        spread = float(scores.std()) if count >= 3 else 0.0
        own = float(values.std()) / spread if spread > 1e-6 else 0.0
        if not self._has_history:
            return own if own > 0 else None
        if own <= 0:
            return self._slope
        weight = count / (count + _TRUST_IN_SLOPE)
        return math.exp(weight * math.log(own) + (1 - weight) * math.log(self._slope))

    def _offset(
        self, values: NDArray[np.float64], scores: NDArray[np.float64], slope: float
    ) -> tuple[float, float]:
        """Return the offset and its standard deviation."""
        precision = 0.0 if math.isinf(self._between) else 1.0 / self._between**2
        weighted = precision * self._mean
        if len(values):
            own = len(values) / (_OFFSET_NOISE * slope) ** 2
            weighted += own * float((values - slope * scores).mean())
            precision += own
        if precision == 0:
            return 0.0, math.inf
        return weighted / precision, math.sqrt(1.0 / precision)


def _residual_variance(residuals: NDArray[np.float64]) -> float:
    """Return the variance of outcomes around their predictions, in normal scores."""
    total = _TRUST_IN_NOISE * _NOISE + float((residuals**2).sum())
    return total / (_TRUST_IN_NOISE + len(residuals))


def _exp(value: float) -> float:
    return math.exp(min(max(value, -50.0), 50.0))
