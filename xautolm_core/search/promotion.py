"""The longer repetition: one of the best once more, with the time that it was denied.

A trial that would not end in its share of the budget shrinks its schedule, or sees a part of the
rows. If the best ones were cut so, one is repeated at the end of the search with what time is left,
as successive halving promotes what did well on less (Jamieson and Talwalkar, arXiv 1502.07943).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from collections.abc import Sequence
from typing import TYPE_CHECKING

from xautolm_core.search.contract import Objective
from xautolm_core.search.planned import PlannedTrial
from xautolm_core.search.records import choose_best

if TYPE_CHECKING:
    from xautolm_core.search.contract import TrialRecord
    from xautolm_core.search.plan import BudgetPolicy
    from xautolm_core.space.configuration import Configuration

_CUT_BELOW = 0.95
_LEAST_GAIN = 1.5
_LARGEST_SHARE_OF_BUDGET = 0.4
_MARGIN = 1.1


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
    records: Sequence[TrialRecord],
    running: Iterable[Configuration],
    training_rows: int,
    validation_rows: int,
    left_seconds: float,
    usual_trial_seconds: float,
) -> PlannedTrial | None:
    """Return a trial to repeat with more time, if it was cut and this is the moment for it.

    It is the best trial, or one whose score is no more than a standard error below and that was cut
    more: it has the most to gain. The moment has come when no other trial would fit in before it.
    It gets what its whole schedule would take, or what is left; less than one and a half times of
    what it had is not worth it. One trial of a search is repeated so.

    Args:
        policy: The budget.
        records: All trials so far.
        running: Configurations of the trials that run.
        training_rows: Rows of the task's training split.
        validation_rows: Rows that trials are scored on.
        left_seconds: Of the budget, for training and evaluation.
        usual_trial_seconds: What another trial would take.
    """
    budget = policy.effective_budget_seconds
    best = choose_best(records)
    if best is None or budget is None or policy.trial_timeout_seconds is not None:
        return None
    tried = [*(record.configuration for record in records), *running]
    if any(tried.count(configuration) > 1 for configuration in tried):
        return None
    lowest = best.values[Objective.F1.value]
    lowest -= standard_error(lowest, validation_rows)
    candidates = [r for r in records if r.values and r.values[Objective.F1.value] >= lowest]
    chosen = min(candidates, key=lambda r: (uncut_share(r, training_rows), r.number))
    had = chosen.result.time_seconds
    share = uncut_share(chosen, training_rows)
    if not had or share <= 0 or share >= _CUT_BELOW:
        return None
    whole = _MARGIN * had / share
    wanted = min(whole, _LARGEST_SHARE_OF_BUDGET * budget)
    given = min(whole, left_seconds)
    if left_seconds - usual_trial_seconds > wanted or given < _LEAST_GAIN * had:
        return None
    return PlannedTrial(
        configuration=chosen.configuration,
        soft_deadline_seconds=given,
        why=f"trial {chosen.number} again: of the best so far, it had {share:.0%} of its training",
    )


def standard_error(score: float, rows: int) -> float:
    """Return the standard error of a score that is a share of so many rows (binomial)."""
    share = min(max(score, 0.0), 1.0)
    return math.sqrt(share * (1 - share) / max(rows, 1))
