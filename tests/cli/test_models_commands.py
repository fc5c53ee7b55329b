from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.running import Call
from tests.registry.models import make_record
from tests.registry.models import write_model
from xautolm_core.registry.registry import ModelRegistry


@pytest.fixture
def registry(tmp_path: Path) -> ModelRegistry:
    opened = ModelRegistry.open(str(tmp_path / "registry"))
    folder = write_model(tmp_path / "model")
    for trial in (1, 2):
        opened.register("moods", folder, make_record(trial=trial))
    opened.promote(opened.versions("moods")[1], reason="better")
    return opened


def test_list_names_versions_and_the_champion(call: Call, registry: ModelRegistry) -> None:
    ended = call("models", "list", registry.address)
    lines = ended.out.splitlines()
    assert ended.code == 0
    for model in registry.versions("moods"):
        (line,) = (line for line in lines if model.version in line)
        assert ("champion" in line) == (model == registry.champion("moods"))
    document = json.loads(call("models", "list", registry.address, "moods", "--json").out)
    assert [entry["is_champion"] for entry in document] == [False, True]
    assert json.loads(call("models", "list", registry.address, "other", "--json").out) == []


def test_show_tells_everything(call: Call, registry: ModelRegistry) -> None:
    document = json.loads(call("models", "show", registry.address, "moods").out)
    assert document["is_champion"]
    assert document["promotions"][0]["reason"] == "better"
    assert document["record"]["test"]["confusion"] == [[8, 2], [2, 8]]
    assert document["joules"] == {"A": 7, "B": 15}
    other = registry.versions("moods")[0].version
    shown = call("models", "show", registry.address, "moods", "--version", other)
    assert json.loads(shown.out)["version"] == other


def test_fetch_and_promote(call: Call, registry: ModelRegistry, tmp_path: Path) -> None:
    first = registry.versions("moods")[0].version
    assert call("models", "promote", registry.address, "moods", first).code == 0
    assert registry.champion("moods").version == first
    assert registry.promotions("moods")[-1].replaces == registry.versions("moods")[1].version
    for _ in range(2):
        ended = call("models", "fetch", registry.address, "moods", "--out", tmp_path / "got")
        assert ended.out.strip() == str(tmp_path / "got")
        assert (tmp_path / "got" / "model.safetensors").read_bytes() == b"weights"


def test_fetch_replaces_nothing_but_models(
    call: Call, registry: ModelRegistry, tmp_path: Path
) -> None:
    (tmp_path / "got").mkdir()
    (tmp_path / "got" / "thesis.tex").write_text("years of work")
    (tmp_path / "got" / "a.safetensors").write_text("")
    ended = call("models", "fetch", registry.address, "moods", "--out", tmp_path / "got")
    assert (ended.code, "holds more than a model" in ended.err) == (2, True)
    assert (tmp_path / "got" / "thesis.tex").exists()


def test_damage_is_told_and_the_rest_is_shown(call: Call, registry: ModelRegistry) -> None:
    first, second = registry.versions("moods")
    Path(second.uri).write_text("{")
    ended = call("models", "list", registry.address)
    assert ended.code == 0
    assert first.version in ended.out
    assert f"warning: {second.version} of moods" in ended.err
    ended = call("models", "show", registry.address, "moods")
    assert (ended.code, "is damaged" in ended.err) == (3, True)


def test_bad_input_is_one_line(call: Call, registry: ModelRegistry, tmp_path: Path) -> None:
    for arguments in (
        ("show", registry.address, "other"),
        ("show", registry.address, "moods", "--version", "../x"),
        ("promote", registry.address, "moods", "20260131T120000Z-0123456789abcdef"),
        ("list", "ftp://somewhere"),
    ):
        ended = call("models", *arguments)
        assert ended.code == 2, ended
        assert ended.err.startswith("error: ")
        assert ended.err.count("\n") == 1
