"""Laws of the failure model, and how well it is calibrated where the truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from tests.search.failing import CODES
from tests.search.failing import MODELS
from tests.search.failing import Machine
from tests.search.failing import calibration_error
from tests.search.failing import log_loss
from tests.search.failing import outcomes_of
from tests.search.failing import rows_of
from xautolm_core.records.outcome import Outcome
from xautolm_core.search.samplers import failure_model
from xautolm_core.search.samplers.failure_model import FailureModel
from xautolm_core.search.samplers.failure_model import FailureProbabilities
from xautolm_core.search.samplers.failure_model import FailureRows

KINDS = ("oom", "timeout", "diverged")
LOADS = np.linspace(-3.0, 3.0, 25)

numbers = st.sampled_from([np.nan, -2.0, -0.5, 0.0, 0.3, 1.5])


@st.composite
def trials(draw: st.DrawFn) -> tuple[FailureRows, np.ndarray]:
    """Draw some trials with any outcome, whatever they were expected to need."""
    size = draw(st.integers(1, 12))
    columns = {
        name: draw(st.lists(numbers, min_size=size, max_size=size))
        for name in ("memory", "time", "rate")
    }
    codes = st.lists(st.integers(0, 1), min_size=size, max_size=size)
    rows = rows_of(**columns, model=draw(codes), method=draw(codes), is_own=draw(codes))
    outcomes = draw(st.lists(st.sampled_from(list(Outcome)), min_size=size, max_size=size))
    return rows, outcomes_of(*outcomes)


def assert_equal(
    found: FailureProbabilities, expected: FailureProbabilities, *names: str, tolerance: float = 0.0
) -> None:
    for name in names or (*KINDS, "invalid"):
        np.testing.assert_allclose(
            getattr(found, name), getattr(expected, name), rtol=0.0, atol=tolerance
        )


def probe() -> FailureRows:
    """Return trials of this task over all loads and rates."""
    return rows_of(memory=LOADS, time=LOADS, rate=LOADS, is_own=True)


def test_without_trials_there_are_the_walls():
    found = FailureModel().probabilities(
        rows_of(memory=[-0.5, 0.0, 0.5], time=[0.0, 0.5, -0.5], rate=[1.0, 0.0, -1.0])
    )
    assert found.oom == pytest.approx([0.0474, 0.5, 0.9526], abs=1e-4)
    assert found.timeout == pytest.approx([0.5, 0.8808, 0.1192], abs=1e-4)
    assert found.diverged == pytest.approx([0.5, 0.0474, 0.0025], abs=1e-4)
    assert found.invalid.tolist() == [0, 0, 0]
    assert found.any == pytest.approx(
        1 - (1 - found.oom) * (1 - found.timeout) * (1 - found.diverged)
    )


def test_what_is_not_known_is_no_reason_to_expect_a_failure():
    found = FailureModel().probabilities(rows_of(size=np.nan))
    assert found.any[0] < 0.06
    assert list(found.of(0)) == list(KINDS)


@settings(deadline=None)
@given(trials())
def test_more_load_or_a_larger_rate_never_makes_a_failure_less_probable(found):
    model = FailureModel.fit(*found)
    probabilities = model.probabilities(probe())
    for name in (*KINDS, "any"):
        values = getattr(probabilities, name)
        assert (np.diff(values) >= -1e-12).all()
        assert ((values >= 0) & (values < 1)).all()


@settings(deadline=None)
@given(trials(), st.sampled_from([o for o in Outcome if not o.says_something_about_configuration]))
def test_faults_of_the_infrastructure_change_nothing(found, outcome):
    rows, outcomes = found
    more = rows_of(memory=-3.0, time=-3.0, rate=-3.0, is_own=True)
    model = FailureModel.fit(rows.joined_with(more), np.append(outcomes, outcomes_of(outcome)))
    assert_equal(
        model.probabilities(probe()), FailureModel.fit(rows, outcomes).probabilities(probe())
    )


@settings(deadline=None)
@given(trials(), numbers, numbers, numbers)
@pytest.mark.parametrize(
    ("outcome", "unchanged"),
    [
        (Outcome.OOM_GPU, ("timeout", "diverged")),
        (Outcome.OOM_HOST, ("timeout", "diverged")),
        (Outcome.DIVERGED, ("timeout",)),
        (Outcome.PRUNED, ("timeout",)),
        (Outcome.INVALID, KINDS),
    ],
)
def test_a_trial_says_nothing_of_what_it_did_not_come_to(
    outcome, unchanged, found, memory, time, rate
):
    rows, outcomes = found
    one = rows_of(memory=memory, time=time, rate=rate, is_own=True)
    model = FailureModel.fit(rows.joined_with(one), np.append(outcomes, outcomes_of(outcome)))
    before = FailureModel.fit(rows, outcomes)
    assert_equal(
        model.probabilities(probe()), before.probabilities(probe()), *unchanged, tolerance=1e-12
    )


def test_a_trial_that_was_cut_did_not_fail_by_time():
    rows = rows_of(time=np.linspace(0.0, 1.0, 10))
    cut = FailureModel.fit(rows, outcomes_of(*[Outcome.OK] * 10)).probabilities(rows)
    pruned = FailureModel.fit(rows, outcomes_of(*[Outcome.PRUNED] * 10)).probabilities(rows)
    assert (cut.timeout < 0.5 * FailureModel().probabilities(rows).timeout).all()
    assert_equal(pruned, FailureModel().probabilities(rows), "timeout")


def test_what_cannot_be_run_is_counted_by_model_and_method():
    rows = rows_of(model=[1, 1, 1, 2], method=[0, 0, 1, 0], is_own=True)
    invalid, ok = Outcome.INVALID, Outcome.OK
    found = FailureModel.fit(rows, outcomes_of(invalid, invalid, ok, ok)).probabilities(
        rows_of(model=[1, 1, 2, 3], method=[0, 1, 0, 0], is_own=True)
    )
    assert found.invalid == pytest.approx([2 / 6, 0, 0, 0])
    assert found.of(0)["invalid"] == pytest.approx(1 / 3)
    others = FailureModel.fit(rows_of(model=[1, 1]), outcomes_of(invalid, invalid)).probabilities(
        rows_of(model=1, is_own=True)
    )
    assert others.invalid.tolist() == [0]


def test_only_failures_that_were_not_expected_are_held_against_a_model():
    """What diverged at a hundred times the usual rate says little of the usual rate."""
    usual = rows_of(rate=0.0, model=1, is_own=True)
    failed = outcomes_of(*[Outcome.DIVERGED] * 4)
    expected = FailureModel.fit(rows_of(rate=np.full(4, 2.0), model=1, is_own=True), failed)
    surprising = FailureModel.fit(rows_of(rate=np.full(4, -0.5), model=1, is_own=True), failed)
    before = float(FailureModel().probabilities(usual).diverged[0])
    assert float(expected.probabilities(usual).diverged[0]) < 2 * before
    assert float(surprising.probabilities(usual).diverged[0]) > 5 * before


def test_the_order_of_trials_is_no_matter_and_nothing_is_left_to_chance():
    rows, outcomes = Machine(1).trials(200, is_own=True)
    model = FailureModel.fit(rows, outcomes)
    assert_equal(
        FailureModel.fit(rows, outcomes).probabilities(probe()), model.probabilities(probe())
    )
    order = np.random.default_rng(0).permutation(200)
    again = FailureModel.fit(rows.take(order), outcomes[order])
    assert_equal(again.probabilities(probe()), model.probabilities(probe()), tolerance=1e-3)


def test_a_weight_of_two_is_the_same_trial_twice():
    rows, outcomes = Machine(2).trials(60)
    twice = FailureModel.fit(rows.joined_with(rows), np.append(outcomes, outcomes))
    weighted = FailureModel.fit(rows, outcomes, np.full(60, 2.0))
    assert_equal(weighted.probabilities(probe()), twice.probabilities(probe()), tolerance=1e-3)


def test_many_trials_that_are_alike_are_taken_together(monkeypatch):
    rows, outcomes = Machine(3).trials(3_000)
    exact = FailureModel.fit(rows, outcomes).probabilities(probe())
    monkeypatch.setattr(failure_model, "_MANY_ROWS", 100)
    assert_equal(FailureModel.fit(rows, outcomes).probabilities(probe()), exact, tolerance=0.02)


@pytest.mark.parametrize(
    ("past", "own", "shift", "better", "error"),
    [
        (0, 30, 0.0, 0.98, 0.08),
        (400, 0, 0.0, 0.8, 0.05),
        (400, 30, 0.0, 0.85, 0.05),
        # The task's own estimates err by half as much again: what the past says is off.
        (400, 30, 0.4, 0.7, 0.09),
        (0, 15, 0.4, 0.8, 0.09),
    ],
)
def test_forecasts_are_calibrated_and_better_than_the_walls(past, own, shift, better, error):
    learnt: list[np.ndarray] = []
    wall: list[np.ndarray] = []
    failed: list[np.ndarray] = []
    for seed in range(6):
        machine = Machine(seed, shift)
        before, now = Machine(100 + seed).trials(past), machine.trials(own, is_own=True)
        weights = np.append(np.ones(past), np.full(own, 2.0 if past else 1.0))
        model = FailureModel.fit(
            before[0].joined_with(now[0]), np.append(before[1], now[1]), weights
        )
        new, outcomes = machine.trials(1_000, is_own=True)
        failed.append(outcomes != CODES[Outcome.OK])
        learnt.append(model.probabilities(new).any)
        wall.append(FailureModel().probabilities(new).any)
    found, truth = np.concatenate(learnt), np.concatenate(failed)
    assert log_loss(found, truth) < better * log_loss(np.concatenate(wall), truth)
    assert calibration_error(found, truth) < error


def test_a_few_trials_do_not_make_a_forecast_timid():
    """Five trials of a task leave what is well within all limits alone."""
    safe = rows_of(memory=-1.5, time=-1.5, rate=-0.5, model=np.arange(MODELS), is_own=True)
    for seed in range(20):
        model = FailureModel.fit(*Machine(seed).trials(5, is_own=True))
        assert model.probabilities(safe).any.max() < 0.2
