"""A search for a model that answers questions, by real processes and trials of a tiny model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import xautolm
from tests.cli.running import run_process
from tests.tasks.question_rows import flat_rows
from tests.tasks.question_rows import write_rows
from tests.tasks.question_rows import write_squad

pytestmark = pytest.mark.slow
pytest.importorskip("torch")
pytest.importorskip("transformers")

_SPACE = """
schema: 1
name: tiny-qa
task: question-answering
description: One untrained architecture, for tests.
models:
  tiny:
    - id: untrained/test-bert
      untrained: {model_type: bert, vocab_size: 300, hidden_size: 32, num_hidden_layers: 1,
        num_attention_heads: 2, intermediate_size: 64, max_position_embeddings: 64,
        type_vocab_size: 2}
branches:
  tiny-full:
    method: full
    models: tiny
    parameters:
      batch_size: [8, 16]
      max_length: [48, 64]
      epochs: {low: 1, high: 2}
      learning_rate: [1e-3, 3e-3]
"""
_OPTIONS = ("--offline", "--store", "store", "--seed", "1")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("place")
    (place / "space.yaml").write_text(_SPACE)
    write_squad(place / "facts.json", passages=100, impossible=True)
    return place


@pytest.fixture(scope="module")
def first(folder: Path) -> dict[str, Any]:
    ended = run_process(
        *("search", "facts.json", "--space", "space.yaml", "--trials", "2", "--json"),
        *("--out", "run", *_OPTIONS),
        folder=folder,
    )
    assert ended.code == 0, ended.err
    assert "Taken for question answering" in ended.err
    document: dict[str, Any] = json.loads(ended.out)
    return document


def test_the_search_is_one_of_questions(folder: Path, first: dict[str, Any]) -> None:
    assert first["data"]["type"] == "question-answering"
    assert first["outcomes"] == {"ok": 3}
    assert first["cheap"]["method"] == "lexical_span"
    assert 0 < first["test"]["f1"] <= 1 and first["test"]["rows"] == 30
    assert set(first["best"]["validation"]) >= {"f1", "exact_match"}
    assert first["comparison"]["cheap"] == first["cheap"]["trial"]
    page = (folder / "run" / "report.html").read_text()
    assert "Exact match on test" in page and "acro F1" not in page
    assert "question-answering" in (folder / "run" / "model" / "README.md").read_text()


def test_both_models_answer_new_questions(folder: Path, first: dict[str, Any]) -> None:
    rows = [{k: row[k] for k in ("question", "context")} for row in flat_rows(passages=5, seed=9)]
    write_rows(folder / "new.jsonl", rows)
    for model in ("run", "run/alternative"):
        ended = run_process(
            *("predict", model, "new.jsonl", "--out", "answers.parquet"), folder=folder
        )
        assert ended.code == 0, ended.err
        table = pq.read_table(folder / "answers.parquet").to_pylist()
        assert [row["question"] for row in table] == [row["question"] for row in rows]
        assert all(row["prediction"] in row["context"] for row in table)
        assert all(0 <= row["probability"] <= 1 for row in table)
        told = xautolm.predict(
            folder / model, [r["question"] for r in rows], [r["context"] for r in rows]
        )
        assert told == [row["prediction"] for row in table]


def test_a_question_on_the_command_line(folder: Path, first: dict[str, Any]) -> None:
    asked = ("--question", "Who built it?", "--context", "In 1820 Ada Brook built it.")
    ended = run_process("predict", "run", *asked, "--json", folder=folder)
    assert ended.code == 0, ended.err
    assert set(json.loads(ended.out)) == {"answer", "score"}
    ended = run_process("predict", "run", "--text", "Who?", folder=folder)
    assert ended.code == 2 and "Give --question and --context" in ended.err
    ended = run_process("predict", "run", *asked[:2], folder=folder)
    assert ended.code == 2 and "--context" in ended.err


def test_experiences_stay_with_their_kind_of_task(folder: Path, first: dict[str, Any]) -> None:
    experiences = list(xautolm.open_store(str(folder / "store")).scan())
    assert {one.task_type for one in experiences} == {"question-answering"}
    assert {one.task_features.extractor for one in experiences} == {"question-answering"}
    assert all({"f1", "exact_match"} <= set(one.scores) for one in experiences)
    lines = [f"the film was {'good' if n % 2 else 'bad'} no {n},{n % 2}" for n in range(80)]
    (folder / "films.csv").write_text("text,label\n" + "\n".join(lines) + "\n")
    ended = run_process(
        *("search", "films.csv", "--methods", "tfidf", "--out", "films", *_OPTIONS), folder=folder
    )
    assert ended.code == 0, ended.err


def test_a_space_for_another_kind_is_refused(folder: Path) -> None:
    ended = run_process(
        *("search", "facts.json", "--space", "starter", "--trials", "1", *_OPTIONS), folder=folder
    )
    assert ended.code == 2
    assert "starter" in ended.err and "question-answering" in ended.err
