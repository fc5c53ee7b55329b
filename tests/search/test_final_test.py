"""The chosen model and the one beside it, before answers that are given by hand."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from tests.search.test_comparison import CHEAP
from tests.search.test_comparison import LANGUAGE_MODEL
from xautolm_core.search.final_test import no_time
from xautolm_core.search.final_test import run_test
from xautolm_core.search.final_test_kinds import TestedModel
from xautolm_core.search.test_report import TestReport

TRUTH = [0, 1, 1, 0]
TASK = SimpleNamespace(
    type="text-classification", test=SimpleNamespace(labels=TRUTH), labels=("a", "b")
)
ANSWERS = {LANGUAGE_MODEL.number: [0, 1, 1, 0], CHEAP.number: [0, 0, 1, 0]}


def evaluation(answers: list[int]) -> TestedModel:
    report = TestReport(sum(answers), 0.5, {}, [], len(answers), 0.1)
    return TestedModel(report, np.asarray(answers))


def run(best, other, answers=ANSWERS):
    def evaluate(record):
        found = answers.get(record.number)
        return (None, "no memory") if found is None else (evaluation(found), "")

    return run_test(best, other, task=TASK, evaluate=evaluate, seed=0)


@pytest.mark.parametrize(("best", "other"), [(LANGUAGE_MODEL, CHEAP), (CHEAP, LANGUAGE_MODEL)])
def test_both_answer_the_same_rows_and_the_report_is_of_the_chosen_one(best, other):
    report, problem = run(best, other)
    assert problem == ""
    assert report.macro_f1 == sum(ANSWERS[best.number])
    assert (report.comparison.language_model, report.comparison.cheap) == (3, 0)
    assert report.comparison.language_model_score == 1.0
    assert report.comparison.gain > 0


def test_one_kind_alone_is_not_compared():
    report, problem = run(CHEAP, None)
    assert problem == ""
    assert report.comparison is None


def test_what_goes_wrong_with_the_other_leaves_the_test_of_the_chosen_one():
    report, problem = run(CHEAP, LANGUAGE_MODEL, {CHEAP.number: TRUTH})
    assert report.comparison is None
    assert problem == "Trial 3 could not be compared: no memory"


def test_a_comparison_is_left_out_where_the_budget_has_no_time_for_it():
    assert no_time(20.0, None, elapsed_seconds=1e6) == ""
    assert no_time(20.0, 100.0, elapsed_seconds=80.0) == ""
    assert no_time(20.0, 100.0, elapsed_seconds=90.0) == (
        "its test would take 20 s, and 10 s of the budget are left"
    )


def test_what_goes_wrong_with_the_chosen_one_leaves_nothing():
    report, problem = run(CHEAP, LANGUAGE_MODEL, {})
    assert report is None
    assert "no memory" in problem
