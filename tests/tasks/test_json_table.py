"""JSON documents that hold a table in one object."""

from __future__ import annotations

import json

import pytest

from tests.tasks.data import rows
from tests.tasks.data import write_jsonl
from xautolm_core.errors import DataError
from xautolm_core.tasks.json_table import read_json
from xautolm_core.tasks.load import load_task
from xautolm_core.tasks.source import read_task_spec


@pytest.mark.parametrize("indent", [None, 2])
def test_an_object_of_columns_is_read(tmp_path, indent):
    columns = {name: [row[name] for row in rows(40)] for name in ("text", "label")}
    (tmp_path / "a.json").write_text(json.dumps(columns, indent=indent))
    reference = write_jsonl(tmp_path / "b.jsonl", rows(40))
    read = load_task(read_task_spec(str(tmp_path / "a.json")))
    assert read.fingerprint == load_task(read_task_spec(str(reference))).fingerprint


@pytest.mark.parametrize("indent", [None, 2])
def test_rows_within_an_object_are_read(tmp_path, indent):
    (tmp_path / "a.json").write_text(json.dumps({"version": 1, "data": rows(40)}, indent=indent))
    task = load_task(read_task_spec(str(tmp_path / "a.json")))
    assert sum(len(part) for part in task.splits.values()) == 40


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"train": rows(3), "test": rows(3)}, "several arrays of rows (train, test)"),
        ({"text": ["a", "b"], "label": ["x"]}, "arrays of different lengths (text: 2, label: 1)"),
        ({"text": {"0": "a"}, "label": {"0": "x"}}, "neither rows nor columns (text: object"),
    ],
)
def test_other_objects_are_refused_with_the_way_out(tmp_path, document, words):
    (tmp_path / "a.json").write_text(json.dumps(document))
    with pytest.raises(DataError) as caught:
        read_json(tmp_path / "a.json")
    assert words in str(caught.value)
    assert "Write " in str(caught.value)


def test_a_single_line_of_json_lines_is_a_row(tmp_path):
    record = {"text": "a b", "tags": [{"name": "c"}]}
    (tmp_path / "a.jsonl").write_text(json.dumps(record))
    assert read_json(tmp_path / "a.jsonl").columns["text"].to_pylist() == ["a b"]
    (tmp_path / "a.json").write_text(json.dumps({"text": "a b", "label": "c"}, indent=1))
    assert read_json(tmp_path / "a.json").columns["text"].to_pylist() == ["a b"]
