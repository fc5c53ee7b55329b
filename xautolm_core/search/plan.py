"""The budget policy: the time limit of a trial, and when another one is not worth starting.

A search's budget includes everything: loading, meta-features, trials, the final test. There are no
equal shares: a cheap candidate may take a small part, and a language model gets the forecast of
its whole schedule, as far as that is left.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xautolm_core.space.generation_cost import written_rows
from xautolm_core.space.screening import at_most_screened
from xautolm_core.tasks.spec import TaskType

if TYPE_CHECKING:
    from xautolm_core.records.configuration import Configuration

DEFAULT_BUDGET_SECONDS = 900.0
UNBOUNDED_WALL_LIMIT_SECONDS = 3600.0
MAX_VALIDATION_ROWS = 2_000
LARGE_TRAINING_ROWS = 20_000

SHARE_OF_CHEAP = 0.15
"""Share of the budget that one cheap candidate may take."""

SHARE_OF_WHOLE_EPOCHS = 0.6
"""Share of the time left that the epochs of one trial may take, so that others get time too. Where
a single epoch takes more, it gets all of it: half an epoch each of two models is worth less."""

SHARE_OF_FIRST = 0.9
"""The same for a first configuration: one that is trained for all of its epochs is worth more than
two that are not."""

SHARE_OF_COMPARISON = 0.3
"""Largest share of the budget that is reserved for the tests of two models."""

SHARE_OF_TEST = 0.6
"""Largest share of the budget that is reserved for the test of one model."""

_LEAST_ROWS = 2_000
_UNKNOWN_TEST_SECONDS = 10.0
_LEAST_TRIAL_SECONDS = 10.0
_FIRST_OVERHEAD_SECONDS = 4.0


@dataclass(frozen=True)
class TrialAllowance:
    """The time limits of one trial.

    Attributes:
        soft_deadline_seconds: Training plus evaluation; None without a limit.
        wall_limit_seconds: Until the launcher ends it.
    """

    soft_deadline_seconds: float | None
    wall_limit_seconds: float


@dataclass(frozen=True)
class BudgetPolicy:
    """The user's limits.

    Attributes:
        budget_seconds: For the whole search; 15 minutes if nothing bounds it.
        max_trials: Number of trials of language models.
        trial_timeout_seconds: Wall-clock limit of one trial.
        is_bounded_otherwise: Whether a limit on GPU hours, energy or cost ends the search.
    """

    budget_seconds: float | None
    max_trials: int | None
    trial_timeout_seconds: float | None
    is_bounded_otherwise: bool = False

    @property
    def effective_budget_seconds(self) -> float | None:
        """The budget with its default; None if only something else bounds the search."""
        is_bounded = self.max_trials is not None or self.is_bounded_otherwise
        if self.budget_seconds is None and not is_bounded:
            return DEFAULT_BUDGET_SECONDS
        return self.budget_seconds

    @property
    def cheap_seconds(self) -> float | None:
        """Time limit of one cheap candidate; None without one."""
        budget = self.effective_budget_seconds
        return None if budget is None else SHARE_OF_CHEAP * budget

    def left_seconds(self, *, elapsed_seconds: float, reserve_seconds: float) -> float:
        """Return the time left for trials; infinite without a budget."""
        budget = self.effective_budget_seconds
        return math.inf if budget is None else budget - elapsed_seconds - reserve_seconds

    def allowance(
        self, *, left_seconds: float, overhead_seconds: float, wanted_seconds: float | None
    ) -> TrialAllowance:
        """Return the time limits of a trial that is started now.

        The trial plans for its soft deadline. The wall limit is the end of the budget itself, so
        that a trial that misses its deadline is ended there with its last saved model.

        Args:
            left_seconds: Time left for trials, without the reserve for the end.
            overhead_seconds: Time of a trial beside training and evaluation.
            wanted_seconds: Training plus evaluation as planned; None without a plan.
        """
        timeout = self.trial_timeout_seconds
        soft = math.inf if wanted_seconds is None else wanted_seconds
        soft = min(soft, left_seconds - overhead_seconds)
        if timeout is not None:
            soft = min(soft, _within(timeout))
        soft = max(soft, 1.0)
        wall = min(
            UNBOUNDED_WALL_LIMIT_SECONDS if math.isinf(left_seconds) else left_seconds,
            math.inf if timeout is None else timeout,
        )
        if math.isinf(soft):
            return TrialAllowance(None, wall)
        return TrialAllowance(soft, max(wall, soft))

    def may_start(
        self,
        *,
        started_trials: int,
        left_seconds: float,
        overhead_seconds: float,
        evaluation_seconds: float = 0.0,
    ) -> str | None:
        """Return None if another trial is worth starting, else ``trials`` or ``budget``.

        Args:
            started_trials: Trials of language models started so far.
            left_seconds: Time left for trials, without the reserve for the end.
            overhead_seconds: Time of a trial beside training and evaluation.
            evaluation_seconds: Time of one evaluation; training must get at least as much.
        """
        if self.max_trials is not None and started_trials >= self.max_trials:
            return "trials"
        budget = self.effective_budget_seconds
        if budget is None:
            return None
        least = max(min(_LEAST_TRIAL_SECONDS, 0.05 * budget), 2.0 * evaluation_seconds)
        least += overhead_seconds
        return "budget" if left_seconds < least else None

    def expected_trials(
        self, estimated_trial_seconds: Sequence[float], *, workers: int = 1
    ) -> int | None:
        """Return the expected number of trials of the search; None if nothing bounds it.

        Args:
            estimated_trial_seconds: Estimates of typical trials, without overhead.
            workers: Concurrent trials.
        """
        counts = [] if self.max_trials is None else [self.max_trials]
        budget = self.effective_budget_seconds
        if budget is not None:
            most = SHARE_OF_WHOLE_EPOCHS * budget
            typical = [min(seconds, most) for seconds in estimated_trial_seconds] or [most]
            mean = sum(typical) / len(typical) + _FIRST_OVERHEAD_SECONDS
            counts.append(max(1, round(0.85 * workers * budget / mean)))
        return min(counts, default=None)


def most_validation_rows(task_type: str, configuration: Configuration | None = None) -> int:
    """Return how many validation rows a trial is scored on at most.

    Args:
        task_type: Name of the kind of task.
        configuration: What the trial trains; None for a whole training.
    """
    method = "" if configuration is None else configuration.method
    if task_type == TaskType.TEXT_GENERATION:
        return written_rows(method, MAX_VALIDATION_ROWS)
    if configuration is None:
        return MAX_VALIDATION_ROWS
    return at_most_screened(configuration, MAX_VALIDATION_ROWS)


def final_reserve_seconds(test_seconds: Sequence[float], *, budget_seconds: float | None) -> float:
    """Return the time to reserve for the tests of the chosen model and of one to compare with.

    As any model may be chosen, the longer test is reserved for, up to most of the budget; both are
    if they take a moderate part of it.

    Args:
        test_seconds: Expected time of the test of each model that may be compared; empty if
            unknown.
        budget_seconds: Budget of the search.
    """
    if budget_seconds is None:
        return 0.0
    moderate = SHARE_OF_COMPARISON * budget_seconds
    if not test_seconds:
        return min(_UNKNOWN_TEST_SECONDS, moderate)
    if sum(test_seconds) <= moderate:
        return sum(test_seconds)
    return min(max(test_seconds), SHARE_OF_TEST * budget_seconds)


def data_fraction(*, rows: int, epoch_seconds: float, soft_deadline_seconds: float | None) -> float:
    """Return the share of the training rows that a trial gets.

    Only large data are cut, so that a trial does not spend its time on preparing rows that it
    cannot train on; 50 % more rows than seem to fit are kept, as the trial measures its own speed.

    Args:
        rows: Training rows.
        epoch_seconds: Estimated seconds of one pass over all of them.
        soft_deadline_seconds: Soft deadline of the trial.
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
