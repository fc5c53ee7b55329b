from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from xautolm_core.retrain.verdict import degradation_test
from xautolm_core.retrain.verdict import macro_f1_error
from xautolm_core.retrain.verdict import share_error
from xautolm_core.tasks.scores import classification_scores

SCORE = st.floats(0, 1)
ERROR = st.floats(1e-3, 0.5)


def _confusion(generator: np.random.Generator, rows: int, share: float, classes: int = 3):
    truth = generator.integers(0, classes, rows)
    wrong = generator.integers(0, classes, rows)
    answers = np.where(generator.random(rows) < share, truth, wrong)
    return classification_scores(truth, answers, [str(i) for i in range(classes)])


@settings(deadline=None)
@given(SCORE, SCORE, ERROR, ERROR, st.floats(0, 0.5), st.floats(0.001, 0.4))
def test_laws_of_the_test(before, now, error_a, error_b, tolerance, alpha):
    found = degradation_test((before, error_a), (now, error_b), tolerance=tolerance, alpha=alpha)
    assert 0 < found.p_value <= 1
    assert found.detectable_drop > tolerance
    # A wider tolerance or a better score never makes it look more degraded.
    wider = degradation_test(
        (before, error_a), (now, error_b), tolerance=tolerance + 0.1, alpha=alpha
    )
    better = degradation_test(
        (before, error_a), (now + 0.1, error_b), tolerance=tolerance, alpha=alpha
    )
    assert wider.p_value >= found.p_value
    assert better.p_value >= found.p_value
    # A drop within the tolerance is never significant at a level below one half.
    if before - now <= tolerance:
        assert found.p_value >= 0.5 - 1e-9


def test_the_level_holds_under_the_null():
    generator = np.random.default_rng(0)
    alpha, tests, rejected = 0.05, 500, 0
    for _ in range(tests):
        old, new = _confusion(generator, 120, 0.8), _confusion(generator, 200, 0.8)
        found = degradation_test(
            (old.macro_f1, macro_f1_error(old.confusion)),
            (new.macro_f1, macro_f1_error(new.confusion)),
            tolerance=0.0,
            alpha=alpha,
        )
        rejected += found.p_value <= alpha
    assert rejected / tests <= alpha + 3 * math.sqrt(alpha * (1 - alpha) / tests)


def test_a_drop_of_the_detectable_size_is_found_four_times_in_five():
    generator = np.random.default_rng(1)
    shares, found, expected = (0.85, 0.70), 0, []
    for _ in range(200):
        old, new = (_confusion(generator, 150, share) for share in shares)
        result = degradation_test(
            (old.macro_f1, macro_f1_error(old.confusion)),
            (new.macro_f1, macro_f1_error(new.confusion)),
            tolerance=0.0,
            alpha=0.05,
        )
        found += result.p_value <= 0.05
        expected.append(result.detectable_drop)
    true_drop = (shares[0] - shares[1]) * 2 / 3  # a third of the wrong guesses are right
    assert np.mean(expected) == pytest.approx(true_drop, abs=0.03)
    assert 0.65 < found / 200 < 0.95


@pytest.mark.parametrize("rows", [100, 400])
def test_the_error_is_what_scores_scatter_by(rows):
    generator = np.random.default_rng(2)
    drawn = [_confusion(generator, rows, 0.8) for _ in range(400)]
    scatter = float(np.std([scores.macro_f1 for scores in drawn]))
    claimed = float(np.mean([macro_f1_error(scores.confusion) for scores in drawn[:50]]))
    assert claimed == pytest.approx(scatter, rel=0.15)


def test_a_perfect_score_of_few_rows_is_not_certain():
    few, many = (macro_f1_error([[n, 0], [0, n]]) for n in (10, 1000))
    assert few > 0.02
    assert many < 0.002
    assert share_error(1.0, 20) > 0.02


def test_classes_that_do_not_occur_change_nothing():
    assert macro_f1_error([[8, 2, 0], [1, 9, 0], [0, 0, 0]]) == macro_f1_error([[8, 2], [1, 9]])


def test_what_cannot_be_tested_is_refused():
    with pytest.raises(ValueError, match="square"):
        macro_f1_error([[1, 2]])
    with pytest.raises(ValueError, match="no rows"):
        macro_f1_error([[0, 0], [0, 0]])
    with pytest.raises(ValueError, match="uncertainty"):
        degradation_test((0.5, 0.0), (0.5, 0.0), tolerance=0.0, alpha=0.05)
