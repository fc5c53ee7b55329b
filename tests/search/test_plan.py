from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xautolm_core.search.plan import BudgetPolicy
from xautolm_core.search.plan import data_fraction
from xautolm_core.search.plan import final_reserve_seconds


def policy(budget=None, trials=None, timeout=None) -> BudgetPolicy:
    return BudgetPolicy(budget, trials, timeout)


def test_fifteen_minutes_are_the_default():
    assert policy().effective_budget_seconds == 900
    assert policy(trials=5).effective_budget_seconds is None


def test_without_a_budget_only_the_wall_limit_holds():
    found = policy(trials=5).allowance(elapsed_seconds=99, reserve_seconds=0)
    assert found.soft_deadline_seconds is None
    assert found.wall_limit_seconds == 3600


def test_a_trial_gets_a_sixth_of_the_budget():
    found = policy(900).allowance(elapsed_seconds=100, reserve_seconds=20)
    assert found.soft_deadline_seconds == 150
    assert found.wall_limit_seconds == pytest.approx(210)


@pytest.mark.parametrize(("workers", "seconds"), [(1, 150), (2, 300), (8, 300)])
def test_trials_side_by_side_get_more_up_to_a_third(workers, seconds):
    shared = BudgetPolicy(900, None, None, workers)
    found = shared.allowance(elapsed_seconds=100, reserve_seconds=20)
    assert found.soft_deadline_seconds == seconds


def test_more_workers_expect_more_trials():
    alone = BudgetPolicy(900, None, None, 1).expected_trials([60.0])
    shared = BudgetPolicy(900, None, None, 2).expected_trials([60.0])
    assert shared == pytest.approx(2 * alone, abs=1)


def test_the_last_trial_gets_what_is_left():
    found = policy(900).allowance(elapsed_seconds=800, reserve_seconds=20, overhead_seconds=10)
    assert found.soft_deadline_seconds == 70
    assert found.wall_limit_seconds == 85


def test_the_first_trial_of_a_slow_start_is_shorter():
    found = policy(900).allowance(elapsed_seconds=80, reserve_seconds=20, first=True)
    assert found.soft_deadline_seconds == 110
    # Four hours: the first may take 20 minutes, not 40.
    found = policy(14400).allowance(elapsed_seconds=80, reserve_seconds=20, first=True)
    assert found.soft_deadline_seconds == 1200


def test_a_timeout_is_the_wall_limit():
    found = policy(900, timeout=100).allowance(elapsed_seconds=0, reserve_seconds=0)
    assert (found.soft_deadline_seconds, found.wall_limit_seconds) == (85, 100)
    found = policy(trials=3, timeout=20).allowance(elapsed_seconds=0, reserve_seconds=0)
    assert (found.soft_deadline_seconds, found.wall_limit_seconds) == (15, 20)


@given(
    st.floats(5, 1e5),
    st.floats(0, 1e5),
    st.floats(0, 100),
    st.floats(0.1, 30),
    st.booleans(),
    st.one_of(st.none(), st.floats(1, 1e4)),
)
def test_limits_are_positive_and_in_order(budget, elapsed, reserve, overhead, first, timeout):
    found = policy(budget, timeout=timeout).allowance(
        elapsed_seconds=elapsed, reserve_seconds=reserve, overhead_seconds=overhead, first=first
    )
    assert found.soft_deadline_seconds is not None
    assert found.soft_deadline_seconds > 0
    assert found.wall_limit_seconds > 0
    if timeout is None:
        assert found.soft_deadline_seconds < found.wall_limit_seconds
        left = budget - elapsed - reserve
        assert found.wall_limit_seconds <= max(left, found.soft_deadline_seconds + overhead + 5)


def ask(chosen: BudgetPolicy, **changes):
    fields = {
        "started_trials": 0,
        "elapsed_seconds": 0.0,
        "reserve_seconds": 0.0,
        "cheapest_trial_seconds": None,
        **changes,
    }
    return chosen.may_start(**fields)


def test_when_no_further_trial_is_started():
    assert ask(policy(trials=3), started_trials=2) is None
    assert ask(policy(trials=3), started_trials=3) == "trials"
    assert ask(policy(900), elapsed_seconds=880, reserve_seconds=5) is None
    assert ask(policy(900), elapsed_seconds=880, reserve_seconds=15) == "budget"
    assert ask(policy(900), elapsed_seconds=860, cheapest_trial_seconds=30) is None
    assert ask(policy(900), elapsed_seconds=860, cheapest_trial_seconds=50) == "budget"
    # A first trial that took half the budget does not end the search.
    assert ask(policy(900), elapsed_seconds=500, cheapest_trial_seconds=450) is None
    # A budget of half a minute is not over after twenty seconds.
    assert ask(policy(30), elapsed_seconds=21) is None


def test_expected_trials():
    assert policy(trials=40).expected_trials([1.0]) == 40
    # 0.85 * 900 / (26 + 4); a trial that would take hours is cut to 150 s.
    assert policy(900).expected_trials([26.0]) == 26
    assert policy(900).expected_trials([1e5]) == 5
    assert policy(900, trials=10).expected_trials([26.0]) == 10
    assert policy(900).expected_trials([]) == 5


def test_the_reserve_for_the_test():
    assert final_reserve_seconds(test_rows=2000, seconds_per_row=0.01, budget_seconds=900) == 34
    assert final_reserve_seconds(test_rows=10**6, seconds_per_row=None, budget_seconds=900) == 270
    assert final_reserve_seconds(test_rows=10, seconds_per_row=None, budget_seconds=None) == 0


def test_large_data_are_cut_and_small_ones_are_not():
    assert data_fraction(rows=20_000, epoch_seconds=1e6, soft_deadline_seconds=1) == 1
    assert data_fraction(rows=120_000, epoch_seconds=1000, soft_deadline_seconds=None) == 1
    assert data_fraction(rows=120_000, epoch_seconds=1000, soft_deadline_seconds=150) == 0.23
    assert data_fraction(rows=120_000, epoch_seconds=100, soft_deadline_seconds=150) == 1
    # Never fewer than 2,000 rows.
    assert data_fraction(rows=120_000, epoch_seconds=1e9, soft_deadline_seconds=1) == 0.017


@given(st.integers(20_001, 10**7), st.floats(0.1, 1e6), st.floats(0.1, 1e5))
def test_a_fraction_is_a_fraction(rows, epoch_seconds, soft):
    found = data_fraction(rows=rows, epoch_seconds=epoch_seconds, soft_deadline_seconds=soft)
    assert 0 < found <= 1


def test_another_limit_leaves_the_time_open() -> None:
    assert BudgetPolicy(None, None, None).effective_budget_seconds == 900
    assert (
        BudgetPolicy(None, None, None, is_bounded_otherwise=True).effective_budget_seconds is None
    )
    assert BudgetPolicy(60, None, None, is_bounded_otherwise=True).effective_budget_seconds == 60
