from __future__ import annotations

import json

import numpy as np
import pytest
from pydantic import TypeAdapter

from tests.report.samples import record
from tests.tasks.question_rows import write_squad
from xautolm_core.search.final_test_kinds import final_test_kind
from xautolm_core.search.question_test import QUESTION_TEST
from xautolm_core.search.question_test import passage_around
from xautolm_core.search.test_report import AnyTestReport
from xautolm_core.search.test_report import QuestionTestReport
from xautolm_core.tasks.grouped import mean_gain_interval
from xautolm_core.tasks.load import load_task
from xautolm_core.tasks.source import read_task_spec


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    path = write_squad(tmp_path_factory.mktemp("qa") / "a.json", passages=40, impossible=True)
    return load_task(read_task_spec(str(path)))


def document(answers):
    texts = list(answers)
    return json.dumps({"texts": texts, "scores": [0.5] * len(texts), "seconds": 1.5}).encode()


def right(task):
    return [answers[0] if answers else "" for answers in task.test.answers.to_pylist()]


def test_answers_are_scored_and_shown(task):
    answers = right(task)
    answers[0] = "Nobody at all"
    found = QUESTION_TEST.read(document(answers), task)
    report = found.report
    assert isinstance(report, QuestionTestReport)
    rows = len(task.test)
    assert report.rows == rows == 12 and report.unanswerable_rows == 4
    assert report.exact_match == pytest.approx((rows - 1) / rows)
    assert report.f1_unanswerable == 1 and report.f1_answerable < 1
    assert report.unanswered_rows == 4
    assert [one.row for one in report.wrong] == [1] and report.wrong[0].answer == answers[0]
    assert len(report.right) == 6 and all(one.f1 == 1 for one in report.right)
    assert all(one.question and one.passage for one in (*report.right, *report.wrong))
    assert found.answers[0] == 0 and found.answers[1:].min() == 1
    adapter = TypeAdapter(AnyTestReport)
    kept = adapter.validate_json(adapter.dump_json(report))
    assert type(kept) is QuestionTestReport and kept.named_scores == report.named_scores


def test_answers_to_other_rows_are_refused(task):
    with pytest.raises(ValueError, match="do not belong to the rows"):
        QUESTION_TEST.read(document(right(task)[1:]), task)
    assert final_test_kind("question-answering") is QUESTION_TEST


@pytest.mark.parametrize("cheap_first", [True, False])
def test_the_gain_is_that_of_the_language_model(task, cheap_first):
    good = QUESTION_TEST.read(document(right(task)), task)
    bad = QUESTION_TEST.read(document([""] * len(task.test)), task)
    trials = [record(0, method="lora"), record(1, method="tfidf")]
    models = [good, bad]
    if cheap_first:
        trials, models = trials[::-1], models[::-1]
    found = QUESTION_TEST.compare(tuple(trials), tuple(models), task, seed=1)
    assert (found.language_model, found.cheap) == (0, 1)
    assert found.language_model_score == 1 and found.cheap_score == pytest.approx(1 / 3)
    assert 0 < found.low < found.gain < found.high <= 1


def test_the_interval_covers_the_mean_of_paired_gains():
    generator = np.random.default_rng(0)
    first = generator.random(400)
    second = np.clip(first + generator.normal(0.1, 0.2, 400), 0, 1)
    low, high = mean_gain_interval(first, second, np.random.default_rng(1), level=0.95)
    gains = second - first
    error = gains.std() / np.sqrt(400)
    assert low == pytest.approx(gains.mean() - 1.96 * error, abs=0.2 * error)
    assert high == pytest.approx(gains.mean() + 1.96 * error, abs=0.2 * error)


def test_a_long_passage_is_cut_around_the_answers():
    passage = " ".join(f"word{i}" for i in range(500))
    shown = passage_around(passage, ("", "word300", "not there"))
    assert "word300" in shown and len(shown) < 410
    assert shown.startswith("… word") and shown.endswith(" …")
    assert passage_around("short", ("x",)) == "short"


@pytest.mark.parametrize("blank", ["", " "])
def test_a_passage_without_blanks_is_cut_around_the_answers_too(blank):
    passage = "水" * 400 + "答案" + blank + "火" * 700
    shown = passage_around(passage, ("答案",))
    assert shown.startswith("… 水") and "水答案" in shown and shown.endswith("火 …")
    assert 390 < len(shown) < 410
