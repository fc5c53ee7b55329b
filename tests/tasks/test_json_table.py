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


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_of_objects_end_at_every_line_end_and_no_other_character(tmp_path, end):
    texts = ["a\u2028b", "c\x85d", "e\u2029"]
    lines = [json.dumps({"text": text}, ensure_ascii=False) + end for text in texts]
    for name in ("a.jsonl", "a.json"):
        (tmp_path / name).write_bytes(("\ufeff" + end + "".join(lines)).encode())
        assert read_json(tmp_path / name).columns["text"].to_pylist() == texts


@pytest.mark.parametrize(
    ("name", "content", "place"),
    [
        ("a.jsonl", '{"text": "a"}\n{"text": "b", "text": "c"}\n', "a.jsonl, line 2"),
        ("a.json", '{"text": "a"}\n{"text": "b", "text": "c"}\n', "a.json, line 2"),
        ("a.json", '{"text": "b", "text": "c"}\n{"text": "a"}\n', "a.json is"),
        ("a.json", '[{"text": "b", "text": "c"}]', "a.json is"),
        ("a.json", '{"text":\n["b"], "text":\n["c"]}', "a.json is"),
    ],
)
def test_a_name_that_stands_twice_is_refused_so_that_no_value_is_lost(
    tmp_path, name, content, place
):
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match="has the name 'text' twice") as caught:
        read_json(tmp_path / name)
    assert place in str(caught.value)
