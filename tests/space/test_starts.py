from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.search import spaces
from xautolm_core.space.parameters import Categorical
from xautolm_core.space.starts import relative_entropy
from xautolm_core.space.starts import weigh_classes

START = spaces.configuration(class_weighted_loss=False)


@given(st.lists(st.integers(0, 10**6), min_size=2, max_size=30).filter(any))
def test_the_share_lies_between_one_class_and_equal_ones(rows):
    assert -1e-9 <= relative_entropy(rows) <= 1 + 1e-9


def test_known_shares():
    assert relative_entropy([50, 50]) == pytest.approx(1)
    assert relative_entropy([100, 0]) == 0
    assert relative_entropy([90, 10]) == pytest.approx(0.469, abs=1e-3)
    assert relative_entropy([7]) == 1


def test_starts_weigh_the_classes_of_unbalanced_tasks_alone():
    space = spaces.space(starts=(START,))
    assert weigh_classes(space, [500, 450]) is space
    (found,) = weigh_classes(space, [900, 50, 50]).starts
    assert found.parameters == {**START.parameters, "class_weighted_loss": True}


def test_a_space_that_does_not_admit_it_stays_as_it_is():
    branch = spaces.branch("encoder-full", "full")
    fixed = replace(
        branch,
        parameters=(
            *branch.parameters[:2],
            Categorical("class_weighted_loss", (False,), "encoder-full.class_weighted_loss"),
        ),
    )
    space = replace(spaces.space(starts=(START,)), branches=(fixed,))
    assert weigh_classes(space, [900, 50, 50]) == space
