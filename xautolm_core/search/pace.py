"""What trials have taken so far, and what the next one may therefore take."""

from __future__ import annotations

import math
from collections.abc import Iterable
from collections.abc import Sequence
from typing import TYPE_CHECKING

from xautolm_core.outcomes import Outcome
from xautolm_core.search.plan import MAX_VALIDATION_ROWS
from xautolm_core.search.plan import TrialAllowance
from xautolm_core.search.plan import data_fraction
from xautolm_core.search.plan import final_reserve_seconds
from xautolm_core.search.promotion import Repetition
from xautolm_core.search.promotion import plan_repetition
from xautolm_core.trial.contract import TrialBudget

if TYPE_CHECKING:
    from xautolm_core.search.contract import TrialRecord
    from xautolm_core.search.setup import SearchSetup
    from xautolm_core.space.configuration import Configuration
    from xautolm_core.trial.contract import TrialResult

_OVERHEAD_SECONDS = 4.0
_LATEST = 3


class Pace:
    """Gives each trial its share of the budget.

    Args:
        setup: What the trials of the search share.
    """

    def __init__(self, setup: SearchSetup) -> None:
        self._setup = setup
        self._overheads: list[float] = []

    @property
    def overhead_seconds(self) -> float:
        """What a trial takes beside training and evaluation, as of late."""
        return max(self._overheads[-_LATEST:], default=_OVERHEAD_SECONDS)

    def learn(self, result: TrialResult, *, wall_seconds: float) -> None:
        """Take note of a trial that has ended, so long after it was launched."""
        if result.outcome is Outcome.OK and result.time_seconds is not None:
            self._overheads.append(max(0.0, wall_seconds - result.time_seconds))

    def cheapest_seconds(self, records: Iterable[TrialRecord]) -> float | None:
        """Return what the quickest trial so far took, with its overhead; None if there is none."""
        return min((s + self.overhead_seconds for s in _times(records)), default=None)

    def reserve_seconds(self, records: Iterable[TrialRecord]) -> float:
        """Return what the end of the search will take."""
        evaluations = [_evaluation_seconds(record.result) for record in records]
        slowest = max((seconds for seconds in evaluations if seconds is not None), default=None)
        return final_reserve_seconds(
            test_rows=len(self._setup.task.test),
            seconds_per_row=None if slowest is None else slowest / max(self._validation_rows, 1),
            budget_seconds=self._setup.policy.effective_budget_seconds,
        )

    def trial_budget(
        self,
        configuration: Configuration,
        records: Sequence[TrialRecord],
        soft_deadline_seconds: float | None = None,
    ) -> TrialBudget:
        """Return what a trial may use.

        Args:
            configuration: What it tries.
            records: All trials so far.
            soft_deadline_seconds: If given, what it may take, whatever its share would be.
        """
        allowance = self._allowance(records, soft_deadline_seconds)
        estimated = self._setup.feasibility.estimate(configuration).train_seconds
        epochs = configuration.parameters.get("epochs")
        passes = float(epochs) if isinstance(epochs, int | float) and epochs > 0 else 1.0
        return TrialBudget(
            soft_deadline_seconds=allowance.soft_deadline_seconds,
            wall_limit_seconds=allowance.wall_limit_seconds,
            host_memory_bytes=self._setup.trial_memory_bytes,
            data_fraction=data_fraction(
                rows=len(self._setup.task.train),
                epoch_seconds=estimated / passes,
                soft_deadline_seconds=allowance.soft_deadline_seconds,
            ),
            max_validation_rows=MAX_VALIDATION_ROWS,
        )

    def repetition(
        self, records: Sequence[TrialRecord], running: Iterable[Configuration]
    ) -> Repetition | None:
        """Return a trial to repeat with more time, if this is the moment (``plan_repetition``)."""
        policy = self._setup.policy
        budget = policy.effective_budget_seconds
        if budget is None:
            return None
        left = budget - self._setup.clock.elapsed_seconds - self.reserve_seconds(records)
        usual = self._allowance(records).soft_deadline_seconds or 0.0
        known = _times(records)
        if known:
            usual = min(usual, sum(known) / len(known))
        return plan_repetition(
            policy,
            records=records,
            running=running,
            training_rows=len(self._setup.task.train),
            validation_rows=self._validation_rows,
            left_seconds=left - self.overhead_seconds,
            usual_trial_seconds=usual + self.overhead_seconds,
        )

    def _allowance(
        self, records: Sequence[TrialRecord], soft_deadline_seconds: float | None = None
    ) -> TrialAllowance:
        return self._setup.policy.allowance(
            soft_deadline_seconds=soft_deadline_seconds,
            elapsed_seconds=self._setup.clock.elapsed_seconds,
            reserve_seconds=self.reserve_seconds(records),
            overhead_seconds=self.overhead_seconds,
            first=not any(record.values for record in records),
        )

    @property
    def _validation_rows(self) -> int:
        return min(MAX_VALIDATION_ROWS, len(self._setup.task.validation))


def _times(records: Iterable[TrialRecord]) -> list[float]:
    """Return the seconds of the trials that came to a score."""
    seconds = [record.result.time_seconds for record in records if record.values]
    return [s for s in seconds if s is not None]


def _evaluation_seconds(result: TrialResult) -> float | None:
    """Return what one evaluation on validation took; a trial makes one an epoch."""
    seconds = result.seconds.get("evaluate")
    if result.outcome is not Outcome.OK or seconds is None:
        return None
    return seconds / max(1, math.ceil(result.progress.epochs))
