"""Every bad input, by a real process: exit code 2, one line, nothing left behind."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.running import run_process

pytest.importorskip("torch")

_ROWS = [(f"text number {n} of the set", "a" if n % 2 else "b") for n in range(60)]


def _csv(file: Path, rows: list[tuple[str, str]]) -> None:
    file.write_text("\n".join(["text,label", *(f"{t},{c}" for t, c in rows)]) + "\n")


def _missing(file: Path) -> None:
    del file


def _empty(file: Path) -> None:
    file.touch()


def _good(file: Path) -> None:
    _csv(file, _ROWS)


def _one_class(file: Path) -> None:
    _csv(file, [(text, "a") for text, _ in _ROWS])


def _single_row(file: Path) -> None:
    _csv(file, [*_ROWS, ("a rare thing", "c")])


def _gaps(file: Path) -> None:
    _csv(file, [*_ROWS, ("", "a"), ("nan", "b"), ("   ", "a")])


def _mixed(file: Path) -> None:
    rows = [{"text": t, "label": c if n % 3 else n % 2} for n, (t, c) in enumerate(_ROWS)]
    file.write_text("\n".join(json.dumps(row) for row in rows))


def _latin(file: Path) -> None:
    file.write_bytes("text,label\ncafé,a\nthé,b\n".encode("latin-1") * 20)


_CASES: list[tuple[str, Callable[[Path], None], tuple[str, ...], tuple[str, ...]]] = [
    ("data.csv", _missing, (), ("does not exist",)),
    ("data.csv", _empty, (), ("empty",)),
    ("data.csv", _good, ("--text", "txt"), ("no column 'txt'",)),
    ("data.csv", _one_class, (), ("only one class", "'a'")),
    ("data.csv", _single_row, (), ("one row", "'c'")),
    ("data.csv", _gaps, (), ("--drop-invalid",)),
    ("data.jsonl", _mixed, (), ("mixes label types",)),
    ("data.csv", _latin, (), ("not UTF-8", "iconv")),
    ("data.csv", _good, ("--trial-memory", "10MB"), ("No configuration", "--trial-memory")),
    ("data.csv", _good, ("--space", "startr"), ("startr", "starter")),
    ("data.csv", _good, ("--budget", "soon"), ("--budget", "10m")),
    ("data.csv", _good, ("--sampler-option", "nonsense=1"), ("nonsense",)),
]


def _cache_beside(folder: Path) -> dict[str, str]:
    """Return an environment with the cache, which keeps converted models, outside of a folder."""
    return {"XAUTOLM_CACHE": str(folder.parent / "cache")}


@pytest.mark.parametrize(("name", "write", "options", "words"), _CASES)
def test_bad_input_is_one_line_and_leaves_nothing(
    tmp_path: Path,
    name: str,
    write: Callable[[Path], None],
    options: tuple[str, ...],
    words: tuple[str, ...],
) -> None:
    write(tmp_path / name)
    before = sorted(tmp_path.rglob("*"))
    ended = run_process(
        *("search", name, "--offline", "--trials", "1", "--quiet", *options),
        folder=tmp_path,
        environment={"XAUTOLM_STORE": str(tmp_path / "store"), **_cache_beside(tmp_path)},
    )
    assert ended.code == 2, ended.err
    assert ended.out == ""
    assert ended.err.startswith("error: ")
    assert ended.err.count("\n") == 1
    for word in words:
        assert word in ended.err
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("where", ["file", "below-file", "kernel"])
def test_a_store_that_cannot_be_written_is_bad_input(tmp_path: Path, where: str) -> None:
    _good(tmp_path / "data.csv")
    # Also root, who may write anywhere, cannot make folders in these places.
    store = {"file": "data.csv", "below-file": "data.csv/store", "kernel": "/proc/xautolm-store"}
    before = sorted(tmp_path.rglob("*"))
    ended = run_process(
        *("search", "data.csv", "--offline", "--quiet", "--store", store[where], "--out", "run"),
        folder=tmp_path,
        environment=_cache_beside(tmp_path),
    )
    assert ended.code == 2, ended.err
    assert ended.err.startswith("error: ")
    assert ended.err.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before
