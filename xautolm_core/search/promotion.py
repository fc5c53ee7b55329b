"""The longer repetition: the best configuration once more, with the time that it was denied.

A trial that would not end in its share of the budget shrinks its schedule, or sees a part of the
rows. If the best one was cut so, it is repeated at the end of the search with what time is left, as
successive halving promotes what did well on less (Jamieson and Talwalkar, arXiv 1502.07943).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xautolm_core.search.contract import TrialRecord
    from xautolm_core.search.plan import BudgetPolicy
    from xautolm_core.space.configuration import Configuration

_CUT_BELOW = 0.95
_LEAST_GAIN = 1.5
_LARGEST_SHARE_OF_BUDGET = 0.4
_MARGIN = 1.1


@dataclass(frozen=True)
class Repetition:
    """A configuration that deserves more time.

    Attributes:
        configuration: What is repeated.
        soft_deadline_seconds: What it may take.
        why: Where it comes from, in words.
    """

    configuration: Configuration
    soft_deadline_seconds: float
    why: str


def uncut_share(record: TrialRecord, training_rows: int) -> float:
    """Return which share of its configuration's training a trial was given, in (0, 1].

    Args:
        record: A trial that came to a score.
        training_rows: Rows of the task's training split.
    """
    progress = record.result.progress
    steps = progress.scheduled_steps / progress.planned_steps if progress.planned_steps else 1.0
    rows = progress.rows / training_rows if progress.rows and training_rows else 1.0
    return min(1.0, steps) * min(1.0, rows)


def plan_repetition(
    policy: BudgetPolicy,
    *,
    best: TrialRecord | None,
    tried: Iterable[tuple[int, Configuration]],
    training_rows: int,
    left_seconds: float,
    usual_trial_seconds: float,
) -> Repetition | None:
    """Return the best trial with more time, if it was cut and this is the moment for it.

    The moment has come when no other trial would fit in before it. It gets what its whole schedule
    would take, or what is left; less than one and a half times of what it had is not worth it.

    Args:
        policy: The budget.
        best: The best trial so far.
        tried: Number and configuration of all trials so far, with those that run.
        training_rows: Rows of the task's training split.
        left_seconds: Of the budget, for training and evaluation.
        usual_trial_seconds: What another trial would take.
    """
    budget = policy.effective_budget_seconds
    if best is None or budget is None or policy.trial_timeout_seconds is not None:
        return None
    had = best.result.time_seconds
    share = uncut_share(best, training_rows)
    again = any(c == best.configuration and n != best.number for n, c in tried)
    if again or not had or share <= 0 or share >= _CUT_BELOW:
        return None
    whole = _MARGIN * had / share
    wanted = min(whole, _LARGEST_SHARE_OF_BUDGET * budget)
    given = min(whole, left_seconds)
    if left_seconds - usual_trial_seconds > wanted or given < _LEAST_GAIN * had:
        return None
    return Repetition(
        configuration=best.configuration,
        soft_deadline_seconds=given,
        why=f"trial {best.number} again: the best so far, with {share:.0%} of its training",
    )
