"""The budget policy: how long a trial may take, and when another one is not worth starting.

A search's budget includes everything: loading, meta-features, the baseline, trials, the final test.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

DEFAULT_BUDGET_SECONDS = 900.0
UNBOUNDED_WALL_LIMIT_SECONDS = 3600.0
MAX_VALIDATION_ROWS = 2_000
LARGE_TRAINING_ROWS = 20_000

# A trial alone may take a sixth of the budget. Trials side by side share it, and each is slower.
_SHARE_OF_ONE_TRIAL = 1 / 6
_LARGEST_SHARE_OF_ONE_TRIAL = 1 / 3
_FIRST_MODEL_SECONDS = 190.0
_LEAST_ROWS = 2_000
_TEST_STARTUP_SECONDS = 8.0
_FIRST_OVERHEAD_SECONDS = 4.0


@dataclass(frozen=True)
class TrialAllowance:
    """What one trial may take.

    Attributes:
        soft_deadline_seconds: Training plus evaluation; None for as long as it takes.
        wall_limit_seconds: Until the launcher ends it.
    """

    soft_deadline_seconds: float | None
    wall_limit_seconds: float


@dataclass(frozen=True)
class BudgetPolicy:
    """What the user allows.

    Attributes:
        budget_seconds: For the whole search; 15 minutes if nothing bounds it.
        max_trials: Number of trials.
        trial_timeout_seconds: Wall-clock limit of one trial.
        workers: Trials side by side.
        is_bounded_otherwise: Whether a limit on GPU hours, energy or cost ends the search.
    """

    budget_seconds: float | None
    max_trials: int | None
    trial_timeout_seconds: float | None
    workers: int = 1
    is_bounded_otherwise: bool = False

    @property
    def effective_budget_seconds(self) -> float | None:
        """The budget with its default; None if only something else bounds the search."""
        is_bounded = self.max_trials is not None or self.is_bounded_otherwise
        if self.budget_seconds is None and not is_bounded:
            return DEFAULT_BUDGET_SECONDS
        return self.budget_seconds

    def allowance(
        self,
        *,
        elapsed_seconds: float,
        reserve_seconds: float,
        overhead_seconds: float = _FIRST_OVERHEAD_SECONDS,
        first: bool = False,
        soft_deadline_seconds: float | None = None,
    ) -> TrialAllowance:
        """Return what a trial that is started now may take.

        Args:
            elapsed_seconds: Used by the search so far.
            reserve_seconds: Needed after the last trial.
            overhead_seconds: What a trial takes beside training and evaluation.
            first: Whether it is the first trial: that one leaves a usable model soon, however large
                the data are.
            soft_deadline_seconds: What this trial was granted instead of the usual share.
        """
        budget = self.effective_budget_seconds
        timeout = self.trial_timeout_seconds
        if budget is None:
            if timeout is None:
                return TrialAllowance(None, UNBOUNDED_WALL_LIMIT_SECONDS)
            return TrialAllowance(_within(timeout), timeout)
        left = budget - elapsed_seconds - reserve_seconds
        if soft_deadline_seconds is not None:
            soft = soft_deadline_seconds
        else:
            soft = budget * self._share_of_one_trial if timeout is None else _within(timeout)
        soft = max(min(soft, left - overhead_seconds), 1.0)
        if first:
            soft = min(soft, max(_FIRST_MODEL_SECONDS - elapsed_seconds, budget / 12, 10.0))
        # The trial plans for its soft deadline; the wall limit is there for those that do not.
        wall = min(soft * 1.2 + 30.0, max(left, soft + overhead_seconds + 5.0))
        return TrialAllowance(soft, wall if timeout is None else min(wall, timeout))

    def may_start(
        self,
        *,
        started_trials: int,
        elapsed_seconds: float,
        reserve_seconds: float,
        cheapest_trial_seconds: float | None,
    ) -> str | None:
        """Return None if another trial is worth starting, else ``trials`` or ``budget``.

        Args:
            started_trials: Started so far.
            elapsed_seconds: Used by the search so far.
            reserve_seconds: Needed after the last trial.
            cheapest_trial_seconds: Wall-clock seconds of the quickest success so far.
        """
        if self.max_trials is not None and started_trials >= self.max_trials:
            return "trials"
        budget = self.effective_budget_seconds
        if budget is None:
            return None
        # A trial shrinks to its time, so a slow first one must not end a search early.
        least = max(min(10.0, 0.2 * budget), min(cheapest_trial_seconds or 0.0, 0.1 * budget))
        return "budget" if budget - elapsed_seconds - reserve_seconds < least else None

    def expected_trials(self, estimated_trial_seconds: Sequence[float]) -> int | None:
        """Return how many trials the search will probably come to; None if nothing bounds it.

        Args:
            estimated_trial_seconds: Estimates of typical trials, without overhead.
        """
        counts = [] if self.max_trials is None else [self.max_trials]
        budget = self.effective_budget_seconds
        if budget is not None:
            soft = budget * self._share_of_one_trial
            typical = [min(seconds, soft) for seconds in estimated_trial_seconds] or [soft]
            mean = sum(typical) / len(typical) + _FIRST_OVERHEAD_SECONDS
            counts.append(max(1, round(0.85 * self.workers * budget / mean)))
        return min(counts, default=None)

    @property
    def _share_of_one_trial(self) -> float:
        return min(self.workers * _SHARE_OF_ONE_TRIAL, _LARGEST_SHARE_OF_ONE_TRIAL)


def final_reserve_seconds(
    *,
    test_rows: int,
    seconds_per_row: float | None,
    budget_seconds: float | None,
) -> float:
    """Return what to keep for the final evaluation on the test split.

    Args:
        test_rows: Rows of the test split.
        seconds_per_row: Slowest evaluation seen so far; None before the first trial.
        budget_seconds: Budget of the search.
    """
    if budget_seconds is None:
        return 0.0
    measured = 1.3 * test_rows * (0.004 if seconds_per_row is None else seconds_per_row)
    return min(_TEST_STARTUP_SECONDS + measured, 0.3 * budget_seconds)


def data_fraction(*, rows: int, epoch_seconds: float, soft_deadline_seconds: float | None) -> float:
    """Return the share of the training rows that a trial is given.

    Only large data are cut, so that preparing rows which there is no time to train on does not
    stall a trial; half as many again as seem to fit stay, for the trial measures its own speed.

    Args:
        rows: Training rows.
        epoch_seconds: Estimated seconds of one pass over all of them.
        soft_deadline_seconds: Of the trial.
    """
    if rows <= LARGE_TRAINING_ROWS or soft_deadline_seconds is None or epoch_seconds <= 0:
        return 1.0
    share = max(1.5 * soft_deadline_seconds / epoch_seconds, _LEAST_ROWS / rows)
    if share >= 1:
        return 1.0
    # Two digits: trials with nearly the same share then use the same tokenised rows.
    digits = 1 - math.floor(math.log10(share))
    return min(1.0, round(share, digits))


def _within(timeout: float) -> float:
    return max(0.75 * timeout, timeout - 15.0)
