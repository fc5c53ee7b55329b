from __future__ import annotations

import pytest

from tests.search.instant import InstantLauncher
from tests.search.instant import Silent
from tests.search.instant import analytic_result
from xautolm_core.search.clock import Clock
from xautolm_core.search.contract import TrialRecord
from xautolm_core.search.plan import BudgetPolicy
from xautolm_core.search.promotion import plan_repetition
from xautolm_core.search.promotion import uncut_share
from xautolm_core.search.runner import run_search
from xautolm_core.space.configuration import Configuration
from xautolm_core.trial.contract import Progress
from xautolm_core.trial.contract import TrialResult

BEST = Configuration(branch="full", model="m", method="full", parameters={"epochs": 2})
OTHER = Configuration(branch="full", model="m", method="full", parameters={"epochs": 3})


def record(
    scheduled: int = 50,
    rows: int = 1000,
    seconds: float = 140.0,
    number: int = 3,
    configuration: Configuration = BEST,
    score: float = 0.8,
) -> TrialRecord:
    result = TrialResult(
        search_id="s",
        trial_number=number,
        outcome="ok",
        seconds={"train": seconds - 10, "evaluate": 10},
        progress=Progress(rows=rows, planned_steps=100, scheduled_steps=scheduled, steps=scheduled),
        model_folder="model",
    )
    values = {"f1": score, "time": seconds}
    return TrialRecord(
        number=number, configuration=configuration, result=result, why="", values=values
    )


def plan(*records, left=400.0, usual=150.0, running=(), policy=None):
    return plan_repetition(
        policy or BudgetPolicy(900, None, None),
        records=records or (record(),),
        running=running,
        training_rows=1000,
        validation_rows=400,
        left_seconds=left,
        usual_trial_seconds=usual,
    )


def test_the_share_counts_steps_and_rows():
    assert uncut_share(record(50), 1000) == 0.5
    assert uncut_share(record(50, rows=100), 1000) == pytest.approx(0.05)
    assert uncut_share(record(120), 1000) == 1.0


def test_it_waits_while_another_trial_fits_in_before():
    # The whole schedule takes 308 s with its margin.
    assert plan(left=460.0) is None
    found = plan(left=450.0)
    assert found is not None
    assert found.soft_deadline_seconds == pytest.approx(308.0)
    assert found.configuration == BEST
    assert "trial 3" in found.why
    assert "50%" in found.why


def test_it_takes_what_is_left_if_that_is_well_more_than_before():
    found = plan(left=250.0)
    assert found is not None
    assert found.soft_deadline_seconds == 250.0
    assert plan(left=200.0) is None


def test_at_most_two_fifths_of_the_budget_are_held_back():
    huge = record(scheduled=1)
    assert plan(huge, left=520.0) is None
    found = plan(huge, left=500.0)
    assert found is not None
    assert found.soft_deadline_seconds == 500.0


def test_what_was_not_cut_is_not_repeated():
    assert plan(record(98)) is None


def test_nothing_is_repeated_twice():
    assert plan(record(), record(100, number=5)) is None
    assert plan(running=(BEST,)) is None
    assert plan(running=(OTHER,)) is not None


def test_of_equals_within_the_noise_the_one_with_the_most_to_gain_is_repeated():
    # The standard error of 0.8 over 400 rows is 0.02.
    whole = record(100)
    near = record(40, number=5, configuration=OTHER, score=0.785)
    found = plan(whole, near)
    assert found is not None
    assert found.configuration == OTHER
    assert plan(whole, record(40, number=5, configuration=OTHER, score=0.775)) is None


def test_only_a_budget_without_a_limit_for_trials_grants_more_time():
    assert plan(policy=BudgetPolicy(None, 10, None)) is None
    assert plan(policy=BudgetPolicy(900, None, 150)) is None
    assert plan(record(seconds=10.0), left=12.0) is None


def test_a_search_ends_with_the_best_at_full_length(make_spec, tmp_path, monkeypatch):
    """Half of each schedule is cut, as the double says, unless a trial is granted more."""
    usual = 60.0 / 6

    def result(spec):
        found = analytic_result(spec)
        if spec.budget.soft_deadline_seconds > usual and found.model_folder:
            whole = found.progress.model_copy(update={"scheduled_steps": 10, "steps": 10})
            return found.model_copy(update={"progress": whole})
        return found.model_copy(update={"seconds": {"train": usual, "evaluate": 0.5}})

    launcher, observer = InstantLauncher(result), Silent()
    moved = Clock.elapsed_seconds.fget
    # Trials of the double are over at once: the clock is moved on instead.
    monkeypatch.setattr(
        Clock, "elapsed_seconds", property(lambda c: moved(c) + 12.0 * len(observer.ended))
    )
    done = run_search(
        make_spec(budget_seconds=60.0, max_trials=None),
        tmp_path / "run",
        launcher=launcher,
        observer=observer,
        with_test=False,
    )
    repeated = [t for t in done.trials if "again: of the best so far" in t.why]
    assert len(repeated) == 1
    (again,) = repeated
    before = [t for t in done.trials if t.number < again.number and t.values]
    best = max(t.values["f1"] for t in before)
    assert again.configuration in [t.configuration for t in before]
    assert (
        next(t for t in before if t.configuration == again.configuration).values["f1"] > best - 0.1
    )
    assert launcher.submitted[again.number].budget.soft_deadline_seconds > usual
