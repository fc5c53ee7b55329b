"""Reports of question answering: other scores, other words, answers instead of classes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.report.samples import search_result
from xautolm_core.records.scores import Score
from xautolm_core.report.document import summary_document
from xautolm_core.report.model_card import model_card
from xautolm_core.report.page import report_page
from xautolm_core.report.verdict import verdict
from xautolm_core.search.result_file import read_result
from xautolm_core.search.result_file import write_result
from xautolm_core.search.test_report import AnsweredQuestion
from xautolm_core.search.test_report import QuestionTestReport


@pytest.fixture
def result(tmp_path):
    found = search_result(tmp_path, task_name="facts")
    wrong = AnsweredQuestion(7, "Who <b>built</b> it?", "Ada built it.", ["Ada"], "Tom", 0.0)
    right = AnsweredQuestion(9, "Why?", "Nobody says.", [], "", 1.0)
    test = QuestionTestReport(
        f1=0.7012,
        exact_match=0.6501,
        rows=120,
        seconds=2.0,
        unanswerable_rows=30,
        f1_answerable=0.69,
        f1_unanswerable=0.81,
        unanswered_rows=33,
        right=[right],
        wrong=[wrong],
        comparison=found.test.comparison,
    )
    trials = [
        replace(
            one,
            result=one.result.model_copy(
                update={
                    "scores": {
                        {"macro_f1": "f1", "accuracy": "exact_match"}[name]: Score(value=s.value)
                        for name, s in one.result.scores.items()
                    }
                }
            ),
        )
        for one in found.trials
    ]
    task = {**found.task, "type": "question-answering", "labels": []}
    features = {"truncation_rate_128": 0.4, "truncation_rate_512": 0.01}
    return replace(found, test=test, trials=trials, task=task, task_features=features)


def test_the_page_shows_answers_and_no_classes(result):
    page = report_page(result)
    assert "acro F1" not in page and "Confusion" not in page and "text classifier" not in page
    for words in (
        "F1 on test",
        "Exact match on test",
        "Wrong answers",
        "Who &lt;b&gt;built&lt;/b&gt; it?",
        "(no answer)",
        "40% more than 128",
        "--question",
        ".8877",
        ".7012",
    ):
        assert words in page, words


def test_summary_and_verdict_name_the_score(result):
    document = summary_document(result)
    assert document["test"] == {"f1": 0.7012, "exact_match": 0.6501, "rows": 120}
    assert document["best"]["validation"]["f1"] == 0.8877
    assert document["cheap"]["test"] == {"f1": 0.8004}
    assert document["comparison"]["language_model_score"] == 0.8790
    words = verdict(result).explanation
    assert "reaches an F1 of" in words and "macro" not in words


def test_the_card_says_how_to_ask(result):
    card = model_card(result)
    assert "pipeline_tag: question-answering" in card and "macro" not in card
    assert "| test | 120 | 0.7012 | 0.6501 |" in card
    assert "AutoModelForQuestionAnswering" in card and "exact match" in card
    assert "30 of the test rows have no answer" in card


def test_the_result_is_read_as_it_was_written(result, tmp_path):
    write_result(result, tmp_path)
    found = read_result(tmp_path)
    assert type(found.test) is QuestionTestReport
    assert found.test.wrong[0].question == "Who <b>built</b> it?"
    assert found.primary.name == "f1"
