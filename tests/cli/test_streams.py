"""Output to a stream that lacks characters, by real processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

_TEXT = "naïve – 日本 😀"


def run(folder: Path, *arguments: str, **environment: str) -> tuple[int, bytes, bytes]:
    done = subprocess.run(
        [sys.executable, "-m", "xautolm_core.cli", *arguments],
        cwd=folder,
        env={**os.environ, "HOME": str(folder), **environment},
        capture_output=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def data(tmp_path: Path) -> Path:
    lines = ["text,label", *(f"{_TEXT} {n},{'naïve–' if n % 2 else '日本'}" for n in range(40))]
    file = tmp_path / f"{_TEXT}.csv"
    file.write_text("\n".join(lines), encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("encoding", "environment"),
    [
        ("ascii", {"PYTHONIOENCODING": "ascii"}),
        ("latin-1", {"PYTHONIOENCODING": "latin-1"}),
        ("ascii", {"PYTHONIOENCODING": "ascii", "LC_ALL": "C"}),
        ("utf-8", {"LC_ALL": "C"}),
    ],
)
def test_no_encoding_ends_a_command(data: Path, encoding: str, environment: dict[str, str]) -> None:
    code, out, err = run(data.parent, "features", str(data), "--json", **environment)
    assert code == 0
    assert err.decode(encoding).startswith("warning: ")
    # What cannot be encoded is escaped as JSON does it.
    document = json.loads(out.decode(encoding))
    assert document["labels"] == ["naïve–", "日本"]
    code, out, err = run(data.parent, "features", str(data), **environment)
    assert code == 0
    assert out.decode(encoding)
    code, out, err = run(data.parent, "features", f"{data}x", **environment)
    assert (code, out) == (2, b"")
    assert err.decode(encoding).startswith("error: ")


@pytest.mark.parametrize("command", [("--help",), ("space", "show", "starter"), ("space", "list")])
def test_what_typer_prints_is_in_the_encoding_too(tmp_path: Path, command: tuple[str, ...]) -> None:
    code, out, _ = run(tmp_path, *command, PYTHONIOENCODING="ascii")
    assert code == 0
    assert out.decode("ascii")


def test_a_name_that_is_no_utf8_can_be_named(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.csv")
    code, _, err = run(tmp_path, "features", name)
    assert code == 2
    assert err.startswith(b"error: ")
    assert b"does not exist" in err
