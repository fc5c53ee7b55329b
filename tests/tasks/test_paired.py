from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from xautolm_core.tasks.paired import paired_test
from xautolm_core.tasks.scores import classification_scores

ROUNDS = 199


@st.composite
def answers(draw: st.DrawFn) -> np.ndarray:
    """Truth and two columns of answers, shape (3, rows)."""
    classes = draw(st.integers(2, 5))
    rows = draw(st.integers(1, 60))
    column = st.lists(st.integers(0, classes - 1), min_size=rows, max_size=rows)
    return np.array([draw(column) for _ in range(3)])


@settings(deadline=None)
@given(answers(), st.sampled_from(["macro_f1", "accuracy"]))
def test_scores_are_those_of_the_tasks_room(columns, measure):
    truth, first, second = columns
    found = paired_test(truth, first, second, measure=measure, rounds=ROUNDS)
    names = [str(i) for i in range(int(columns.max()) + 1)]
    for score, predicted in ((found.champion, first), (found.challenger, second)):
        assert score == pytest.approx(
            getattr(classification_scores(truth, predicted, names), measure)
        )
    assert 0 < found.p_value <= 1
    assert found.low <= found.high
    assert found.different == np.count_nonzero(first != second)


@settings(deadline=None)
@given(answers(), st.sampled_from(["macro_f1", "accuracy"]))
def test_exchanged_roles_mirror_each_other(columns, measure):
    truth, first, second = columns
    one = paired_test(truth, first, second, measure=measure, rounds=ROUNDS)
    other = paired_test(truth, second, first, measure=measure, rounds=ROUNDS)
    assert one.gain == pytest.approx(-other.gain)
    assert one.p_value + other.p_value >= 1 - 1e-9


@settings(deadline=None)
@given(answers())
def test_identical_answers_prove_nothing(columns):
    truth, first, _ = columns
    for measure in ("macro_f1", "accuracy"):
        found = paired_test(truth, first, first, measure=measure, rounds=ROUNDS)
        assert (found.gain, found.p_value, found.different) == (0.0, 1.0, 0)
        assert (found.low, found.high) == (0.0, 0.0)


@settings(deadline=None)
@given(answers(), st.randoms())
def test_the_order_of_rows_does_not_matter(columns, random):
    order = list(range(columns.shape[1]))
    random.shuffle(order)
    assert paired_test(*columns, rounds=ROUNDS) == paired_test(*columns[:, order], rounds=ROUNDS)


@settings(deadline=None)
@given(st.integers(1, 300), st.integers(0, 300))
def test_mcnemar_is_the_binomial_tail(wins, losses):
    truth = np.zeros(wins + losses, dtype=int)
    second = np.r_[np.zeros(wins, dtype=int), np.ones(losses, dtype=int)]
    found = paired_test(truth, 1 - second, second, measure="accuracy")
    n = wins + losses
    expected = sum(math.comb(n, k) for k in range(wins, n + 1)) / 2**n
    assert found.p_value == pytest.approx(expected, rel=1e-9)


def test_swaps_agree_with_an_exact_enumeration():
    generator = np.random.default_rng(3)
    truth = generator.integers(0, 3, 11)
    first, second = (
        np.where(generator.random(11) < share, truth, generator.integers(0, 3, 11))
        for share in (0.4, 0.9)
    )
    found = paired_test(truth, first, second, rounds=20_000)

    def gain(a: np.ndarray, b: np.ndarray) -> float:
        names = ["a", "b", "c"]
        scores = [classification_scores(truth, x, names).macro_f1 for x in (a, b)]
        return scores[1] - scores[0]

    observed = gain(first, second)
    hits = 0
    for mask in range(2**11):
        swap = np.array([(mask >> i) & 1 for i in range(11)], dtype=bool)
        drawn = gain(np.where(swap, second, first), np.where(swap, first, second))
        hits += drawn >= observed - 1e-12
    assert found.p_value == pytest.approx(hits / 2**11, abs=0.01)


@pytest.mark.parametrize("measure", ["macro_f1", "accuracy"])
def test_the_level_holds_under_the_null(measure):
    """Equally good classifiers: at most about alpha of the tests call the second one better."""
    generator = np.random.default_rng(0)
    alpha, tests, rows, classes = 0.05, 600, 150, 3
    rejected = 0
    for seed in range(tests):
        truth = generator.integers(0, classes, rows)
        both = [
            np.where(generator.random(rows) < 0.8, truth, generator.integers(0, classes, rows))
            for _ in range(2)
        ]
        found = paired_test(truth, *both, measure=measure, rounds=199, seed=seed)
        rejected += found.p_value <= alpha
    # Three standard errors above alpha.
    assert rejected / tests <= alpha + 3 * math.sqrt(alpha * (1 - alpha) / tests)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000))
def test_a_clear_gain_is_found(seed):
    generator = np.random.default_rng(seed)
    truth = generator.integers(0, 4, 300)
    first, second = (
        np.where(generator.random(300) < share, truth, generator.integers(0, 4, 300))
        for share in (0.6, 0.9)
    )
    found = paired_test(truth, first, second, rounds=999)
    assert found.p_value <= 0.01
    assert found.low > 0


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(ValueError, match="no rows"):
        paired_test([], [], [])
    with pytest.raises(ValueError, match="different lengths"):
        paired_test([0, 1], [0], [0, 1])
    with pytest.raises(ValueError, match="negative"):
        paired_test([0], [-1], [0])
