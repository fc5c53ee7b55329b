"""Expected gains of the hypervolume, and portfolios."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from xautolm_core.search.pareto import hypervolume
from xautolm_core.search.samplers.guarded.acquisition import expected_gain
from xautolm_core.search.samplers.guarded.acquisition import greedy_portfolio
from xautolm_core.search.samplers.guarded.acquisition import hypervolume_gain
from xautolm_core.search.samplers.guarded.acquisition import reach
from xautolm_core.search.samplers.guarded.scores import ValueCurve
from xautolm_core.search.samplers.guarded.structures import Beliefs
from xautolm_core.search.samplers.guarded.structures import Structure

POINTS = st.lists(st.tuples(st.floats(0.05, 1.0), st.floats(0.05, 1.0)), min_size=1, max_size=6)


@settings(max_examples=60, deadline=None)
@given(POINTS, st.tuples(st.floats(0.05, 1.0), st.floats(0.05, 1.0)))
def test_the_gain_over_directions_is_that_of_the_hypervolume(front, point):
    values = np.asarray(front)
    exact = hypervolume(1 - np.vstack([values, [point]]), (1.0, 1.0)) - hypervolume(
        1 - values, (1.0, 1.0)
    )
    gain = hypervolume_gain(np.asarray(point), reach(values).max(axis=0))
    # In two dimensions the constant is a quarter of the circle of radius 1.
    assert float(gain) * np.pi / 4 == pytest.approx(exact, abs=0.01)


@pytest.mark.parametrize("objectives", [1, 2, 3, 4])
def test_a_dominated_point_gains_nothing_and_a_better_one_something(objectives):
    front = reach(np.full((1, objectives), 0.5)).max(axis=0)
    assert hypervolume_gain(np.full(objectives, 0.4), front) == 0
    assert hypervolume_gain(np.full(objectives, 0.6), front) > 0


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1_000))
def test_a_greedy_portfolio_is_at_most_a_third_worse_than_the_best(seed):
    generator = np.random.default_rng(seed)
    values = generator.random((4, 8, 2))
    reaches = reach(values)

    def worth(chosen) -> float:
        return float(reaches[:, list(chosen), :].max(axis=1).mean())

    best = max(worth(chosen) for chosen in combinations(range(8), 3))
    assert worth(greedy_portfolio(values, np.ones(8), 3)) >= 0.63 * best


def beliefs(means, deviation=0.3) -> Beliefs:
    mean = np.asarray([means], dtype=float)
    return Beliefs(
        (Structure.WITHOUT_HISTORY,),
        np.ones(1),
        mean,
        np.full(mean.shape, deviation**2),
        np.zeros(1),
    )


def test_below_the_quickest_cheap_candidate_nothing_is_of_use():
    """Candidates: quick and poor, slow and good, slower than all and good."""
    score, time = beliefs([-1.5, 0.9, 0.9]), beliefs([1.8, -0.5, -2.5])
    curves = [ValueCurve([]), ValueCurve([])]
    front = np.asarray([[0.8, 1.5]])

    def gains(floors):
        generator = np.random.default_rng(0)
        beliefs_of_both, rows = (score, time), slice(0, 3)
        return expected_gain(
            beliefs_of_both, curves, rows, front, generator=generator, floors=floors
        )

    without, above = gains(None), gains((0.8, -np.inf))
    assert without[0] > 0 and without[2] < 0.2 * without[1]
    assert above[0] == 0
    assert above[1] >= above[2] > 0.2 * above[1]


def test_what_will_fail_is_not_in_a_portfolio():
    values = np.asarray([[[1.0, 1.0], [0.5, 0.5]]])
    assert greedy_portfolio(values, np.asarray([0.0, 1.0]), 2) == [1]
