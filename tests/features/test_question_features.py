from __future__ import annotations

import math

import pytest

from tests.tasks.question_rows import flat_rows
from tests.tasks.question_rows import write_rows
from tests.tasks.question_rows import write_squad
from xautolm_core.experience.importers import published_features
from xautolm_core.features import generation_features
from xautolm_core.features import question_features
from xautolm_core.features.prompt_features import PAPER_FEATURES
from xautolm_core.features.task_extractors import extract_task_features
from xautolm_core.tasks.load import load_task
from xautolm_core.tasks.source import read_task_spec


def features(path):
    return extract_task_features(load_task(read_task_spec(str(path))))


def test_it_has_what_the_paper_has_and_more(tmp_path):
    found = features(write_squad(tmp_path / "a.json", impossible=True))
    assert (found.extractor, found.version) == ("question-answering", "1.0")
    assert list(found.values) == list(question_features.UNITS) == list(found.units)
    assert list(found.values)[:11] == list(PAPER_FEATURES)
    values = found.values
    assert values["n_samples"] == 72 and values["passages"] == 24
    assert values["questions_per_passage"] == 3
    assert values["unanswerable_rate"] == pytest.approx(1 / 3)
    assert values["answers_per_question"] == 1
    assert values["mean_prompt_target_similarity"] is None
    assert values["mean_vocabulary_novelty"] == 0
    assert values["tokens_mean"] > values["mean_passage_words"]
    assert all(value is None or math.isfinite(value) for value in values.values())


def test_published_features_go_by_the_same_names():
    ours = generation_features
    assert tuple(published_features.GENERATION_FEATURES) == PAPER_FEATURES
    assert published_features.GENERATION_EXTRACTOR == ours.EXTRACTOR
    assert published_features.VERSION.partition("+")[0] == ours.VERSION


def test_rouge_is_that_of_the_longest_common_subsequence(tmp_path):
    rows = flat_rows(passages=6)
    for row in rows:
        row |= {"context": f"{row['context'][0]} b c d e f", "question": "x y"}
        row["answers"] = {"text": ["d e"], "answer_start": [6]}
        row["context"] += f" {len(row['context'])}"
    rows = [{**row, "context": f"{row['context']} {i // 2}"} for i, row in enumerate(rows)]
    found = features(write_rows(tmp_path / "a.jsonl", rows)).values
    # passage, I, b, ..., f, two numbers; question, x, y; answer
    assert found["mean_prompt_target_rouge_l"] == pytest.approx(2 * 2 / (13 + 2))
    assert found["question_overlap"] == 0
    assert found["mean_answer_words"] == 2
