"""Files that nobody vouches for."""

from __future__ import annotations

import json
import os
import tracemalloc
from pathlib import Path

import pytest

from tests.experience.importers.records import classification
from xautolm_core.experience.importers.published import import_published
from xautolm_core.experience.importers.record_files import MAX_RECORD_BYTES
from xautolm_core.experience.importers.record_files import BrokenRecord
from xautolm_core.experience.importers.record_files import ForeignRecord
from xautolm_core.experience.importers.record_files import SkippedFile
from xautolm_core.experience.importers.record_files import read_records

GOOD = json.dumps(classification()).encode()


def _lines(tmp_path: Path, *lines: bytes) -> Path:
    path = tmp_path / "records.jsonl"
    path.write_bytes(b"\n".join(lines))
    return path


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{", "no JSON: Expecting property name"),
        (b"[1]", "no JSON object"),
        (b'{"a": "\xff"}', "not UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a": ' * 100_000 + b"1" + b"}" * 100_000, "nested too deeply"),
        (b'{"a": ' + b"9" * 5_000 + b"}", "no JSON: a number is too long"),
        (b" " * (MAX_RECORD_BYTES + 1), "longer than 4 MiB"),
        (b'"' + b"x" * MAX_RECORD_BYTES + b'"', "longer than 4 MiB"),
    ],
)
def test_a_broken_line_among_good_ones(tmp_path: Path, line: bytes, reason: str) -> None:
    imported = import_published(_lines(tmp_path, GOOD, line, GOOD.replace(b"liar", b"meld")))
    assert len(imported.experiences) == 2
    (found,) = imported.account.records
    assert found.startswith(reason)
    assert imported.account.places[found] == ["records.jsonl:2"]
    assert imported.account.is_balanced


def test_a_value_nested_to_the_limit_of_the_parser_breaks_nothing(tmp_path: Path) -> None:
    for depth in (300, 600, 900, 960, 980, 990, 995):
        deep = b"[" * depth + b"]" * depth
        for field in (b'"surprise": ', b'"cross_val_steps": '):
            line = GOOD[:-1] + b", " + field + deep + b"}"
            imported = import_published(_lines(tmp_path, line, GOOD.replace(b"liar", b"meld")))
            assert imported.account.is_balanced
            assert "meld" in {e.task_name for e in imported.experiences}


@pytest.mark.parametrize(
    "size", [64 << 20, pytest.param(2 << 30, marks=pytest.mark.slow)], ids=["64 MiB", "2 GiB"]
)
def test_a_line_that_does_not_fit_in_memory_is_passed_over(tmp_path: Path, size: int) -> None:
    path = tmp_path / "records.jsonl"
    with path.open("wb") as file:
        file.write(b'{"alias": "')
        file.truncate(size)  # a hole: it costs no disk
        file.seek(size)
        file.write(b"\n" + GOOD + b"\n")
    tracemalloc.start()
    found = list(read_records(path))
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [type(f) for f in found] == [BrokenRecord, ForeignRecord]
    assert found[1].place == "records.jsonl:2"
    assert peak_bytes < 16 << 20


def test_links_pipes_and_other_files_are_not_read(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.json").write_bytes(GOOD)
    store = tmp_path / "store"
    store.mkdir()
    (store / "good.json").write_bytes(GOOD)
    (store / "link.json").symlink_to(outside / "secret.json")
    (store / "folder").symlink_to(outside)
    (store / "loop").symlink_to(store)
    (store / "notes.md").write_text("x", encoding="utf-8")
    os.mkfifo(store / "pipe.json")
    found = {f.place: f for f in read_records(store)}
    assert isinstance(found.pop("good.json"), ForeignRecord)
    assert {place: f.reason for place, f in found.items() if isinstance(f, SkippedFile)} == {
        "link.json": "a link",
        "folder": "a link to a folder",
        "loop": "a link to a folder",
        "notes.md": "no .json, .jsonl, .ndjson",
        "pipe.json": "not a plain file",
    }
    assert len(found) == 5


def test_the_source_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "real.json").write_bytes(GOOD)
    (tmp_path / "link.json").symlink_to(tmp_path / "real.json")
    assert len(import_published(tmp_path / "link.json").experiences) == 1


def test_a_mark_at_the_beginning_and_empty_lines_are_no_faults(tmp_path: Path) -> None:
    path = _lines(tmp_path, b"\xef\xbb\xbf" + GOOD, b"", b"  ")
    assert len(import_published(path).experiences) == 1


def test_a_file_that_is_not_utf8_by_name(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.json")).write_bytes(GOOD)
    imported = import_published(tmp_path)
    assert len(imported.experiences) == 1
    imported.experiences[0].model_dump_json()


@pytest.mark.parametrize("excess", [1, 1 << 20, (1 << 20) + 1, 3 << 20])
def test_the_line_after_a_long_one_is_read_whole(tmp_path: Path, excess: int) -> None:
    path = _lines(tmp_path, b"x" * (MAX_RECORD_BYTES + excess), GOOD, GOOD)
    assert [type(f) for f in read_records(path)] == [BrokenRecord, ForeignRecord, ForeignRecord]
