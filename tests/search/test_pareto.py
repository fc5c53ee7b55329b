from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes
from hypothesis.extra.numpy import arrays

from xautolm_core.search.pareto import crowding_distances
from xautolm_core.search.pareto import dominates
from xautolm_core.search.pareto import hypervolume
from xautolm_core.search.pareto import non_dominated_fronts
from xautolm_core.search.pareto import select_fittest
from xautolm_core.search.pareto import staircase

values = st.one_of(st.integers(0, 6).map(float), st.just(math.inf))
points = st.lists(st.tuples(values, values), min_size=1, max_size=25)


def fronts_of_all_pairs(cloud):
    """Return the fronts by comparing all pairs, slow and plain."""
    left, fronts = list(range(len(cloud))), []
    while left:
        front = [a for a in left if not any(dominates(cloud[b], cloud[a]) for b in left)]
        fronts.append(front)
        left = [a for a in left if a not in front]
    return fronts


clouds = array_shapes(min_dims=2, max_dims=2, max_side=25).flatmap(
    lambda shape: arrays(
        float, (shape[0], shape[1] % 4 + 1), elements=st.one_of(values, st.floats(-1, 1))
    )
)


@settings(deadline=None)
@given(clouds)
def test_fronts_are_those_of_comparing_all_pairs(cloud):
    assert non_dominated_fronts(cloud) == fronts_of_all_pairs(cloud.tolist())


@pytest.mark.parametrize("objectives", [2, 3])
def test_many_points_with_many_members_in_a_front(objectives):
    cloud = np.random.default_rng(0).normal(size=(200, objectives)).round(1)
    fronts = non_dominated_fronts(cloud)
    assert max(map(len, fronts)) > 8
    assert fronts == fronts_of_all_pairs(cloud.tolist())


@given(points)
def test_a_staircase_is_the_front_of_cost_and_score_without_repetitions(found):
    steps = staircase(found, cost=lambda p: p[0], score=lambda p: -p[1])
    front = non_dominated_fronts(np.asarray(found))[0]
    assert steps == sorted({found[i] for i in front})


@given(points)
def test_no_member_of_a_front_is_dominated_within_it_and_each_later_one_is(found):
    fronts = non_dominated_fronts(np.asarray(found))
    assert sorted(i for front in fronts for i in front) == list(range(len(found)))
    for rank, front in enumerate(fronts):
        assert not any(dominates(found[a], found[b]) for a in front for b in front)
        if rank:
            assert all(any(dominates(found[a], found[b]) for a in fronts[rank - 1]) for b in front)


@given(points, st.randoms())
def test_fronts_do_not_depend_on_the_order_of_the_points(found, random):
    order = list(range(len(found)))
    random.shuffle(order)
    shuffled = non_dominated_fronts(np.asarray([found[i] for i in order]))
    back = [sorted(order[i] for i in front) for front in shuffled]
    assert back == non_dominated_fronts(np.asarray(found))


def test_no_points_have_no_fronts():
    assert non_dominated_fronts(np.zeros((0, 2))) == []


def test_crowding_distance_by_hand():
    # Objective 1: 0, 1, 4 of range 4; objective 2: 8, 4, 0 of range 8. The middle point has
    # (4 - 0) / 4 + (8 - 0) / 8 = 2; the extremes are infinite.
    found = crowding_distances(np.asarray([[0.0, 8.0], [1.0, 4.0], [4.0, 0.0]]))
    assert found.tolist() == [math.inf, 2.0, math.inf]
    # Four points: (3 - 0) / 10 + (10 - 2) / 10 = 1.1 and (10 - 1) / 10 + (6 - 0) / 10 = 1.5.
    four = np.asarray([[0.0, 10.0], [1.0, 6.0], [3.0, 2.0], [10.0, 0.0]])
    assert crowding_distances(four)[1:3] == pytest.approx([1.1, 1.5])


def test_a_constant_objective_adds_no_crowding():
    assert crowding_distances(np.asarray([[1.0, 5.0], [1.0, 5.0]])).tolist() == [0.0, 0.0]
    assert crowding_distances(np.asarray([[math.inf, math.inf]] * 3)).tolist() == [0.0] * 3


def test_the_overflowing_front_is_cut_by_crowding():
    four = np.asarray([[0.0, 10.0], [1.0, 6.0], [3.0, 2.0], [10.0, 0.0], [11.0, 11.0]])
    assert select_fittest(four, 3) == [0, 3, 2]
    assert set(select_fittest(four, 4)) == {0, 1, 2, 3}
    assert select_fittest(four, 9)[-1] == 4


@given(points, st.integers(1, 8))
def test_the_fittest_are_never_dominated_by_one_left_out(found, count):
    chosen = select_fittest(np.asarray(found), count)
    assert len(chosen) == len(set(chosen)) == min(count, len(found))
    left = set(range(len(found))) - set(chosen)
    assert not any(dominates(found[a], found[b]) for a in left for b in chosen)


def test_hypervolume_by_hand():
    # Reference (4, 4): the boxes 3 x 1 and 2 x 2 and 1 x 3 overlap in steps: 3 + 2 + 1 = 6.
    assert hypervolume(np.asarray([[1.0, 3.0], [2.0, 2.0], [3.0, 1.0]]), (4, 4)) == 6.0
    assert hypervolume(np.asarray([[5.0, 0.0]]), (4, 4)) == 0.0
    assert hypervolume(np.zeros((0, 2)), (4, 4)) == 0.0


@given(points, st.tuples(values, values))
def test_another_point_never_makes_the_hypervolume_smaller(found, more):
    before = hypervolume(np.asarray(found), (7.0, 7.0))
    assert hypervolume(np.asarray([*found, more]), (7.0, 7.0)) >= before - 1e-12
