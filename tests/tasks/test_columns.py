"""What is said of columns of which none can be the text or the class."""

from __future__ import annotations

import datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.tasks.data import rows
from tests.tasks.data import write_csv
from tests.tasks.data import write_jsonl
from xautolm_core.errors import DataError
from xautolm_core.tasks.load import load_task
from xautolm_core.tasks.source import read_task_spec


def refusal(path, **options) -> str:
    with pytest.raises(DataError) as caught:
        load_task(read_task_spec(str(path), **options))
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (3, "numbers"),
        (0.5, "numbers"),
        (True, "booleans"),
        (None, "nothing"),
        (["a"], "nested values"),
        ({"a": 1}, "nested values"),
    ],
)
def test_a_column_that_is_no_text_is_described(tmp_path, value, words):
    records = [{"text": value, "label": "ab"[n % 2]} for n in range(20)]
    message = refusal(write_jsonl(tmp_path / "a.jsonl", records))
    assert f"no column can be taken for the text: 'text' holds {words}" in message
    assert "--text COL" in message


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (pa.array([datetime.date(2026, 1, 1)] * 20), "dates or times"),
        (pa.array([[1.0]] * 20), "nested values"),
        (pa.array([None] * 20), "nothing"),
    ],
)
def test_types_of_parquet_are_described(tmp_path, values, words):
    table = pa.table({"text": values, "label": ["a", "b"] * 10})
    pq.write_table(table, tmp_path / "a.parquet")
    assert f"'text' holds {words}" in refusal(tmp_path / "a.parquet")


def test_numbers_and_nothing_in_csv_are_described(tmp_path):
    records = [{"text": n, "more": "", "label": "ab"[n % 2]} for n in range(20)]
    message = refusal(write_csv(tmp_path / "a.csv", records), label="label")
    assert "'text' holds numbers, 'more' holds nothing" in message


def test_classes_that_none_can_be(tmp_path):
    path = write_csv(tmp_path / "a.csv", [{"text": r["text"]} for r in rows(20)])
    assert "no column can be taken for the label: 'text' holds 20 different" in refusal(path)


def test_a_given_column_of_nested_values(tmp_path):
    records = [{"text": "a b", "label": ["x"]} for _ in range(20)]
    message = refusal(write_jsonl(tmp_path / "a.jsonl", records), label="label")
    assert "column 'label' holds nested values, not classes" in message
