from __future__ import annotations

import math

import pytest

from tests.tasks.conversation_rows import conversation
from tests.tasks.data import write_jsonl
from tests.tasks.question_rows import flat_rows
from xautolm_core.features import generation_features
from xautolm_core.features.prompt_features import PAPER_FEATURES
from xautolm_core.features.task_extractors import extract_task_features
from xautolm_core.search.samplers.built_in import _paper_features
from xautolm_core.tasks.load import load_task
from xautolm_core.tasks.source import read_task_spec


def features(folder, rows, **options):
    path = write_jsonl(folder / "a.jsonl", rows)
    return extract_task_features(load_task(read_task_spec(str(path), **options)))


def test_it_has_what_the_paper_has_and_more(tmp_path):
    rows = [
        {
            "prompt": f"Say the number {number} now",
            "completion": [f"1,{number:03}", "a word"],
            "system": "Be brief." if number % 2 else "",
        }
        for number in range(50)
    ]
    found = features(tmp_path, rows)
    assert (found.extractor, found.version) == ("text-generation", "1.0")
    assert list(found.values) == list(generation_features.UNITS) == list(found.units)
    assert tuple(found.values)[:11] == PAPER_FEATURES
    values = found.values
    assert values["n_samples"] == values["prompts"] == 40
    assert values["answers_per_prompt"] == 2 and values["turns_per_row"] == 1
    assert 0.3 < values["system_rate"] < 0.7
    assert values["mean_target_characters"] == 5 and values["std_target_characters"] == 0
    assert values["number_target_rate"] == values["different_target_rate"] == 1
    assert values["copied_target_rate"] == 0
    assert values["mean_vocabulary_novelty"] > 0.5
    assert values["mean_prompt_target_similarity"] is None
    assert values["tokens_mean"] == pytest.approx(
        values["mean_prompt_words"] + values["mean_target_words"]
    )
    assert all(value is None or math.isfinite(value) for value in values.values())


def test_turns_and_copies_are_counted(tmp_path):
    rows = [
        {"messages": conversation("Repeat.", "Yes.", f"word {n}", f"word {n}")} for n in range(40)
    ]
    values = features(tmp_path, rows).values
    assert values["turns_per_row"] == 2 and values["copied_target_rate"] == 1
    assert values["mean_vocabulary_novelty"] == 0
    assert values["mean_prompt_target_rouge_l"] == pytest.approx(2 * 2 / (4 + 2))


def test_questions_have_the_same_eleven_whichever_kind_of_task_they_are(tmp_path):
    rows = flat_rows()
    asked = features(tmp_path, rows, type="question-answering")
    written = features(tmp_path, rows, type="text-generation")
    one, other = (_paper_features(vector).values for vector in (asked, written))
    assert list(one) == list(other) == list(PAPER_FEATURES)
    # The cuts differ, as questions without answers are stratified: the sizes are the same.
    assert one["n_samples"] == other["n_samples"]
    assert one["mean_prompt_characters"] == pytest.approx(other["mean_prompt_characters"], rel=0.05)


def test_no_text_is_among_them(tmp_path):
    rows = [{"prompt": f"Zebra {n}", "completion": f"Quagga {n}"} for n in range(40)]
    told = features(tmp_path, rows).model_dump_json().lower()
    assert "zebra" not in told and "quagga" not in told
