"""Data that are given in memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from tests.api.conftest import columns
from tests.tasks.conversation_rows import message_rows
from xautolm import ConfigError
from xautolm import DataError
from xautolm import Task
from xautolm._data import given_data
from xautolm_core.request.options import SavedData
from xautolm_core.tasks.load import load_task
from xautolm_core.tasks.source import read_task_spec
from xautolm_core.tasks.task import Task as LoadedTask

datasets = pytest.importorskip("datasets")

ROWS = columns(40)
FORMS: dict[str, Callable[[dict[str, list[str]]], Any]] = {
    "columns": dict,
    "pandas": lambda rows: pd.DataFrame(rows, index=range(5, 5 + len(rows["review"]))),
    "categories": lambda rows: pd.DataFrame(rows).astype({"mood": "category"}),
    "polars": pl.DataFrame,
    "lazy": lambda rows: pl.DataFrame(rows).lazy(),
    "arrow": pa.table,
    "dataset": datasets.Dataset.from_dict,
    "class labels": lambda rows: datasets.Dataset.from_dict(rows).class_encode_column("mood"),
}


def _loaded(data: object, folder: Path) -> LoadedTask:
    given = given_data(data, ["review", "mood"])
    assert isinstance(given, SavedData)
    return load_task(read_task_spec(str(given.save(folder)), text="review", label="mood"))


@pytest.mark.parametrize("form", FORMS)
def test_the_same_rows_are_the_same_task_in_whatever_form(form: str, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text(
        "\n".join(["review,mood", *map(",".join, zip(*ROWS.values(), strict=True))])
    )
    expected = load_task(read_task_spec(str(tmp_path / "rows.csv")))
    assert _loaded(FORMS[form](ROWS), tmp_path / "data").fingerprint == expected.fingerprint


@pytest.mark.parametrize("form", FORMS)
def test_splits_stay_apart_in_whatever_form(form: str, tmp_path: Path) -> None:
    parts = {"train": (0, 20), "validation": (20, 30), "test": (30, 40)}
    splits = {
        name: FORMS[form]({key: values[begin:end] for key, values in ROWS.items()})
        for name, (begin, end) in parts.items()
    }
    if form in ("dataset", "class labels"):
        splits = datasets.DatasetDict(splits)
    task = _loaded(splits, tmp_path / "data")
    assert {name: len(split) for name, split in task.splits.items()} == {
        "train": 20,
        "validation": 10,
        "test": 10,
    }


@pytest.mark.parametrize("form", ["columns", "pandas", "polars", "lazy", "arrow", "dataset"])
def test_conversations_may_be_in_memory(form: str, tmp_path: Path) -> None:
    rows: dict[str, Any] = {"messages": [row["messages"] for row in message_rows(30)]}
    given = given_data(FORMS[form](rows) if form != "pandas" else pd.DataFrame(rows))
    assert isinstance(given, SavedData)
    task = load_task(read_task_spec(str(given.save(tmp_path / "data"))))
    assert task.type == "text-generation" and len(task.train) == 24
    assert task.notes[0].endswith("the first row: user 21 characters, to be answered in 13")


def test_only_the_columns_that_are_named_are_kept(tmp_path: Path) -> None:
    frame = pd.DataFrame({**ROWS, "odd": [1, "a"] * 20})
    with pytest.raises(DataError, match="odd"):
        given_data(frame)
    given = given_data(frame, ["review", "mood"])
    assert isinstance(given, SavedData)
    kept = pd.read_parquet(given.save(tmp_path / "data") / "train.parquet")
    assert list(kept.columns) == ["review", "mood"]


@pytest.mark.parametrize("named", [{"text": "review"}, {"label": "mood"}])
def test_one_column_may_be_named_and_the_other_found(named: dict[str, str], tmp_path: Path) -> None:
    for form in ("pandas", "polars", "columns"):
        given = given_data(FORMS[form](ROWS))
        assert isinstance(given, SavedData)
        task = load_task(read_task_spec(str(given.save(tmp_path / form)), **named))
        assert task.labels == ("bad", "good")


@pytest.mark.parametrize("odd", [[1j] * 40, [2**70] * 40, [object()] * 40])
def test_what_no_table_can_hold_is_bad_data(odd: list[Any]) -> None:
    for frame in (pd.DataFrame({**ROWS, "odd": odd}), {**ROWS, "odd": odd}):
        with pytest.raises(DataError):
            given_data(frame)


def test_paths_and_tasks_are_taken_as_they_are(tmp_path: Path) -> None:
    task = Task(data="rows.csv")
    assert given_data(task) is task
    assert given_data("rows.csv") == given_data(Path("rows.csv")) == "rows.csv"


@pytest.mark.parametrize("data", [None, 7, [("text", "label")], {}, object()])
def test_anything_else_is_refused_with_what_would_do(data: object) -> None:
    with pytest.raises(ConfigError, match="pandas or polars frame"):
        given_data(data)
