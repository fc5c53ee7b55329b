from __future__ import annotations

import json
from pathlib import Path

import yaml

from tests.cli.running import Call


def test_list_names_the_presets(call: Call) -> None:
    names = call("space", "list").out.split()
    assert {"paper-classification", "small", "starter"} <= set(names)


def test_a_shown_preset_can_be_edited_and_checked(call: Call, tmp_path: Path) -> None:
    text = call("space", "show", "starter").out
    assert yaml.safe_load(text)
    mine = tmp_path / "mine.yaml"
    mine.write_text(text)
    assert call("space", "show", mine).out == text
    ended = call("space", "check", mine, "--offline", "--json")
    assert ended.code == 0
    document = json.loads(ended.out)
    assert {branch["method"] for branch in document["branches"]} >= {"full"}
    untrained = [m for m in document["models"].values() if not m["pretrained"]]
    assert all("not pretrained" in m["source"] for m in untrained)


def test_check_prints_branches_and_models(call: Call) -> None:
    ended = call("space", "check", "starter", "--offline")
    assert ended.code == 0
    assert "no fault found" in ended.out


def test_a_wrong_space_names_the_line(call: Call, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("name: x\nnonsense: 1\n")
    ended = call("space", "check", wrong)
    assert ended.code == 2
    assert f"{wrong}:2" in ended.err
    assert ended.err.count("\n") == 1


def test_an_unknown_space_names_the_known_ones(call: Call) -> None:
    for command in ("show", "check"):
        ended = call("space", command, "startr")
        assert ended.code == 2
        assert "starter" in ended.err
