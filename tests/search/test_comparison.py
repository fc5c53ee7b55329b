from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from xautolm_core.records.attempt import TrialResult
from xautolm_core.records.configuration import Configuration
from xautolm_core.records.outcome import Outcome
from xautolm_core.search.class_test import compare
from xautolm_core.search.contract import TrialRecord
from xautolm_core.search.test_report import ModelComparison
from xautolm_core.tasks.scores import RARE_ROWS

LABELS = ("a", "b", "c", "d")
CLASS = st.integers(0, len(LABELS) - 1)
# Truth and both answers of each row.
ROWS = st.lists(st.tuples(CLASS, CLASS, CLASS), min_size=1, max_size=60).map(np.asarray)


def trial(number: int, method: str) -> TrialRecord:
    configuration = Configuration.model_construct(
        branch="b", model=None if method == "tfidf" else "m", method=method, parameters={}
    )
    result = TrialResult(search_id="s", trial_number=number, outcome=Outcome.OK)
    return TrialRecord(number, configuration, result, "", {})


LANGUAGE_MODEL, CHEAP = trial(3, "lora"), trial(0, "tfidf")


def compared(truth: np.ndarray, language_model: np.ndarray, cheap: np.ndarray) -> ModelComparison:
    return compare(
        LANGUAGE_MODEL,
        CHEAP,
        truth=truth,
        first_answers=language_model,
        second_answers=cheap,
        labels=LABELS,
    )


@settings(max_examples=30)
@given(ROWS)
def test_it_does_not_matter_which_is_given_first(rows: np.ndarray) -> None:
    truth, language_model, cheap = rows.T
    swapped = compare(
        CHEAP,
        LANGUAGE_MODEL,
        truth=truth,
        first_answers=cheap,
        second_answers=language_model,
        labels=LABELS,
    )
    found = compared(truth, language_model, cheap)
    assert swapped == found
    assert (found.language_model, found.cheap) == (3, 0)


@settings(max_examples=30)
@given(ROWS)
def test_equal_answers_gain_nothing_and_the_interval_contains_that(rows: np.ndarray) -> None:
    truth, answers, _ = rows.T
    found = compared(truth, answers, answers)
    assert found.gain == 0
    assert found.low <= 0 <= found.high


@settings(max_examples=30)
@given(ROWS)
def test_scores_are_those_of_scikit_learn(rows: np.ndarray) -> None:
    truth, language_model, cheap = rows.T
    found = compared(truth, language_model, cheap)
    expected = [
        f1_score(truth, answers, average="macro", zero_division=0)
        for answers in (language_model, cheap)
    ]
    assert found.language_model_score == pytest.approx(expected[0])
    assert found.cheap_score == pytest.approx(expected[1])
    assert -1 <= found.low <= found.high <= 1


def test_exchanged_answers_turn_the_gain_round() -> None:
    generator = np.random.default_rng(1)
    truth = generator.integers(0, 4, 400)
    good = np.where(generator.random(400) < 0.9, truth, 0)
    bad = np.where(generator.random(400) < 0.6, truth, 0)
    better, worse = compared(truth, good, bad), compared(truth, bad, good)
    assert better.low > 0 > worse.high
    assert better.gain == pytest.approx(-worse.gain)
    assert better.low < better.gain < better.high


def test_classes_with_few_rows_are_named_and_absent_ones_are_not() -> None:
    truth = np.repeat([0, 1, 2], [RARE_ROWS, RARE_ROWS - 1, 1])
    found = compared(truth, truth, truth)
    assert found.rare_classes == {"b": RARE_ROWS - 1, "c": 1}


def test_it_needs_answers_to_the_same_rows() -> None:
    with pytest.raises(ValueError, match="different lengths"):
        compared(np.asarray([0, 1]), np.asarray([0, 1]), np.asarray([0]))
