from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xautolm_core.search.samplers.utility import utilities

# Objectives are minimised: minus F1, seconds.
COSTS = np.asarray([[-0.9, 30.0], [-0.8, 10.0], [-0.6, 50.0], [-0.5, 5.0]])
GROUPS = np.asarray([0, 0, 0, 1])


def test_weighted_sum_by_hand():
    # Group a: F1 .9 .8 .6 of range .3: 1, 2/3, 0; seconds 30 10 50 of range 40: .5, 1, 0.
    # Means .75, .8333, 0. Group b has no range: .5 each.
    found = utilities(COSTS, GROUPS, "weighted_sum")
    assert found == pytest.approx([0.75, 5 / 6, 0.0, 0.5])


def test_weighted_ratio_by_hand():
    # F1 over the group's best: 1, 8/9, 2/3; group b: 1, and .5 for its time.
    found = utilities(COSTS, GROUPS, "weighted_ratio")
    assert found == pytest.approx([0.75, (8 / 9 + 1) / 2, 1 / 3, 0.75])


def test_front_utilities_by_hand():
    # Fronts over all groups: {0, 1, 3}, then {2}: L = 2.
    assert utilities(COSTS, GROUPS, "linear_front") == pytest.approx([1.0, 1.0, 0.5, 1.0])
    # ln(L - i + 1) / ln(L + 1): ln 3 / ln 3 = 1 and ln 2 / ln 3 = 0.6309.
    found = utilities(COSTS, GROUPS, "logarithmic_front")
    assert found == pytest.approx([1.0, 1.0, math.log(2) / math.log(3), 1.0])


def test_an_objective_that_was_not_measured_does_not_count():
    costs = np.asarray([[-0.9, math.nan], [-0.5, 10.0], [-0.7, 20.0]])
    # F1: 1, 0, .5; seconds: unknown, 1, 0.
    assert utilities(costs, np.zeros(3, dtype=int), "weighted_sum") == pytest.approx(
        [1.0, 0.5, 0.25]
    )


@given(
    st.lists(
        st.tuples(st.floats(-1, 0), st.floats(0.1, 1e4), st.integers(0, 2)),
        min_size=1,
        max_size=20,
    ),
    st.sampled_from(["weighted_sum", "weighted_ratio", "linear_front", "logarithmic_front"]),
)
def test_utilities_lie_between_zero_and_one(rows, kind):
    costs = np.asarray([[f1, seconds] for f1, seconds, _ in rows])
    found = utilities(costs, np.asarray([group for _, _, group in rows]), kind)
    assert ((found >= 0) & (found <= 1 + 1e-12)).all()
