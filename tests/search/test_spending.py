from __future__ import annotations

import json
from datetime import UTC
from datetime import datetime
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.search.instant import Silent
from tests.search.instant import analytic_result
from xautolm_core.records.attempt import TrialResult
from xautolm_core.records.energy import EnergyReading
from xautolm_core.records.outcome import Outcome
from xautolm_core.search.folders import read_state
from xautolm_core.search.runner import run_search
from xautolm_core.search.spending import Spending
from xautolm_core.search.spending import SpendingLimits
from xautolm_core.search.spending import Use
from xautolm_core.trial.contract import HEARTBEAT_FILE

START = datetime(2026, 1, 1, tzinfo=UTC)


def attempt(seconds: float, joules: float | None = None) -> TrialResult:
    energy = () if joules is None else (reading(joules),)
    return TrialResult(
        search_id="s",
        trial_number=0,
        outcome=Outcome.OOM_GPU,
        seconds={"train": seconds},
        energy=energy,
        started_at=START,
        ended_at=START + timedelta(seconds=seconds),
    )


def reading(joules: float) -> EnergyReading:
    return EnergyReading(component="gpu", joules=joules, source="nvml", quality="A")


@given(st.lists(st.floats(1, 1e5), max_size=20), st.lists(st.floats(0, 1e4), max_size=5))
def test_gpu_hours_are_those_of_all_attempts_and_of_what_runs(ended, running):
    limits = SpendingLimits(gpu_hours=10, gpus_per_trial=2)
    spending = Spending(limits)
    for seconds in ended:
        spending.add(attempt(seconds), "full")
    # What runs, and what would be started next, is expected to take as long as the longest so far.
    longest = max(ended, default=0.0)
    used = 2 * (sum(ended) + sum(max(one, longest) for one in running) + longest) / 3600
    if abs(used - 10) > 0.01:  # microseconds of the timestamps
        found = spending.reached([Use(seconds) for seconds in running])
        assert found == ("gpu_hours" if used >= 10 else None)


def test_energy_is_what_was_read_and_what_was_not_read_is_counted():
    spending = Spending(SpendingLimits(energy_kwh=1))
    spending.add(attempt(10, joules=1.2e6), "full")
    spending.add(attempt(10), "full")
    assert spending.reached() is None
    assert spending.unmetered_attempts == 1
    spending.add(attempt(10, joules=1.1e6), "full")
    assert spending.reached() is None
    spending.add(attempt(10, joules=0.2e6), "full")
    # 2.5 MJ of 3.6: one more of 1.2 would be too much.
    assert spending.reached() == "energy"
    assert spending.shares() == {"energy": pytest.approx(2.5 / 3.6)}


def test_what_runs_counts_with_what_its_heartbeat_tells():
    spending = Spending(SpendingLimits(energy_kwh=1))
    assert spending.reached([Use(10), Use(10, 3.5e6)]) is None
    assert spending.reached([Use(10, 0.2e6), Use(10, 3.5e6)]) == "energy"
    assert spending.shares([Use(10, 0.9e6), Use(10)]) == {"energy": 0.25}
    spending.add(attempt(10, joules=1.2e6), "full")
    # Another one that has just begun is expected to use as much.
    assert spending.reached([Use(0.1, 100.0)]) is None
    assert spending.reached([Use(0.1, 100.0), Use(0.1)]) == "energy"


def test_before_an_attempt_has_ended_what_others_used_is_expected():
    limits = SpendingLimits(energy_kwh=1)
    spending = Spending(limits, expected={"energy": 0.4})
    assert spending.reached() is None
    assert spending.reached([Use(1)]) is None
    assert spending.reached([Use(1), Use(1)]) == "energy"
    spending.add(attempt(10, joules=0.36e6), "full")
    assert spending.reached([Use(1), Use(1)]) is None


def test_carbon_is_of_what_the_data_centre_draws():
    limits = SpendingLimits(carbon_grams=1_000, grams_per_kwh=400, pue=1.25, energy_kwh=3)
    spending = Spending(limits)
    spending.add(attempt(10, joules=3.6e6), "full")
    assert spending.shares() == pytest.approx({"carbon": 0.5, "energy": 1 / 3})
    assert spending.reached() is None
    spending.add(attempt(10, joules=3.6e6), "full")
    assert spending.reached() == "carbon"


def test_cost_is_of_gpus_and_of_all_else():
    limits = SpendingLimits(
        cost=10, gpus_per_trial=2, price_per_gpu_hour=2, price_per_trial_hour=1, currency="EUR"
    )
    spending = Spending(limits)
    spending.add(attempt(3600), "full")
    assert spending.shares([Use(1800)]) == {"cost": 0.75}
    assert spending.reached() is None
    assert spending.reached([Use(1)]) == "cost"


def test_cheap_candidates_use_limits_up_but_tell_nothing_of_language_models():
    spending = Spending(SpendingLimits(gpu_hours=2, gpus_per_trial=1), expected={"gpu_hours": 0.4})
    spending.add(attempt(3600), "tfidf")
    assert spending.shares() == {"gpu_hours": 0.0}
    spending.add(attempt(3600), "linear_probe")
    assert spending.shares([Use(1800, holds_gpu=False)]) == {"gpu_hours": 0.5}
    assert spending.reached() is None
    # The first language model is expected to take 0.4, as earlier ones did.
    assert spending.reached([Use(0.0)]) == "gpu_hours"


def test_cost_is_of_energy_too():
    spending = Spending(SpendingLimits(cost=1, price_per_kwh=0.4, pue=1.25))
    spending.add(attempt(10, joules=3.6e6), "full")
    assert spending.reached() is None
    spending.add(attempt(10, joules=3.6e6), "full")
    assert spending.reached() == "cost"


@pytest.mark.parametrize(
    "limits",
    [
        {"energy_kwh": 1},
        {"cost": 1, "price_per_kwh": 1},
        {"carbon_grams": 1, "grams_per_kwh": 1},
    ],
)
def test_a_search_that_only_energy_bounds_ends_if_nothing_can_be_read(limits):
    spending = Spending(SpendingLimits(**limits))
    for _ in range(20):
        assert spending.reached(is_bounded=False) is None
        spending.add(attempt(10), "full")
    assert spending.reached(is_bounded=False) == "unmetered"
    assert spending.reached(is_bounded=True) is None
    spending.add(attempt(10, joules=1.0), "full")
    assert spending.reached(is_bounded=False) is None


@pytest.mark.parametrize(
    "fields",
    [{"gpu_hours": 1}, {"cost": 1}, {"cost": 1, "gpus_per_trial": 1}, {"carbon_grams": 1}],
)
def test_a_limit_that_limits_nothing_is_refused(fields):
    with pytest.raises(ValueError, match="limits nothing"):
        SpendingLimits(**fields)


def test_a_search_ends_at_its_limit(make_spec, tmp_path):
    from tests.search.instant import InstantLauncher

    def costly(spec):
        result = analytic_result(spec)
        hour = {"started_at": START, "ended_at": START + timedelta(hours=1)}
        return result.model_copy(update=hour)

    spec = make_spec(
        max_trials=20, spending=SpendingLimits(cost=3, price_per_trial_hour=1), workers=1
    )
    result = run_search(
        spec,
        tmp_path / "run",
        launcher=InstantLauncher(costly),
        observer=Silent(),
        with_test=False,
    )
    assert result.stopped_by == "cost"
    assert len(result.trials) == 3
    state = read_state(tmp_path / "run")
    assert state is not None
    assert state.budget_used == {"cost": pytest.approx(1), "trials": 3 / 20}
    # A search that is resumed does not begin to count anew.
    again = run_search(
        spec,
        tmp_path / "run",
        launcher=InstantLauncher(costly),
        observer=Silent(),
        resume=True,
        with_test=False,
    )
    assert len(again.trials) == 3


def test_a_trial_that_runs_counts_before_it_has_ended(make_spec, tmp_path):
    from tests.search.instant import InstantLauncher

    class Telling(InstantLauncher):
        """Its trials tell their energy from their first heartbeat on."""

        def submit(self, spec):
            handle = super().submit(spec)
            heartbeat = {"energy": [reading(3.7e6).model_dump()]}
            (spec.out_folder / HEARTBEAT_FILE).write_text(json.dumps(heartbeat))
            return handle

    def hungry(spec):
        return analytic_result(spec).model_copy(update={"energy": (reading(3.7e6),)})

    launcher = Telling(hungry)
    result = run_search(
        make_spec(max_trials=20, workers=2, spending=SpendingLimits(energy_kwh=1)),
        tmp_path / "run",
        launcher=launcher,
        observer=Silent(),
        with_test=False,
    )
    assert result.stopped_by == "energy"
    # There was room for a second one beside it, had the first one used nothing yet.
    assert len(launcher.submitted) == launcher.most_at_once == 1


def test_a_limit_on_energy_that_cannot_be_held_is_told(make_spec, tmp_path):
    from tests.search.instant import InstantLauncher

    result = run_search(
        make_spec(spending=SpendingLimits(energy_kwh=1)),
        tmp_path / "run",
        launcher=InstantLauncher(),
        observer=Silent(),
        with_test=False,
    )
    assert any("limit on energy cannot be held" in note for note in result.notes)


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("sampler", ["xautolm", "knn"])
def test_energy_can_be_an_objective(make_spec, tmp_path, sampler):
    from tests.search.instant import InstantLauncher
    from xautolm_core.search.contract import Objective

    def metered(spec):
        result = analytic_result(spec)
        joules = 0.0 if result.time_seconds is None else 100 * result.time_seconds
        return result.model_copy(update={"energy": (reading(joules),) if joules else ()})

    def search(name):
        return run_search(
            make_spec(
                search_id=name,
                objectives=(Objective.F1, Objective.ENERGY),
                max_trials=6,
                sampler=sampler if name == "warm" else "random",
            ),
            tmp_path / name,
            launcher=InstantLauncher(metered),
            observer=Silent(),
            with_test=False,
        )

    search("before")
    # The history knows no energy: it says what it knows of the score.
    result = search("warm")
    assert result.warm_start.applied
    done = [trial for trial in result.trials if trial.values]
    assert done and all(set(trial.values) == {"f1", "energy"} for trial in done)
    assert result.front
    assert not any("Energy is an objective" in note for note in result.notes)


def test_energy_counts_what_came_from_the_cache_as_time_does():
    one = attempt(10, joules=500)
    assert one.comparable_joules == 500
    assert one.model_copy(update={"reused_seconds": 30.0}).comparable_joules == 2000
    known = {"reused_seconds": 30.0, "reused_joules": 40.0}
    assert one.model_copy(update=known).comparable_joules == 540
    assert attempt(10).comparable_joules is None
