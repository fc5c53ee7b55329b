from __future__ import annotations

import json
from dataclasses import asdict
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter

from tests.report.samples import record
from tests.search.generation_rows import generation_split
from tests.search.generation_rows import generation_task
from xautolm_core.records.configuration import Configuration
from xautolm_core.records.methods import FEW_SHOT_ROWS
from xautolm_core.records.methods import MAX_GENERATED_ROWS
from xautolm_core.search.final_test_kinds import final_test_kind
from xautolm_core.search.generation_test import GENERATION_TEST
from xautolm_core.search.generation_test import shortened
from xautolm_core.search.plan import MAX_VALIDATION_ROWS
from xautolm_core.search.plan import most_validation_rows
from xautolm_core.search.row_scores import mean_interval
from xautolm_core.search.test_report import AnyTestReport
from xautolm_core.search.test_report import GenerationTestReport
from xautolm_core.search.test_report import QuestionTestReport
from xautolm_core.tasks.conversations import GenerationTask
from xautolm_core.trial.rows import generated_rows

_REPORTS: TypeAdapter[AnyTestReport] = TypeAdapter(AnyTestReport)


def document(texts: list[str], rows: list[int] | None = None, **more: Any) -> bytes:
    found = {
        "rows": list(range(len(texts))) if rows is None else rows,
        "texts": texts,
        "tokens": [4] * len(texts),
        "cut": [text == "" for text in texts],
        "seconds": 2.5,
        **more,
    }
    return json.dumps(found).encode()


def right(task: GenerationTask) -> list[str]:
    return [answers[0] for answers in task.test.answers.to_pylist()]


def test_answers_are_scored_and_shown() -> None:
    task = generation_task()
    answers = right(task)
    answers[3] = ""
    found = GENERATION_TEST.read(document(answers), task)
    report = found.report
    assert isinstance(report, GenerationTestReport)
    assert report.rows == report.sampled_of == 12
    assert report.f1 == report.exact_match == report.score == pytest.approx(11 / 12)
    assert 0.6 < report.f1_low < report.f1 < report.f1_high <= 1
    assert list(report.named_scores)[:2] == ["f1", "exact_match"]
    assert all(0 <= score <= 1 for score in report.named_scores.values())
    assert (report.generated_tokens, report.cut_answers) == (48, 1)
    assert report.seconds_per_1000_tokens == pytest.approx(1000 * 2.5 / 48)
    (wrong,) = report.wrong
    assert (wrong.row, wrong.prompt, wrong.answer, wrong.is_cut) == (4, "Write word2003.", "", True)
    assert wrong.accepted == ("word2003", "the word2003")
    assert len(report.right) == 6 and all(one.f1 == 1 for one in report.right)
    assert found.answers[3] == 0 and found.answers.sum() == 11
    assert final_test_kind("text-generation") is GENERATION_TEST


def test_a_large_split_is_sampled_in_the_same_way_everywhere() -> None:
    task = generation_task(test_rows=1_000)
    rows = generated_rows(1_000)
    assert len(rows) == MAX_GENERATED_ROWS == GENERATION_TEST.tested_rows(task)
    assert np.array_equal(rows, generated_rows(1_000)) and np.all(np.diff(rows) > 0)
    answers = [right(task)[row] for row in rows]
    report = GENERATION_TEST.read(document(answers, rows.tolist()), task).report
    assert isinstance(report, GenerationTestReport)
    assert (report.f1, report.rows, report.sampled_of) == (1.0, 300, 1_000)
    assert report.right[0].row - 1 in rows


@pytest.mark.parametrize(
    "wrong", [{"rows": [0, 1]}, {"texts": ["a"]}, {"tokens": [1]}, {"cut": [True]}]
)
def test_answers_to_other_rows_are_refused(wrong: dict[str, Any]) -> None:
    task = generation_task()
    with pytest.raises(ValueError, match="do not belong to the rows"):
        GENERATION_TEST.read(document(**{"texts": right(task), **wrong}), task)


@pytest.mark.parametrize("cheap_first", [True, False])
def test_the_gain_is_that_over_the_untuned_model(cheap_first: bool) -> None:
    task = generation_task(test_rows=60)
    good = GENERATION_TEST.read(document(right(task)), task)
    half = [text if n % 2 else "no" for n, text in enumerate(right(task))]
    untuned = GENERATION_TEST.read(document(half), task)
    pairs = [(record(0, method="lora"), good), (record(1, method="untuned"), untuned)]
    (one, one_model), (two, two_model) = pairs[::-1] if cheap_first else pairs
    found = GENERATION_TEST.compare((one, two), (one_model, two_model), task, seed=1)
    assert (found.language_model, found.cheap) == (0, 1)
    assert (found.language_model_score, found.cheap_score) == (1, 0.5)
    assert 0.3 < found.low < found.gain < found.high < 0.7


def test_a_report_is_read_as_its_kind_with_and_without_texts() -> None:
    task = generation_task()
    report = GENERATION_TEST.read(document(right(task)), task).report
    bare = report.without_texts()
    assert isinstance(bare, GenerationTestReport) and not (bare.right or bare.wrong)
    assert "word2" not in str(asdict(bare))
    for one in (report, bare):
        assert type(_REPORTS.validate_python(asdict(one))) is GenerationTestReport
        kept = _REPORTS.validate_json(_REPORTS.dump_json(one))
        assert type(kept) is GenerationTestReport and kept.named_scores == one.named_scores
    questions = QuestionTestReport(f1=0.5, exact_match=0.4, rows=3, seconds=1.0)
    assert type(_REPORTS.validate_json(_REPORTS.dump_json(questions))) is QuestionTestReport


def test_the_interval_of_a_mean_covers_it() -> None:
    scores = np.random.default_rng(0).random(400)
    low, high = mean_interval(scores, seed=1)
    error = scores.std() / np.sqrt(400)
    assert low == pytest.approx(scores.mean() - 1.96 * error, abs=0.2 * error)
    assert high == pytest.approx(scores.mean() + 1.96 * error, abs=0.2 * error)


def test_long_texts_are_shown_without_their_middle() -> None:
    prompt = "Passage: " + " ".join(f"word{n}" for n in range(500)) + "\nQuestion: Who?\nAnswer:"
    shown = shortened(prompt, 200)
    assert shown.startswith("Passage: word0") and shown.endswith("Question: Who?\nAnswer:")
    assert " … " in shown and 190 <= len(shown) <= 210
    assert shortened("short", 200) == "short"
    rows = [(prompt, ["yes"])] * 2
    task = generation_task()
    task = replace(task, splits={**task.splits, "test": generation_split(rows)})
    report = GENERATION_TEST.read(document(["x" * 900, "yes"]), task).report
    assert isinstance(report, GenerationTestReport)
    assert len(report.wrong[0].answer) < 310 and len(report.wrong[0].prompt) < 410


def test_how_many_rows_an_evaluation_has() -> None:
    def of(method: str) -> Configuration:
        return Configuration(branch=method, model="m", method=method, parameters={})

    def most(task_type: str, method: str, budget_seconds: float | None) -> int:
        return most_validation_rows(task_type, of(method), budget_seconds=budget_seconds)

    assert most("text-classification", "lora", 60.0) == MAX_VALIDATION_ROWS
    assert most("text-generation", "lora", None) == MAX_GENERATED_ROWS
    assert most("text-generation", "untuned", 7_200.0) == MAX_GENERATED_ROWS
    assert most("text-generation", "untuned_few_shot", 7_200.0) == FEW_SHOT_ROWS
    # The budget alone decides, so that all trials of a search have the same rows.
    assert most("text-generation", "lora", 1_200.0) == most("text-generation", "untuned", 1_200.0)
    assert most("text-generation", "lora", 1_200.0) == 100
    assert most("text-generation", "lora", 60.0) == 30
