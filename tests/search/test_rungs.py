"""Early stopping: the rule at a rung, and searches that stop trials by it."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.search.instant import EpochsLauncher
from tests.search.instant import Silent
from xautolm_core.experience.open import open_store
from xautolm_core.records.attempt import TrialEvaluation
from xautolm_core.records.configuration import Configuration
from xautolm_core.records.outcome import Outcome
from xautolm_core.search.contract import Objective
from xautolm_core.search.pareto import dominates
from xautolm_core.search.rungs import EarlyStops
from xautolm_core.search.rungs import RungPoint
from xautolm_core.search.rungs import rung_of
from xautolm_core.search.rungs import why_to_stop
from xautolm_core.search.runner import run_search
from xautolm_core.search.spending import SpendingLimits
from xautolm_core.trial.files import read_result

BOTH = (Objective.F1, Objective.TIME)


def evaluation(f1: float, seconds: float, joules: float | None = None, epoch: float = 1.0):
    return TrialEvaluation(epoch=epoch, score=f1, seconds=seconds, joules=joules)


def point(number: int, f1: float, seconds: float, *, joules=None, method="full") -> RungPoint:
    return RungPoint(number, method, evaluation(f1, seconds, joules))


@st.composite
def rung_points(draw, least: int = 1) -> list[RungPoint]:
    drawn = st.tuples(st.integers(0, 9), st.integers(1, 9), st.sampled_from(["full", "lora"]))
    found = draw(st.lists(drawn, min_size=least, max_size=12))
    return [point(n, f1 / 9, s, method=method) for n, (f1, s, method) in enumerate(found)]


def stopped(points: list[RungPoint]) -> set[int]:
    """Return who would be stopped, each looked at last."""
    return {
        one.number
        for i, one in enumerate(points)
        if why_to_stop(one, points[:i] + points[i + 1 :], BOTH)
    }


@given(rung_points())
def test_neither_the_first_front_nor_the_best_score_is_stopped_and_never_over_half(points):
    gone = stopped(points)
    costs = {one.number: (-one.at.score, one.at.seconds) for one in points}
    assert all(any(dominates(costs[b], costs[a]) for b in costs) for a in gone)
    assert (
        not {one.number for one in points if one.at.score == max(-c for c, _ in costs.values())}
        & gone
    )
    assert len(gone) <= len(points) / 2
    assert len(points) > 3 or not gone


@given(rung_points(least=4), st.randoms())
def test_the_order_of_the_others_does_not_matter(points, random):
    shuffled = list(points)
    random.shuffle(shuffled)
    assert stopped(shuffled) == stopped(points)


@given(rung_points(least=4))
def test_the_only_one_of_its_method_is_never_stopped(points):
    lonely = RungPoint(99, "partial", evaluation(0.0, 100.0))
    assert why_to_stop(lonely, points, BOTH) is None


def test_the_worse_half_is_by_front_and_then_by_score():
    # Two fronts of two: the dominated ones are worse, whatever their score.
    points = [point(0, 0.9, 5), point(1, 0.5, 1), point(2, 0.8, 6), point(3, 0.4, 2)]
    assert stopped(points) == {2, 3}
    # Three fronts of five points: the lower score of the second one is the third from the end.
    points = [point(0, 0.9, 5), point(1, 0.8, 6), point(2, 0.7, 5.5), point(3, 0.5, 7)]
    assert stopped(points) == {2, 3}
    why = why_to_stop(points[3], points[:3], BOTH, "F1")
    assert why == "3 of 4 trials were better after 1 epoch: F1 0.5000 on front 3 of 3"


def test_what_is_not_known_of_all_is_not_compared():
    energy = (Objective.F1, Objective.ENERGY)
    others = [point(n, 0.8, 1, joules=10.0) for n in range(3)]
    saving = point(9, 0.5, 1, joules=1.0)
    assert why_to_stop(saving, others, energy) is None
    assert why_to_stop(saving, [*others, point(4, 0.9, 1)], energy) is not None
    # Latency is known in the end only: time stands for it.
    small = point(9, 0.5, 0.1)
    assert why_to_stop(small, others, (Objective.F1, Objective.LATENCY)) is None
    assert why_to_stop(small, others, (Objective.F1,)) is not None


def test_rungs_are_powers_of_two_of_whole_epochs():
    epochs = [*np.arange(0.25, 9, 0.25), 1.00004, 7.9999]
    rungs = {epoch: rung_of(evaluation(0.5, 1, epoch=epoch)) for epoch in epochs}
    assert {epoch: rung for epoch, rung in rungs.items() if rung} == {
        1: 1, 1.00004: 1, 2: 2, 4: 4, 7.9999: 8, 8: 8
    }  # fmt: skip


def search(spec, out, launcher, *, resume=False):
    return run_search(
        spec, out, launcher=launcher, observer=Silent(), resume=resume, with_test=False
    )


def test_a_search_stops_what_falls_behind_and_keeps_it_as_censored(make_spec, tmp_path):
    spec, out = make_spec(max_trials=8, budget_seconds=600, sampler="random"), tmp_path / "run"
    result = search(spec, out, EpochsLauncher())
    methods = [t.configuration.method for t in result.trials]
    # The last one trains on: there is none that could have its time.
    expected = {n for n in range(3, 7) if methods[n] in methods[:n]}
    assert expected
    assert {t.number for t in result.trials if t.result.outcome is Outcome.PRUNED} == expected
    assert result.best == 0
    kept = {e.trial_number: e for e in open_store(spec.store).scan()}
    for number in expected:
        record = result.trials[number]
        assert record.result.failure is not None and not record.values and not record.result.scores
        assert f"{number} of {number + 1} trials were better" in record.result.failure.message
        assert ": macro F1 0." in record.result.failure.message
        assert read_result(out / "trials" / f"{number:04d}-0") == record.result
        assert kept[number].outcome is Outcome.PRUNED
        # It had one epoch, and the next was over before it ended.
        assert kept[number].scores["macro_f1"].value == record.result.evaluations[-1].score
        assert not (out / "trials" / f"{number:04d}-0" / "model").exists()
    launcher = EpochsLauncher()
    resumed = search(spec.model_copy(update={"max_trials": 9}), out, launcher, resume=True)
    assert [one.trial_number for one in launcher.submitted] == [8]
    assert resumed.outcomes[Outcome.PRUNED] == len(expected)


@pytest.mark.parametrize(
    ("changes", "stops"),
    [
        ({}, False),
        ({"budget_seconds": 600, "early_stopping": False}, False),
        ({"spending": SpendingLimits(gpu_hours=100, gpus_per_trial=1)}, True),
    ],
)
def test_only_a_budget_stops_trials(changes, stops, make_spec, tmp_path):
    spec = make_spec(max_trials=8, sampler="random", **changes)
    outcomes = search(spec, tmp_path / "run", EpochsLauncher()).outcomes
    assert (Outcome.PRUNED in outcomes) is stops


def test_side_by_side_each_is_looked_at_once_at_each_rung(make_spec, tmp_path):
    spec = make_spec(max_trials=8, budget_seconds=600, sampler="random", workers=3)
    result = search(spec, tmp_path / "run", EpochsLauncher())
    rungs = [[one.epoch for one in t.result.evaluations] for t in result.trials]
    assert all(epochs == list(range(1, len(epochs) + 1)) for epochs in rungs)
    gone = [t for t in result.trials if t.result.outcome is Outcome.PRUNED]
    assert all(len(t.result.evaluations) in (1, 2) for t in gone)


def _ended(number: int, f1: float, share: float) -> SimpleNamespace:
    parameters = {"data_fraction": share}
    tried = Configuration(branch="b", model="m", method="full", parameters=parameters)
    result = SimpleNamespace(evaluations=[evaluation(f1, 10.0)])
    return SimpleNamespace(number=number, configuration=tried, result=result)


def test_a_trial_is_compared_with_those_of_the_same_share_of_the_rows():
    slow = _ended(9, 0.2, 0.25)
    spec = SimpleNamespace(configuration=slow.configuration, attempt=0)
    beat = {
        "phase": "train",
        **{"step": 5, "scheduled_steps": 10, "planned_steps": 10, "epoch": 1.0},
        "evaluations": [evaluation(0.2, 20.0).model_dump(mode="json")],
    }

    def found(share: float) -> dict[int, str]:
        records = [_ended(number, 0.5 + number / 100, share) for number in range(4)]
        return EarlyStops(BOTH).find({9: SimpleNamespace(spec=spec)}, {9: beat}, records)

    assert found(1.0) == {}
    assert found(0.25)[9].startswith("4 of 5 trials were better after 1 epoch")
