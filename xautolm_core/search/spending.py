"""What the trials of a search have used up: GPU hours, energy and money, against its limits."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xautolm_core.search.contract import SpendingLimits
    from xautolm_core.search.resume import ResumedTrial
    from xautolm_core.trial.contract import TrialResult

_SECONDS_PER_HOUR = 3600.0
_JOULES_PER_KWH = 3.6e6
_MOST_UNMETERED = 20


class Spending:
    """Adds up what attempts took, whatever they came to.

    Args:
        limits: What the search may use.
        resumed: Trials of an earlier process.
    """

    def __init__(self, limits: SpendingLimits, resumed: Iterable[ResumedTrial] = ()) -> None:
        self._limits = limits
        self._trial_seconds = 0.0
        self._joules = 0.0
        self._unmetered = 0
        self._unmetered_in_a_row = 0
        for one in resumed:
            for attempt in one.attempts:
                if attempt.result is not None:
                    self.add(attempt.result)

    @property
    def unmetered_attempts(self) -> int:
        """How many attempts trained without any reading of their energy."""
        return self._unmetered

    def add(self, result: TrialResult) -> None:
        """Take note of an attempt that has ended."""
        self._trial_seconds += attempt_seconds(result)
        self._joules += result.energy_joules or 0.0
        self._unmetered_in_a_row = 0 if result.energy else self._unmetered_in_a_row + 1
        self._unmetered += "train" in result.seconds and not result.energy

    def reached(
        self, running_seconds: Iterable[float] = (), *, is_bounded: bool = True
    ) -> str | None:
        """Return which limit is reached: ``gpu_hours``, ``energy`` or ``cost``; None if none is.

        ``unmetered``: nothing but energy bounds the search, and of many attempts in a row none
        could be read, so it would never end.

        Args:
            is_bounded: Whether something else ends the search too.
            running_seconds: How long each of the trials that run has been running: they count too.
        """
        limits = self._limits
        hours = (self._trial_seconds + sum(running_seconds)) / _SECONDS_PER_HOUR
        gpu_hours = hours * limits.gpus_per_trial
        kwh = self._joules / _JOULES_PER_KWH
        cost = gpu_hours * limits.price_per_gpu_hour + hours * limits.price_per_trial_hour
        cost += kwh * limits.price_per_kwh
        if limits.gpu_hours is not None and gpu_hours >= limits.gpu_hours:
            return "gpu_hours"
        if limits.energy_kwh is not None and kwh >= limits.energy_kwh:
            return "energy"
        if limits.cost is not None and cost >= limits.cost:
            return "cost"
        endless = limits.needs_energy and not (limits.limits_time or is_bounded)
        return "unmetered" if endless and self._unmetered_in_a_row >= _MOST_UNMETERED else None


def attempt_seconds(result: TrialResult) -> float:
    """Return how long an attempt held its machine: from its start to its end, without queueing."""
    if result.started_at is not None and result.ended_at is not None:
        return max(0.0, (result.ended_at - result.started_at).total_seconds())
    return sum(result.seconds.values())
