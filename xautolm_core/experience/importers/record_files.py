"""Reads JSON records from an untrusted file or folder.

What is read is bounded: no record above ``MAX_RECORD_BYTES``, no link, no pipe, nothing outside of
the folder. What cannot be read is named, and the rest is read.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from typing import BinaryIO

from xautolm_core.errors import ConfigError

MAX_RECORD_BYTES = 4 << 20
"""A hundred times the largest record that was ever published."""

LINES_SUFFIXES = (".jsonl", ".ndjson")
DOCUMENT_SUFFIXES = (".json",)

_CHUNK_BYTES = 1 << 20
_TOO_LONG = f"longer than {MAX_RECORD_BYTES >> 20} MiB"


@dataclass(frozen=True)
class ForeignRecord:
    """One JSON object.

    Attributes:
        place: Path relative to the source, and line (from 1 on) in a file of lines.
        path: The same without the line.
        content: The object.
    """

    place: str
    path: str
    content: dict[str, Any]


@dataclass(frozen=True)
class BrokenRecord:
    """Something that should have been a record."""

    place: str
    reason: str


@dataclass(frozen=True)
class SkippedFile:
    """A file that was not read, and holds no record as far as we know."""

    place: str
    reason: str


def read_records(source: Path) -> Iterator[ForeignRecord | BrokenRecord | SkippedFile]:
    """Yield what a file or a folder holds, in order of the paths.

    Args:
        source: A ``.json`` file with one object, a file of JSON Lines, or a folder of such files at
            any depth. Links inside of the folder are not followed.

    Raises:
        ConfigError: The source itself is missing, unreadable, or no such file.
    """
    if source.is_dir():
        yield from _read_folder(source)
    elif source.suffix.lower() in (*LINES_SUFFIXES, *DOCUMENT_SUFFIXES):
        yield from _read_file(source.resolve(), source.name, is_given=True)
    elif source.exists():
        raise ConfigError(
            f"{source} is not a file of records", hint="Give a .json or .jsonl file, or a folder"
        )
    else:
        raise ConfigError(f"There is no {source}", hint="Check the path")


def _read_folder(root: Path) -> Iterator[ForeignRecord | BrokenRecord | SkippedFile]:
    unreadable: list[OSError] = []
    for folder, names, files in os.walk(root, onerror=unreadable.append):
        names.sort()
        for name in [n for n in names if Path(folder, n).is_symlink()]:
            yield SkippedFile(_relative(Path(folder, name), root), "a link to a folder")
        for name in sorted(files):
            path = Path(folder, name)
            place = _relative(path, root)
            if path.suffix.lower() in (*LINES_SUFFIXES, *DOCUMENT_SUFFIXES):
                yield from _read_file(path, place)
            else:
                yield SkippedFile(place, f"no {', '.join((*DOCUMENT_SUFFIXES, *LINES_SUFFIXES))}")
        while unreadable:
            yield _unreadable_folder(unreadable.pop(), root)
    while unreadable:
        yield _unreadable_folder(unreadable.pop(), root)


def _read_file(
    path: Path, place: str, *, is_given: bool = False
) -> Iterator[ForeignRecord | BrokenRecord | SkippedFile]:
    try:
        file = _open(path)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        if is_given:
            raise ConfigError(f"Cannot read {path}: {reason}", hint="Give another file") from error
        yield SkippedFile(place, "a link" if path.is_symlink() else f"cannot be read: {reason}")
        return
    if file is None:
        yield SkippedFile(place, "not a plain file")
        return
    with file:
        if path.suffix.lower() in LINES_SUFFIXES:
            yield from _read_lines(file, place)
        else:
            yield _parsed(file.read(MAX_RECORD_BYTES + 1), place, place)


def _open(path: Path) -> BinaryIO | None:
    """Open a plain file; None if it is something else. Links are errors; pipes are not waited for.

    Raises:
        OSError: It cannot be opened, or is a link.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    return None


def _read_lines(file: BinaryIO, path: str) -> Iterator[ForeignRecord | BrokenRecord]:
    number = 0
    while line := file.readline(MAX_RECORD_BYTES + 1):
        number += 1
        place = f"{path}:{number}"
        if len(line) > MAX_RECORD_BYTES:
            if not line.endswith(b"\n"):
                _pass_line(file)
            yield BrokenRecord(place, _TOO_LONG)
        elif line.strip():
            yield _parsed(line, path, place)


def _pass_line(file: BinaryIO) -> None:
    """Go to the next line, in pieces: this one may be longer than the memory."""
    while chunk := file.read(_CHUNK_BYTES):
        end = chunk.find(b"\n")
        if end >= 0:
            file.seek(end + 1 - len(chunk), os.SEEK_CUR)
            return


def _parsed(data: bytes, path: str, place: str) -> ForeignRecord | BrokenRecord:
    if len(data) > MAX_RECORD_BYTES:
        return BrokenRecord(place, _TOO_LONG)
    try:
        # Python's own dialect: the records hold bare Infinity.
        content = json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        return BrokenRecord(place, "not UTF-8")
    except RecursionError:
        return BrokenRecord(place, "nested too deeply")
    except ValueError as error:
        reason = error.msg if isinstance(error, json.JSONDecodeError) else "a number is too long"
        return BrokenRecord(place, f"no JSON: {reason}")
    if not isinstance(content, dict):
        return BrokenRecord(place, "no JSON object")
    return ForeignRecord(place, path, content)


def _unreadable_folder(error: OSError, root: Path) -> SkippedFile:
    place = _relative(Path(error.filename or root), root)
    return SkippedFile(place, f"cannot be read: {error.strerror or type(error).__name__}")


def _relative(path: Path, root: Path) -> str:
    # Names that are no UTF-8 become readable, and can be written as JSON.
    text = path.relative_to(root).as_posix()
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
