from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.running import Call

ADDRESS = "trials/0000-0/spec.json"


@pytest.mark.parametrize("fraction", ["0", "0.01", "1.5", "x"])
def test_a_share_that_is_none_is_refused(call: Call, tmp_path: Path, fraction: str) -> None:
    ended = call("trial", tmp_path / ADDRESS, "--memory-limit-fraction", fraction)
    assert ended.code == 2
    assert ended.err.startswith("error: ") and ended.err.count("\n") == 1


def test_a_cache_that_cannot_be_written_is_told_before_anything_is_read(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XAUTOLM_MODEL_CACHE", str(tmp_path / "file" / "models"))
    ended = call("trial", tmp_path / ADDRESS, "--work", tmp_path / "work")
    assert ended.code == 2
    assert "--model-cache" in ended.err
    assert not (tmp_path / "work").exists()


def test_a_trial_that_is_not_there_is_told(call: Call, tmp_path: Path) -> None:
    ended = call("trial", tmp_path / ADDRESS, "--work", tmp_path / "work")
    assert ended.code == 2
    assert ended.err == (
        f"error: There is no trial {ADDRESS}. Give the address that the launcher names\n"
    )
    assert not (tmp_path / "work").exists()


def test_a_secret_in_an_address_is_refused_and_not_shown(call: Call, tmp_path: Path) -> None:
    address = f"s3://bucket/prefix/{ADDRESS}?secret_key=hush-hush"
    ended = call("trial", address, "--work", tmp_path / "work")
    assert ended.code == 2
    assert "hush" not in ended.err + ended.out
