"""Reports of text generation: what was written, how much of it was cut, the untuned model."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from tests.report.samples import search_result
from xautolm_core.records.scores import Score
from xautolm_core.report.document import summary_document
from xautolm_core.report.model_card import model_card
from xautolm_core.report.page import report_page
from xautolm_core.report.page import shared_page
from xautolm_core.report.snippet import result_snippet
from xautolm_core.report.verdict import verdict
from xautolm_core.report.wording import configuration_label
from xautolm_core.report.wording import made_words
from xautolm_core.search.contract import SearchResult
from xautolm_core.search.result_file import read_result
from xautolm_core.search.result_file import write_result
from xautolm_core.search.test_report import GeneratedExample
from xautolm_core.search.test_report import GenerationTestReport

CHEAP, MODEL = 1, "org/writer"


@pytest.fixture
def result(tmp_path: Path) -> SearchResult:
    found = search_result(tmp_path, task_name="sums")
    assert found.test is not None
    wrong = GeneratedExample(7, "Add <b>2</b> and 3.", ["5", "five"], "6", 0.0, is_cut=True)
    right = GeneratedExample(9, "Add 1 and 1.", ["2"], "2", 1.0)
    test = GenerationTestReport(
        f1=0.7012,
        f1_low=0.6543,
        f1_high=0.7456,
        exact_match=0.6501,
        rouge_l=0.7101,
        chrf=0.5511,
        drop_f1=0.6903,
        drop_exact_match=0.6402,
        rows=300,
        sampled_of=1234,
        seconds=20.0,
        generated_tokens=5_000,
        cut_answers=17,
        right=[right],
        wrong=[wrong],
        comparison=found.test.comparison,
    )
    trials = []
    for one in found.trials:
        scores = {
            {"macro_f1": "f1", "accuracy": "exact_match"}[name]: Score(value=score.value)
            for name, score in one.result.scores.items()
        }
        update = (
            {"branch": "untuned", "method": "untuned", "model": MODEL}
            if one.number == CHEAP
            else {}
        )
        trials.append(
            replace(
                one,
                configuration=one.configuration.model_copy(update=update),
                result=one.result.model_copy(update={"scores": scores}),
            )
        )
    task = {**found.task, "type": "text-generation", "labels": []}
    features = {"truncation_rate_128": 0.4, "truncation_rate_512": 0.01}
    return replace(found, test=test, trials=trials, task=task, task_features=features)


def test_the_page_shows_what_was_written(result: SearchResult) -> None:
    page = report_page(result)
    assert "acro F1" not in page and "Confusion" not in page and "text classifier" not in page
    for words in (
        "F1 on test",
        "ROUGE-L",
        "0.5511",
        "Wrong answers",
        "Right answers",
        "Add &lt;b&gt;2&lt;/b&gt; and 3.",
        "6 (cut)",
        "5; five",
        "0.6543 to 0.7456",
        "sample of the 1 234 of the test split",
        "5 000 tokens in 20.0 s, 4.0 s per 1,000 tokens",
        "17 answers were cut",
        "40% more than 128",
        "--prompt",
        "writer untuned",
    ):
        assert words in page, words


def test_those_who_may_not_see_texts_do_not(result: SearchResult) -> None:
    page = shared_page(result)
    assert "17 answers were cut" in page and "Wrong answers" not in page
    assert "Add " not in page and "five" not in page


def test_the_verdict_compares_with_the_model_untuned(result: SearchResult) -> None:
    found = verdict(result)
    assert found.kind == "worth"
    assert "reaches an F1 of" in found.explanation and "macro" not in found.explanation
    assert re.search(
        r"better than the model untuned by 7\.9 points, with a 95 % interval from \+",
        found.explanation,
    )
    assert result.test is not None and result.test.comparison is not None
    worse = replace(result.test.comparison, language_model_score=0.7, low=-0.12, high=-0.08)
    few_shot = [
        replace(
            one,
            configuration=one.configuration.model_copy(update={"method": "untuned_few_shot"})
            if one.number == CHEAP
            else one.configuration,
        )
        for one in result.trials
    ]
    other = replace(result, test=replace(result.test, comparison=worse), trials=few_shot)
    assert "worse than the model untuned with examples by 10.0 points" in verdict(other).explanation


def test_untuned_models_are_called_that(result: SearchResult) -> None:
    cheap = result.trials[CHEAP].configuration
    assert made_words(cheap) == "org/writer untuned"
    assert configuration_label(cheap) == "untuned"
    few_shot = cheap.model_copy(update={"method": "untuned_few_shot"})
    assert made_words(few_shot, full_id=False) == "writer untuned, with four examples"
    assert "untuned" in result_snippet(result)


def test_summary_and_card_have_all_scores(result: SearchResult, tmp_path: Path) -> None:
    document = summary_document(result)
    assert document["test"]["f1"] == 0.7012 and document["test"]["drop_exact_match"] == 0.6402
    card = model_card(result)
    assert "pipeline_tag: text-generation" in card and "macro" not in card
    assert "| test | 300 | 0.7012 | 0.6501 | 0.7101 | 0.5511 | 0.6903 | 0.6402 |" in card
    assert "a seeded sample of 1234" in card and "4.0 s per 1,000 tokens" in card
    assert '--prompt "A prompt"' in card and "Add " not in card
    assert card.count("- f1\n") == 1
    write_result(result, tmp_path)
    found = read_result(tmp_path)
    assert type(found.test) is GenerationTestReport and found.test.wrong[0].is_cut
