"""Estimated seconds of trials, on one scale for all tasks.

The estimate from model, method, rows, epochs and lengths mostly orders configurations correctly
before they run. Only its scale differs by task and machine, so it is standardised over the
configurations that can run on the task.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from xautolm_core.search.samplers.probabilistic_model import UniformChooser
from xautolm_core.space.draw import draw

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xautolm_core.records.configuration import Configuration
    from xautolm_core.search.history.arrays import History
    from xautolm_core.search.resource_load import Load
    from xautolm_core.space.space import SearchSpace

_DRAWS = 128
_LEAST_ROWS = 3
_LEAST_SPREAD = 0.1
_LARGEST = 3.0


class RelativeCosts:
    """Estimated seconds of the configurations of a space on one task.

    Args:
        space: The space of the configurations.
        load: Returns the estimated needs of one relative to its limits; None if unknown.
    """

    def __init__(self, space: SearchSpace, load: Load | None) -> None:
        self._space = space
        self._load = load

    @property
    def are_known(self) -> bool:
        """Whether seconds are estimated before a trial runs."""
        return self._usual is not None

    def of_configurations(self, configurations: Sequence[Configuration]) -> NDArray[np.float64]:
        """Return the logarithm of the estimated seconds, shape (configurations,).

        In standard deviations from the mean of random configurations that can run; 0 if unknown.
        """
        if self._load is None or self._usual is None:
            return np.zeros(len(configurations))
        seconds = [self._load(one).seconds for one in configurations]
        return _standing(_logarithms(seconds), *self._usual)

    @cached_property
    def _usual(self) -> tuple[float, float] | None:
        """Mean and standard deviation over random configurations; None if unknown."""
        if self._load is None or not self._space.branches:
            return None
        chooser = UniformChooser(np.random.default_rng(0))
        loads = [self._load(draw(self._space, chooser)) for _ in range(_DRAWS)]
        known = [one for one in loads if one.seconds > 0]
        # NaN, where nothing limits a trial, does not exclude it.
        fitting = [one for one in known if not (one.log_time > 0 or one.log_memory > 0)]
        chosen = fitting if len(fitting) >= _LEAST_ROWS else known
        if len(chosen) < _LEAST_ROWS:
            return None
        return _middle_and_spread(_logarithms([one.seconds for one in chosen]))


def relative_costs(history: History) -> NDArray[np.float64]:
    """Return the same of experiences, each within its task, shape (rows,).

    Args:
        history: All attempts, failures included, as the scale is that of all that could run.
    """
    found = np.zeros(len(history))
    times = _logarithms(history.estimated_seconds)
    for task in np.unique(history.task.codes):
        rows = np.flatnonzero((history.task.codes == task) & np.isfinite(times))
        if len(rows) >= _LEAST_ROWS:
            found[rows] = _standing(times[rows], *_middle_and_spread(times[rows]))
    return found


def _logarithms(seconds: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    """Return natural logarithms; NaN of what is not positive."""
    known = np.asarray(seconds, dtype=float)
    return np.log(np.where(known > 0, known, np.nan))


def _middle_and_spread(times: NDArray[np.float64]) -> tuple[float, float]:
    return float(times.mean()), max(float(times.std()), _LEAST_SPREAD)


def _standing(times: NDArray[np.float64], middle: float, spread: float) -> NDArray[np.float64]:
    found = np.nan_to_num((times - middle) / spread, nan=0.0)
    return np.asarray(found.clip(-_LARGEST, _LARGEST))
