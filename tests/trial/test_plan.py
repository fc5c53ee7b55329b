from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xautolm_core.trial.contract import TrialBudget
from xautolm_core.trial.failures import DeadlineExceeded
from xautolm_core.trial.plan import Deadline
from xautolm_core.trial.plan import StepPace
from xautolm_core.trial.plan import TrainingPlan


class _Simulation:
    """A trial with a made-up clock: so many seconds a step and an evaluation."""

    def __init__(self, step: float, evaluation: float, **budget: Any) -> None:
        self.now = 0.0
        self.step, self.evaluation = step, evaluation
        self.evaluations = 0
        self.deadline = Deadline(TrialBudget(**budget), spent=lambda: self.now)

    def run(self, plan: TrainingPlan) -> int:
        pace = StepPace()
        for step in range(1, plan.limit + 1):
            cost = self.step * (2.0 if step == 1 else 1.0)
            self.now += cost
            pace.observe(100, cost)
            if self.deadline.review_due(plan, step):
                pace.evaluation_seconds = pace.evaluation_seconds or self.evaluation
                self.deadline.review(plan, pace, step)
            if self.deadline.must_end(plan, pace, step):
                plan.scheduled_steps = step
            if plan.evaluates_after(step):
                self.now += self.evaluation
                self.evaluations += 1
                pace.evaluation_seconds = self.evaluation
            if step >= plan.scheduled_steps:
                return step
        raise AssertionError("the schedule never ended")


def _plan(steps_per_epoch: int = 50, epochs: int = 4, max_steps: int | None = None) -> TrainingPlan:
    return TrainingPlan.of(
        steps_per_epoch=steps_per_epoch,
        epochs=epochs,
        tokens_per_epoch=100 * steps_per_epoch,
        max_steps=max_steps,
    )


def test_without_a_deadline_everything_is_done() -> None:
    simulation = _Simulation(1.0, 5.0)
    assert simulation.run(_plan()) == 200
    assert simulation.evaluations == 4


def test_max_steps_cut_the_schedule_and_the_last_step_is_evaluated() -> None:
    plan = _plan(max_steps=70)
    assert (plan.planned_steps, plan.scheduled_steps) == (200, 70)
    simulation = _Simulation(1.0, 5.0)
    assert simulation.run(plan) == 70
    assert simulation.evaluations == 2


def test_a_trial_that_fits_is_left_alone() -> None:
    simulation = _Simulation(1.0, 5.0, soft_deadline_seconds=400)
    assert simulation.run(_plan()) == 200


def test_a_long_trial_shrinks_into_its_deadline() -> None:
    simulation = _Simulation(1.0, 5.0, soft_deadline_seconds=100)
    steps = simulation.run(_plan())
    assert 80 <= steps < 100
    assert 85 < simulation.now <= 100
    assert simulation.evaluations == 2


def test_dear_evaluations_are_made_once() -> None:
    simulation = _Simulation(0.1, 30.0, soft_deadline_seconds=60)
    simulation.run(_plan(steps_per_epoch=20, epochs=10))
    assert simulation.evaluations == 1
    assert simulation.now <= 60


def test_stop_says_what_it_would_take() -> None:
    simulation = _Simulation(1.0, 5.0, soft_deadline_seconds=100, on_overrun="stop")
    with pytest.raises(DeadlineExceeded, match=r"would take 22\d s, 100 s are allowed"):
        simulation.run(_plan())
    assert simulation.now < 10


def test_one_huge_step_is_followed_by_an_evaluation() -> None:
    simulation = _Simulation(60.0, 5.0, soft_deadline_seconds=100)
    assert simulation.run(_plan()) <= 2
    assert simulation.evaluations == 1


def test_no_evaluation_where_the_launcher_would_end_it() -> None:
    deadline = Deadline(
        TrialBudget(soft_deadline_seconds=10, wall_limit_seconds=20),
        spent=lambda: 12.0,
        wall_left=lambda: 3.0,
    )
    deadline.check_wall(2.0)
    with pytest.raises(DeadlineExceeded):
        deadline.check_wall(4.0)


@given(
    step=st.floats(0.001, 5.0),
    evaluation=st.floats(0.0, 20.0),
    limit=st.floats(30.0, 500.0),
    per_epoch=st.integers(1, 300),
    epochs=st.integers(1, 10),
)
def test_a_steady_trial_ends_in_time_with_an_evaluation(
    step: float, evaluation: float, limit: float, per_epoch: int, epochs: int
) -> None:
    simulation = _Simulation(step, evaluation, soft_deadline_seconds=limit)
    steps = simulation.run(_plan(per_epoch, epochs))
    assert 1 <= steps <= per_epoch * epochs
    assert simulation.evaluations >= 1
    assert simulation.now <= limit + 5 * step + evaluation


def test_a_trial_that_speeds_up_takes_its_steps_back() -> None:
    simulation = _Simulation(2.0, 1.0, soft_deadline_seconds=150)
    plan, pace = _plan(), StepPace()
    for step in range(1, 5):
        simulation.now += 2.0
        pace.observe(100, 2.0)
        if simulation.deadline.review_due(plan, step):
            pace.evaluation_seconds = 1.0
            simulation.deadline.review(plan, pace, step)
    shrunk = plan.scheduled_steps
    assert shrunk < 80
    for step in range(5, 40):
        simulation.now += 0.2
        pace.observe(100, 0.2)
        if simulation.deadline.review_due(plan, step):
            simulation.deadline.review(plan, pace, step)
    assert plan.scheduled_steps > shrunk
