from __future__ import annotations

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


def allowed(chosen: BudgetPolicy, *, elapsed=0.0, reserve=0.0, overhead=4.0, wanted=None):
    left = chosen.left_seconds(elapsed_seconds=elapsed, reserve_seconds=reserve)
    return chosen.allowance(left_seconds=left, overhead_seconds=overhead, wanted_seconds=wanted)


def test_without_a_budget_only_the_wall_limit_holds():
    found = allowed(policy(trials=5), elapsed=99)
    assert found.soft_deadline_seconds is None
    assert found.wall_limit_seconds == 3600


def test_a_trial_gets_what_it_wants_as_far_as_that_is_left():
    # Not a share of the budget: a schedule that takes 300 s has 300 s, and the wall is the end.
    found = allowed(policy(900), elapsed=100, reserve=20, wanted=300)
    assert (found.soft_deadline_seconds, found.wall_limit_seconds) == (300, 780)
    found = allowed(policy(900), elapsed=800, reserve=20, overhead=10, wanted=300)
    assert (found.soft_deadline_seconds, found.wall_limit_seconds) == (70, 80)
    found = allowed(policy(900), elapsed=100, reserve=20, wanted=None)
    assert found.soft_deadline_seconds == 776


def test_a_cheap_candidate_has_a_small_part_of_the_budget():
    assert policy(900).cheap_seconds == 135
    assert policy(trials=3).cheap_seconds is None


def test_a_timeout_is_the_wall_limit():
    found = allowed(policy(900, timeout=100))
    assert (found.soft_deadline_seconds, found.wall_limit_seconds) == (85, 100)
    found = allowed(policy(trials=3, timeout=20))
    assert (found.soft_deadline_seconds, found.wall_limit_seconds) == (15, 20)


@given(
    st.floats(5, 1e5),
    st.floats(0, 1e5),
    st.floats(0, 100),
    st.floats(0.1, 30),
    st.one_of(st.none(), st.floats(0.1, 1e6)),
    st.one_of(st.none(), st.floats(1, 1e4)),
)
def test_limits_are_positive_in_order_and_within_what_is_left(
    budget, elapsed, reserve, overhead, wanted, timeout
):
    found = allowed(
        policy(budget, timeout=timeout),
        elapsed=elapsed,
        reserve=reserve,
        overhead=overhead,
        wanted=wanted,
    )
    assert found.soft_deadline_seconds is not None
    assert 0 < found.soft_deadline_seconds <= found.wall_limit_seconds
    # A second is the least that a trial is given; may_start has seen to it that there is more.
    assert found.wall_limit_seconds <= max(budget - elapsed - reserve, 1.0)


def ask(chosen: BudgetPolicy, *, started=0, elapsed=0.0, reserve=0.0, overhead=4.0):
    left = chosen.left_seconds(elapsed_seconds=elapsed, reserve_seconds=reserve)
    return chosen.may_start(started_trials=started, left_seconds=left, overhead_seconds=overhead)


def test_when_no_further_trial_is_started():
    assert ask(policy(trials=3), started=2) is None
    assert ask(policy(trials=3), started=3) == "trials"
    assert ask(policy(900), elapsed=880, reserve=5) is None
    assert ask(policy(900), elapsed=880, reserve=7) == "budget"
    # A budget of half a minute is not over after twenty seconds.
    assert ask(policy(30), elapsed=21) is None


def test_no_trial_is_started_that_could_hardly_be_evaluated():
    chosen = policy(900)
    for evaluation_seconds, expected in ((0.0, None), (8.0, None), (9.0, "budget")):
        found = chosen.may_start(
            started_trials=1,
            left_seconds=20.0,
            overhead_seconds=4.0,
            evaluation_seconds=evaluation_seconds,
        )
        assert found == expected


def test_expected_trials():
    assert policy(trials=40).expected_trials([1.0]) == 40
    # 0.85 * 900 / (26 + 4); one that would take hours has three fifths of the budget.
    assert policy(900).expected_trials([26.0]) == 26
    assert policy(900).expected_trials([26.0], workers=2) == 51
    assert policy(900).expected_trials([1e5]) == 1
    assert policy(900, trials=10).expected_trials([26.0]) == 10


def test_the_reserve_for_the_test():
    def reserve(*test_seconds, budget=100.0):
        return final_reserve_seconds(test_seconds, budget_seconds=budget)

    assert reserve(8.0, 3.0) == 11
    assert reserve() == 10
    assert reserve(budget=20.0) == 6
    assert reserve(8.0, budget=None) == 0
    # Two tests may take a moderate part; beyond it the dearer one is kept for, up to most of it.
    assert reserve(15.0, 15.0) == 30
    assert reserve(20.0, 20.0) == 20
    assert reserve(40.0, 20.0) == 40
    assert reserve(400.0, 2.0) == 60


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
