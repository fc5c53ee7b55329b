"""How many steps a trial takes: as configured, as budgeted, and as its deadline allows."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import field
from datetime import UTC
from datetime import datetime
from typing import TYPE_CHECKING

from xautolm_core.records.attempt import CutBy
from xautolm_core.trial.contract import TrialBudget
from xautolm_core.trial.failures import DeadlineExceeded

if TYPE_CHECKING:
    from xautolm_core.trial.state import TrialState

# The first step warms up caches and allocators; this many after it give the first prediction.
PROBE_STEPS = 3
# Later on the prediction is looked at again when these shares of the schedule are done.
_REVIEW_SHARES = (0.1, 0.25, 0.5, 0.75)
# A plan ends this much before the deadline, since a prediction is not exact.
_SAFETY = 0.95
# Plans that differ by less than this are left as they are.
_TOLERANCE = 0.03
# Evaluations that take more than this share of the time are made once, at the end.
_EVALUATION_SHARE = 0.3
# Features of a frozen backbone get this share of a deadline; rows whose features are not there by
# then are not trained on.
_FEATURE_SHARE = 0.85


@dataclass
class TrainingPlan:
    """The steps of a trial.

    Attributes:
        steps_per_epoch: Optimiser steps of one pass over the training rows.
        tokens_per_step: Mean padded tokens of one step.
        planned_steps: Of the configuration.
        limit: ``planned_steps`` within ``max_steps``.
        scheduled_steps: What the schedule is laid out for now.
        final_evaluation_only: Whether the evaluations between epochs are left out.
        first_step: Steps that a continuation finds done.
    """

    steps_per_epoch: int
    tokens_per_step: float
    planned_steps: int
    limit: int
    scheduled_steps: int
    final_evaluation_only: bool = False
    first_step: int = 0

    @classmethod
    def of(
        cls, *, steps_per_epoch: int, epochs: int, tokens_per_epoch: int, max_steps: int | None
    ) -> TrainingPlan:
        """Return the plan of a configuration within its budget of steps."""
        planned = steps_per_epoch * epochs
        limit = planned if max_steps is None else min(planned, max_steps)
        return cls(steps_per_epoch, tokens_per_epoch / steps_per_epoch, planned, limit, limit)

    def evaluates_after(self, step: int) -> bool:
        """Whether there is an evaluation after a number of steps."""
        if step >= self.scheduled_steps:
            return True
        return not self.final_evaluation_only and step % self.steps_per_epoch == 0

    def evaluations_left(self, step: int, end: int) -> int:
        """Return the evaluations after ``step`` of a schedule that ends at ``end``."""
        if self.final_evaluation_only:
            return 1
        between = (end - 1) // self.steps_per_epoch - step // self.steps_per_epoch
        return max(between, 0) + 1


@dataclass
class StepPace:
    """How fast a trial is, as measured so far.

    Attributes:
        train_seconds: Of the steps after the first.
        train_tokens: Padded tokens of these.
        evaluation_seconds: Of one evaluation; None before the probe.
    """

    train_seconds: float = 0.0
    train_tokens: int = 0
    steps: int = field(default=0)
    evaluation_seconds: float | None = None

    def observe(self, tokens: int, seconds: float) -> None:
        """Take note of a step."""
        self.steps += 1
        if self.steps > 1:
            self.train_seconds += seconds
            self.train_tokens += tokens

    def seconds_per_token(self) -> float:
        """Return seconds of one padded token in training."""
        return self.train_seconds / max(self.train_tokens, 1)


class Deadline:
    """Keeps a trial within its soft deadline, which counts training and evaluation.

    Args:
        budget: ``soft_deadline_seconds`` and ``on_overrun``.
        spent: Returns the seconds of training and evaluation so far.
        wall_left: Returns the seconds until the launcher kills the trial; None without a limit.
    """

    def __init__(
        self,
        budget: TrialBudget,
        *,
        spent: Callable[[], float],
        wall_left: Callable[[], float | None] = lambda: None,
    ) -> None:
        self._limit = budget.soft_deadline_seconds
        self._stops = budget.on_overrun == "stop"
        self._spent = spent
        self._wall_left = wall_left
        self._reviews: list[float] = []

    @property
    def exists(self) -> bool:
        """Whether there is a deadline or a wall limit at all."""
        return self._limit is not None or self._wall_left() is not None

    def spent_seconds(self) -> float:
        """Return the seconds of training and evaluation so far."""
        return self._spent()

    def left(self) -> float:
        """Return the seconds until the deadline; infinite without one."""
        return math.inf if self._limit is None else self._limit - self._spent()

    def review_due(self, plan: TrainingPlan, step: int) -> bool:
        """Whether to compare the plan with the pace after a number of steps."""
        if self._limit is None or step >= plan.scheduled_steps:
            return False
        if not self._reviews:
            # Steps that take long are not waited for: one measured step is enough then.
            done = step - plan.first_step
            slow = done > 1 and self._spent() > 0.1 * self._limit
            due = done > PROBE_STEPS or slow
        else:
            share = step / plan.scheduled_steps
            due = any(share >= s > self._reviews[-1] for s in _REVIEW_SHARES)
        if due:
            self._reviews.append(step / plan.scheduled_steps)
        return due

    def review(
        self, plan: TrainingPlan, pace: StepPace, step: int, reserve_seconds: float = 0.0
    ) -> bool:
        """Fit the plan to the pace; return whether the schedule has changed.

        It is to end before the wall limit, too: what came before the training may have taken longer
        than the soft deadline allows for.

        Args:
            plan: The steps.
            pace: How fast they are.
            step: How many are done.
            reserve_seconds: What has to be left at the wall limit after the last evaluation.

        Raises:
            DeadlineExceeded: The plan does not fit, and the budget says to stop then.
        """
        assert self._limit is not None
        predicted = self._predict(plan, pace, step, plan.scheduled_steps)
        available = self._limit * _SAFETY - self._spent()
        wall_left = self._wall_left()
        if wall_left is not None:
            available = min(available, wall_left - reserve_seconds)
        if self._stops and predicted > self._limit - self._spent():
            raise self._exceeded(predicted + self._spent())
        evaluation = pace.evaluation_seconds or 0.0
        count = plan.evaluations_left(step, plan.scheduled_steps)
        if (
            predicted > available
            and count > 1
            and count * evaluation > _EVALUATION_SHARE * available
        ):
            plan.final_evaluation_only = True
        steps = self._fitting_steps(plan, pace, step, available)
        if abs(steps - plan.scheduled_steps) <= _TOLERANCE * plan.scheduled_steps:
            return False
        plan.scheduled_steps = steps
        return True

    def must_end(
        self, plan: TrainingPlan, pace: StepPace, step: int, reserve_seconds: float = 0.0
    ) -> CutBy | None:
        """Return what training has to end for now, so that an evaluation still fits; else None.

        Args:
            plan: The steps.
            pace: How fast they are.
            step: How many are done.
            reserve_seconds: What has to be left at the wall limit after the evaluation.

        Raises:
            DeadlineExceeded: The deadline is reached, and the budget says to stop then.
        """
        if step >= plan.scheduled_steps:
            return None
        needed = pace.seconds_per_token() * plan.tokens_per_step + (pace.evaluation_seconds or 0.0)
        if self.meets_wall(needed + reserve_seconds):
            return "wall"
        if self.left() >= needed:
            return None
        if self._stops:
            raise self._exceeded(self._spent() + self._predict(plan, pace, step, plan.limit))
        return "deadline"

    def meets_wall(self, needed_seconds: float) -> bool:
        """Whether the launcher would end the trial within the next seconds."""
        wall_left = self._wall_left()
        return wall_left is not None and needed_seconds > wall_left

    def check_wall(self, needed_seconds: float) -> None:
        """Raise if the launcher would end the trial within the next seconds.

        Raises:
            DeadlineExceeded: It would.
        """
        if self.meets_wall(needed_seconds):
            raise DeadlineExceeded(
                f"{needed_seconds:.3g} s are needed, and fewer are left before the wall limit",
                cut_by="wall",
            )

    def allows_features(self, next_seconds: float) -> bool:
        """Whether there is time for one more pass for features of a frozen backbone.

        Args:
            next_seconds: What the pass will take.

        Raises:
            DeadlineExceeded: There is no time, and the budget says to stop then.
        """
        if self._limit is None or self._spent() + next_seconds < _FEATURE_SHARE * self._limit:
            return True
        if self._stops:
            raise self._exceeded(self._spent() / _FEATURE_SHARE)
        return False

    def _predict(self, plan: TrainingPlan, pace: StepPace, step: int, end: int) -> float:
        """Return the seconds from now until a schedule's end, evaluations included."""
        training = (end - step) * plan.tokens_per_step * pace.seconds_per_token()
        return training + plan.evaluations_left(step, end) * (pace.evaluation_seconds or 0.0)

    def _fitting_steps(
        self, plan: TrainingPlan, pace: StepPace, step: int, available: float
    ) -> int:
        """Return the longest schedule, from ``step`` to the limit, that fits the time."""
        low, high = step, plan.limit
        while low < high:
            middle = (low + high + 1) // 2
            if self._predict(plan, pace, step, middle) <= available:
                low = middle
            else:
                high = middle - 1
        return max(low, 1)

    def _exceeded(self, predicted: float) -> DeadlineExceeded:
        limit = self._limit or 0.0
        return DeadlineExceeded(
            f"Training and evaluation would take {predicted:.3g} s, {limit:.3g} s are allowed"
        )


def deadline_of(state: TrialState) -> Deadline:
    """Return the deadline of a running trial, which its clock is held against."""

    def spent() -> float:
        seconds = state.clock.seconds()
        return seconds.get("train", 0.0) + seconds.get("evaluate", 0.0)

    def wall_left() -> float | None:
        limit = state.spec.budget.wall_limit_seconds
        if limit is None:
            return None
        return limit - (datetime.now(UTC) - state.started_at).total_seconds()

    return Deadline(state.spec.budget, spent=spent, wall_left=wall_left)
