from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes
from hypothesis.extra.numpy import arrays

from xautolm_core.search.pareto import non_dominated_fronts
from xautolm_core.search.samplers.front_ranks import front_ranks

number = st.one_of(st.integers(0, 4).map(float), st.just(float("inf")), st.floats(-1, 1))
points = array_shapes(min_dims=2, max_dims=2, max_side=25).flatmap(
    lambda shape: arrays(float, (shape[0], shape[1] % 4 + 1), elements=number)
)


@settings(deadline=None)
@given(points)
def test_ranks_are_the_fronts_of_comparing_all_pairs(cloud):
    ranks = front_ranks(cloud)
    for rank, front in enumerate(non_dominated_fronts(cloud)):
        assert np.flatnonzero(ranks == rank).tolist() == front


@pytest.mark.parametrize("objectives", [2, 3])
def test_many_points_with_many_members_in_a_front(objectives):
    cloud = np.random.default_rng(0).normal(size=(600, objectives)).round(1)
    fronts = non_dominated_fronts(cloud)
    assert max(map(len, fronts)) > 16
    expected = np.empty(len(cloud), dtype=int)
    for rank, front in enumerate(fronts):
        expected[front] = rank
    assert front_ranks(cloud).tolist() == expected.tolist()
