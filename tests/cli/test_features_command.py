from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.running import Call


@pytest.fixture
def data(tmp_path: Path) -> Path:
    rows = [
        f"{'good words here' if n % 2 else 'bad things there'} {n},{'pos' if n % 2 else 'neg'}"
        for n in range(60)
    ]
    file = tmp_path / "reviews.csv"
    file.write_text("\n".join(["text,label", *rows]) + "\n")
    return file


def test_features_of_task_and_machine(call: Call, data: Path) -> None:
    ended = call("features", data, "--json")
    assert ended.code == 0
    document = json.loads(ended.out)
    assert document["task"] == "reviews"
    assert document["labels"] == ["neg", "pos"]
    assert sum(document["rows"].values()) == 60
    assert [v["extractor"] for v in document["features"]][1] == "system"
    for vector in document["features"]:
        assert set(vector["units"]) == set(vector["values"])


def test_features_as_a_table(call: Call, data: Path) -> None:
    ended = call("features", data)
    assert ended.code == 0
    assert "feature" in ended.out
    assert "system" in ended.out


def test_a_wrong_column_is_one_line(call: Call, data: Path) -> None:
    ended = call("features", data, "--text", "txt")
    assert ended.code == 2
    assert "no column 'txt'" in ended.err
    assert ended.err.count("\n") == 1


def test_an_unknown_space_is_one_line(call: Call, data: Path) -> None:
    ended = call("features", data, "--space", "startr")
    assert ended.code == 2
    assert "starter" in ended.err
