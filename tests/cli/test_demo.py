"""The demonstration: the builder of its tasks, and what it says of memory."""

from __future__ import annotations

import importlib.util
import json
import math
import sys
from collections.abc import Iterator
from collections.abc import Mapping
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

_FOLDER = Path(__file__).parents[2] / "demo"
_BEGUN_AT = datetime(2026, 11, 30, 10, tzinfo=UTC)
_STARTS = "first configuration 1 of space starter"
_RECALLED = "best on 1 similar task (docstrings-a)"


@pytest.fixture(scope="module")
def docstrings() -> Iterator[ModuleType]:
    yield from _loaded("docstrings")


@pytest.fixture(scope="module")
def memory_claim() -> Iterator[ModuleType]:
    yield from _loaded("memory_claim")


@pytest.fixture
def run(
    docstrings: ModuleType, memory_claim: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ModuleType]:
    monkeypatch.setitem(sys.modules, "docstrings", docstrings)
    monkeypatch.setitem(sys.modules, "memory_claim", memory_claim)
    yield from _loaded("run")


def _loaded(name: str) -> Iterator[ModuleType]:
    known_as = f"demo_{name}"
    spec = importlib.util.spec_from_file_location(known_as, _FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Where dataclasses look for the names in postponed annotations.
    sys.modules[known_as] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[known_as]


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("Like numpy.linalg.norm, but safe.", "Like <library>, but safe."),
        ("Use NumPy or PANDAS.", "Use <library> or <library>."),
        ("import numpy as np; np.sum(x)", "import <library> as <library>; <library>(x)"),
        ("See torch_geometric and is_torch_tensor.", "See <library> and <library>."),
        ("A scikit-learn estimator.", "A <library> estimator."),
        ("The snippet spans nnz entries; input output.", None),
        ("A pandas-like thing, unsklearned.", "A <library>-like thing, <library>."),
    ],
)
def test_names_of_libraries_are_masked(
    docstrings: ModuleType, text: str, masked: str | None
) -> None:
    assert docstrings.mask_names(text) == (text if masked is None else masked)


def test_prose_ends_at_the_first_section(docstrings: ModuleType) -> None:
    text = (
        "Compute the thing that is needed here.\nIt goes on with a second line of words."
        "\n\nParameters\n----------\nx : int\n"
    )
    assert docstrings.prose_of(text) == (
        "Compute the thing that is needed here. It goes on with a second line of words."
    )
    assert docstrings.prose_of("Short.") is None
    assert docstrings.prose_of("1234567890 " * 20) is None
    long = docstrings.prose_of("A sentence of some length, as there are many. " * 30)
    assert len(long) <= docstrings.MAX_CHARACTERS
    assert long.endswith(".")


@pytest.mark.slow
def test_both_tasks_are_large_balanced_masked_and_the_same_every_time(
    docstrings: ModuleType, tmp_path: Path
) -> None:
    for name, libraries in docstrings.TASKS.items():
        for library in libraries:
            if importlib.util.find_spec(library) is None:
                pytest.skip(f"needs {library}")
        file = docstrings.write_task(name, tmp_path, rows=2500)
        rows = [json.loads(line) for line in file.read_text().splitlines()]
        counts = dict.fromkeys(libraries, 0)
        for row in rows:
            counts[row["label"]] += 1
        assert len(rows) >= 2000
        assert len(counts) >= 5
        assert min(counts.values()) >= 0.7 * max(counts.values())
        assert len({row["text"] for row in rows}) == len(rows)
        for row in rows:
            lowered = row["text"].lower()
            assert not any(library in lowered for library in docstrings.LIBRARIES)
        content = file.read_bytes()
    # The last one once more: the same rows in the same order.
    assert docstrings.write_task(name, tmp_path / "again", rows=2500).read_bytes() == content
    assert not set(docstrings.TASKS["docstrings-a"]) & set(docstrings.TASKS["docstrings-b"])


def test_splits_hold_all_rows_once(
    docstrings: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"text": f"Text {number}.", "label": "ab"[number % 2]} for number in range(101)]
    monkeypatch.setattr(docstrings, "build_rows", lambda *_, **__: rows)
    task = docstrings.write_split_task("docstrings-a", tmp_path, rows=101, max_characters=160)
    splits = {path.stem: path.read_text().splitlines() for path in task.glob("*.jsonl")}
    assert {split: len(lines) for split, lines in splits.items()} == {
        "train": 71,
        "validation": 15,
        "test": 15,
    }
    lines = [*splits["train"], *splits["validation"], *splits["test"]]
    assert [json.loads(line) for line in lines] == rows


def _row(
    trial: int,
    method: str,
    ended: float | None,
    score: float | None,
    *,
    why: str = _STARTS,
    outcome: str = "ok",
) -> dict[str, Any]:
    """Return the columns of ``trials.parquet`` that matter here; seconds since the beginning."""
    return {
        "trial": trial,
        "method": method,
        "model": None if method == "tfidf" else "org/mini",
        "why": why,
        "outcome": outcome,
        "chosen": False,
        "score.macro_f1": score,
        "ended_at": None if ended is None else _BEGUN_AT + timedelta(seconds=ended),
    }


_TFIDF = _row(0, "tfidf", 8, 0.7, why="cheap candidate, before any language model")


def _verdict(module: ModuleType, cold: list[Any], warm: list[Any]) -> str:
    trials = [module.demo_trials(rows, begun_at=_BEGUN_AT) for rows in (cold, warm)]
    said: str = module.verdict(*trials, validation_rows=300)
    return said


def test_time_to_a_score_is_the_end_of_the_first_trial_that_left_a_model_with_it(
    memory_claim: ModuleType,
) -> None:
    rows = [
        _row(3, "lora", 90, 0.9),
        _TFIDF,
        _row(1, "full", 20, 0.95, outcome="timeout"),
        _row(2, "full", 60, 0.8),
        _row(4, "head", 70, math.nan),
        _row(5, "head", None, None),
    ]
    trials = memory_claim.demo_trials(rows, begun_at=_BEGUN_AT)
    assert [(trial.number, trial.seconds) for trial in trials] == [(0, 8), (2, 60), (3, 90)]
    assert memory_claim.first_to_reach(trials, 0.8).number == 2
    assert memory_claim.first_to_reach(trials, 0.7).name == "TF-IDF, logistic regression"
    assert memory_claim.first_to_reach(trials, 0.91) is None
    assert memory_claim.demo_trials([{"trial": None}], begun_at=_BEGUN_AT) == []


def test_memory_gets_the_credit_for_a_recalled_trial_in_half_the_time(
    memory_claim: ModuleType,
) -> None:
    cold = [_TFIDF, _row(3, "lora", 100, 0.8)]
    said = _verdict(memory_claim, cold, [_TFIDF, _row(1, "lora", 25, 0.8, why=_RECALLED)])
    assert said.startswith("Memory saved 75% of the time: 25 s with memory, 100 s without")
    assert _RECALLED in said


@pytest.mark.parametrize(
    ("cold", "warm", "reason"),
    [
        ([_row(3, "lora", 100, 0.8)], [_row(1, "lora", 25, 0.79, why=_RECALLED)], "within the no"),
        ([_row(3, "lora", 100, 0.9)], [_row(1, "lora", 25, 0.6, why=_RECALLED)], "beyond the no"),
        ([_TFIDF], [_TFIDF, _row(1, "lora", 25, 0.8, why=_RECALLED)], "cheap candidate"),
        ([_row(3, "lora", 100, 0.8)], [_row(1, "lora", 60, 0.8, why=_RECALLED)], "factor of 2"),
        ([_row(3, "lora", 100, 0.8)], [_row(1, "lora", 25, 0.8)], "not taken from memory"),
        ([], [_TFIDF], "no score"),
        ([_TFIDF], [], "no score"),
    ],
)
def test_nothing_is_claimed_otherwise(
    memory_claim: ModuleType, cold: list[Any], warm: list[Any], reason: str
) -> None:
    said = _verdict(memory_claim, cold, warm)
    assert said.startswith("Inconclusive: ")
    assert reason in said


def test_language_models_alone_are_compared_where_a_cheap_candidate_was_best(
    memory_claim: ModuleType,
) -> None:
    cold = [_TFIDF, _row(3, "lora", 100, 0.6)]
    warm = [_TFIDF, _row(1, "lora", 25, 0.65, why=_RECALLED)]
    trials = [memory_claim.demo_trials(rows, begun_at=_BEGUN_AT) for rows in (cold, warm)]
    lines = memory_claim.comparison_lines(*trials, validation_rows=300)
    assert lines[-1] == "The model handed over is none of them."
    assert lines[-2].startswith("Among language models alone: memory saved 75%")
    assert lines[-3].startswith("Inconclusive: ")
    assert all(memory_claim.comparison_lines([], trials[1], validation_rows=300))


@pytest.mark.parametrize(
    ("score", "tfidf", "code"), [(0.8, 0.7, 0), (0.7, 0.7, 0), (0.69, 0.7, 1), (0.8, None, 1)]
)
def test_the_exit_code_says_whether_a_model_is_below_tfidf(
    run: ModuleType, tmp_path: Path, score: float, tfidf: float | None, code: int
) -> None:
    import pyarrow as pa
    import pyarrow.parquet

    summary: Mapping[str, Any] = {
        "best": {
            "configuration": {"model": "org/mini", "method": "lora"},
            "validation": {"macro_f1": score},
        },
        "test": None,
        "cheap": {"method": "tfidf", "test": {"macro_f1": 0.75}},
    }
    (tmp_path / "summary.json").write_text(json.dumps(summary))
    row = {"method": "tfidf", "score.macro_f1": tfidf}
    pyarrow.parquet.write_table(pa.Table.from_pylist([row]), tmp_path / "trials.parquet")
    search = run.Search(tmp_path / "task", tmp_path, tmp_path / "store", seconds=60, workers=1)
    assert run.show_models([search]) == code
