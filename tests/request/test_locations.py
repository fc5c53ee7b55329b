from __future__ import annotations

from datetime import UTC
from datetime import datetime
from pathlib import Path

import pytest

from xautolm_core.errors import ConfigError
from xautolm_core.request.locations import check_new_run_folder
from xautolm_core.request.locations import default_run_folder
from xautolm_core.request.locations import store_location
from xautolm_core.request.read_stores import parse_read_store

NOW = datetime(2026, 11, 22, 10, 15, tzinfo=UTC)


def test_the_store_is_as_given_else_of_the_environment_else_of_the_user(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XAUTOLM_STORE", raising=False)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    assert store_location(None) == str(tmp_path / ".local/share/xautolm/experiences")
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert store_location(None) == "/data/xautolm/experiences"
    monkeypatch.setenv("XAUTOLM_STORE", "s3://bucket/x")
    assert store_location(None) == "s3://bucket/x"
    assert store_location("here") == "here"


def test_an_address_with_a_slash_too_few_names_where_it_was_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(ConfigError, match=r"^--store .*two slashes") as caught:
        store_location("s3:/key:secret@bucket/x")
    assert "secret" not in str(caught.value)
    monkeypatch.setenv("XAUTOLM_STORE", "s3:/bucket/x")
    with pytest.raises(ConfigError, match=r"^\$XAUTOLM_STORE "):
        store_location(None)
    with pytest.raises(ConfigError, match="two slashes"):
        parse_read_store("team=s3:/bucket/x@0.5")


def test_a_run_is_named_after_task_and_time(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = default_run_folder("my task/..", NOW)
    assert folder == tmp_path / "runs" / "my-task-20261122T101500Z"
    folder.mkdir(parents=True)
    assert default_run_folder("my task/..", NOW).name == "my-task-20261122T101500Z-2"


def test_only_new_and_empty_folders_are_taken(tmp_path: Path) -> None:
    check_new_run_folder(tmp_path / "a" / "b")
    check_new_run_folder(tmp_path)
    (tmp_path / "file").write_text("")
    for folder, words in (
        (tmp_path / "file", "is a file"),
        (tmp_path / "file" / "below", "is a file"),
        (tmp_path, "is not empty"),
    ):
        with pytest.raises(ConfigError, match=words):
            check_new_run_folder(folder)
    (tmp_path / "search.json").write_text("{}")
    with pytest.raises(ConfigError, match="--resume"):
        check_new_run_folder(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "search.json"]
