from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from xautolm_core.search import baseline
from xautolm_core.search.baseline import run_linear_baseline
from xautolm_core.tasks.load import load_task
from xautolm_core.tasks.source import read_task_spec
from xautolm_core.tasks.spec import TaskType
from xautolm_core.tasks.task import Split
from xautolm_core.tasks.task import Task


def strings(values):
    return pa.chunked_array([pa.array(values, type=pa.large_string())])


def make_task(texts, labels, *, pairs=None, names=("a", "b")) -> Task:
    def part(rows):
        return Split(
            strings([texts[i] for i in rows]),
            strings([pairs[i] for i in rows]) if pairs else None,
            np.array([labels[i] for i in rows], dtype=np.int32),
        )

    rows = np.arange(len(texts))
    return Task(
        name="t",
        type=TaskType.TEXT_CLASSIFICATION,
        fingerprint="0" * 64,
        labels=tuple(names),
        splits={
            "train": part(rows[rows % 4 < 2]),
            "validation": part(rows[rows % 4 == 2]),
            "test": part(rows[rows % 4 == 3]),
        },
    )


def noisy(count, seed=0):
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 2, count)
    own = (["good", "fine", "great"], ["bad", "poor", "awful"])
    texts = []
    for label in labels:
        signal = generator.choice(own[label if generator.random() < 0.85 else 1 - label])
        texts.append(" ".join([signal, *(f"w{i}" for i in generator.integers(0, 50, 6))]))
    return texts, labels


def test_it_learns_what_can_be_learnt():
    result = run_linear_baseline(make_task(*noisy(1200)), seed=0)
    assert 0.75 < result.test_macro_f1 < 0.95
    assert 0.75 < result.validation_macro_f1 < 0.95
    assert 0 < result.seconds < 30
    assert result.parameters["C"] in (1, 10, 30)


def test_it_is_reproducible():
    task = make_task(*noisy(400))
    one, two = run_linear_baseline(task, seed=1), run_linear_baseline(task, seed=1)
    assert one.test_macro_f1 == two.test_macro_f1
    assert one.parameters == two.parameters


def test_second_texts_count():
    texts, labels = noisy(400)
    alone = run_linear_baseline(make_task(["same words"] * 400, labels), seed=0)
    paired = run_linear_baseline(make_task(["same words"] * 400, labels, pairs=texts), seed=0)
    assert alone.test_macro_f1 < 0.5
    assert paired.test_macro_f1 > 0.7


def test_large_data_are_bounded(monkeypatch):
    monkeypatch.setattr(baseline, "_SELECTION_WORK", 200)
    monkeypatch.setattr(baseline, "_MIN_SELECTION_ROWS", 50)
    result = run_linear_baseline(make_task(*noisy(1200)), seed=0, max_rows=400)
    assert result.parameters["selection_rows"] == 100
    assert result.parameters["training_rows"] == 400
    assert result.test_macro_f1 > 0.7


@pytest.mark.parametrize("texts", [["one"] * 40, ["…", "—"] * 20, ["好", "坏"] * 20])
def test_odd_texts_are_no_error(texts):
    result = run_linear_baseline(make_task(texts, [0, 1] * 20), seed=0)
    assert 0 <= result.test_macro_f1 <= 1


def test_a_class_without_rows_is_no_error():
    texts, labels = noisy(100)
    result = run_linear_baseline(make_task(texts, labels * 2, names=("a", "x", "b")), seed=0)
    assert result.test_macro_f1 > 0.5


@pytest.mark.slow
@pytest.mark.skipif("XAUTOLM_DATA_DIR" not in os.environ, reason="needs XAUTOLM_DATA_DIR")
@pytest.mark.parametrize(("name", "expected"), [("sst2", 0.800), ("ag_news", 0.869)])
def test_it_reproduces_the_known_scores(name, expected):
    task = load_task(read_task_spec(str(Path(os.environ["XAUTOLM_DATA_DIR"]) / name)))
    assert run_linear_baseline(task, seed=0).test_macro_f1 == pytest.approx(expected, abs=0.001)
