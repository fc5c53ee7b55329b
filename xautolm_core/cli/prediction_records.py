"""Records of text files, decoded one at a time: lines and JSON objects."""

from __future__ import annotations

import contextlib
import io
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from typing import BinaryIO

from xautolm_core.errors import DataError
from xautolm_core.tasks.json_values import RepeatedNameError
from xautolm_core.tasks.json_values import parse_json
from xautolm_core.tasks.text_files import open_bytes

_SURROGATE = re.compile("[\ud800-\udfff]")


def is_json_lines(path: Path) -> bool:
    """Whether a JSON file has an object a line; one of a single line may be anything."""
    with reading(path), open_bytes(path) as file:
        lines = (line for line in decoded_lines(file, str(path)) if line.strip())
        first, second = next(lines, None), next(lines, None)
    if first is None or second is None:
        return False
    try:
        return isinstance(parse_json(first), dict)
    except RepeatedNameError:
        return True  # and refused with its line
    except ValueError:
        return False


def json_records(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the objects of JSON Lines; a blank line is none."""
    with open_bytes(path) as file:
        for number, line in enumerate(decoded_lines(file, str(path)), start=1):
            if not line.strip():
                continue
            try:
                record = parse_json(line)
            except ValueError as error:
                raise DataError(
                    f"{path}, line {number} is not valid JSON ({error})",
                    hint='Each line must be one JSON object, such as {"text": "..."}',
                ) from error
            if not isinstance(record, dict):
                raise DataError(
                    f"{path}, line {number} is not a JSON object",
                    hint='Each line must look like {"text": "..."}',
                )
            # JSON may hold halves of surrogate pairs, which no other format can.
            yield _well_formed(record) if "\\u" in line else record


def decoded_lines(stream: io.BufferedIOBase | BinaryIO, source: str) -> Iterator[str]:
    """Yield the lines of UTF-8, with their ends: LF, CR LF or CR, and no other character.

    A byte order mark at the beginning is left out.

    Args:
        stream: Left open.
        source: What messages call it.

    Raises:
        DataError: A line is not UTF-8.
    """
    text = io.TextIOWrapper(
        stream,  # type: ignore[type-var]
        encoding="utf-8-sig",
        errors="surrogateescape",
        newline="",
    )
    try:
        for number, line in enumerate(text, start=1):
            if not line.isascii():
                _check_utf8(line, number, source)
            yield line
    finally:
        # Whoever opened the stream closes it, and may have done so.
        with contextlib.suppress(ValueError):
            text.detach()


@contextlib.contextmanager
def reading(source: Path | str) -> Iterator[None]:
    """Turn read errors within the context into a ``DataError`` that names the source."""
    try:
        yield
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"{source} cannot be read ({type(error).__name__}: {error})",
            hint="Check that the file is whole and that you may read it",
        ) from error


def _well_formed(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_well_formed(name): _well_formed(item) for name, item in value.items()}
    return [_well_formed(item) for item in value] if isinstance(value, list) else value


def _check_utf8(line: str, number: int, source: str) -> None:
    """Refuse a line with bytes that are not UTF-8, which were decoded to surrogates."""
    found = _SURROGATE.search(line)
    if found is None:
        return
    byte = ord(found[0]) - 0xDC00
    place = len(line[: found.start()].encode()) + 1
    encoding = "UTF-16" if (number, place) == (1, 1) and byte in (0xFE, 0xFF) else "WINDOWS-1252"
    raise DataError(
        f"{source}, line {number} is not UTF-8: its byte {place} is 0x{byte:02x}",
        hint=f"Re-encode it, for example with: iconv -f {encoding} -t UTF-8",
    )
