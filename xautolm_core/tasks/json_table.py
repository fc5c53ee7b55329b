"""JSON Lines, JSON arrays of objects, and JSON objects that hold either rows or columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

from xautolm_core.errors import DataError
from xautolm_core.tasks.json_values import RepeatedNameError
from xautolm_core.tasks.json_values import parse_json
from xautolm_core.tasks.tables import Table
from xautolm_core.tasks.text_files import check_utf8
from xautolm_core.tasks.text_files import open_bytes
from xautolm_core.tasks.text_files import open_text

if TYPE_CHECKING:
    import pyarrow as pa


def read_json(path: Path) -> Table:
    """Read JSON Lines, one JSON array of objects, or one object that holds rows or columns."""
    check_utf8(path)
    with open_bytes(path) as file:
        start = file.read(4096).lstrip(b"\xef\xbb\xbf").lstrip()
    if not start:
        raise DataError(f"{path} holds nothing but white space", hint="Give labelled texts")
    # A file of lines may have a single one, with nested values; only .json is a document.
    may_be_document = path.name.lower().removesuffix(".gz").endswith(".json")
    document = _one_object(path) if may_be_document and start[:1] == b"{" else None
    if document is not None:
        objects = iter(_rows_of(path, document))
    else:
        objects = _json_array(path) if start[:1] == b"[" else _json_lines(path)
    columns: dict[str, list[Any]] = {}
    rows = 0
    for record in objects:
        for name, value in record.items():
            if name not in columns:
                columns[name] = [None] * rows
            columns[name].append(value)
        rows += 1
        if len(record) < len(columns):
            for values in columns.values():
                if len(values) < rows:
                    values.append(None)
    halved: set[int] = set()
    typed = {name: _typed(values, halved) for name, values in columns.items()}
    return Table(str(path), rows, typed, warnings=_halved_warning(path, sorted(halved)))


def _one_object(path: Path) -> dict[str, Any] | None:
    """Return the object that the whole file is, or None if it is none, or lines of objects."""
    with open_text(path) as file:
        first = next((line for line in file if line.lstrip("\ufeff").strip()), "")
        second = next((line for line in file if line.strip()), "")
    if second and _parsed(path, first) is not None:
        return None
    document = _parsed(path, _whole_text(path))
    return document if isinstance(document, dict) else None


def _parsed(path: Path, text: str) -> Any:
    """Return what a JSON text of a file holds, or None if it is not valid.

    Raises:
        DataError: An object has a name twice.
    """
    try:
        return parse_json(text)
    except RepeatedNameError as error:
        raise DataError(
            f"{path} is not valid JSON ({error})", hint="Give each value a name of its own"
        ) from error
    except ValueError:
        return None


def _whole_text(path: Path) -> str:
    """Return a file's text, without the byte order mark."""
    with open_bytes(path) as file:
        return file.read().decode("utf-8-sig")


def _rows_of(path: Path, document: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of an object of columns, of one around an array of rows, or of one row.

    Raises:
        DataError: It is neither.
    """
    tables = {name: value for name, value in document.items() if _is_rows(value)}
    if len(tables) == 1:
        rows: list[dict[str, Any]] = next(iter(tables.values()))
        return rows
    values = list(document.values())
    lists = [value for value in values if isinstance(value, list)]
    lengths = {len(value) for value in lists}
    if not tables and values and len(lists) == len(values) and len(lengths) == 1:
        return [dict(zip(document, row, strict=True)) for row in zip(*values, strict=True)]
    if not tables and any(isinstance(value, str) for value in values):
        return [document]
    hint = "Write one JSON object a line, with text and label (in pandas: to_json(FILE, orient="
    hint += "'records', lines=True))"
    if tables:
        what = f"several arrays of rows ({', '.join(tables)})"
        hint = "Write each of them to a file of its own"
    elif len(lists) == len(values):
        sizes = ", ".join(f"{name}: {len(value)}" for name, value in document.items())
        what = f"arrays of different lengths ({sizes})"
    else:
        kinds = ", ".join(f"{name}: {_json_kind(value)}" for name, value in document.items())
        what = f"one object that is neither rows nor columns ({textwrap.shorten(kinds, 200)})"
    raise DataError(f"{path} holds {what}", hint=hint)


def _is_rows(value: object) -> bool:
    """Whether a JSON value is an array of objects."""
    return isinstance(value, list) and bool(value) and all(isinstance(v, dict) for v in value)


def _json_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the objects of a JSON Lines file."""
    with open_text(path) as file:
        for number, line in enumerate(file, start=1):
            stripped = line.lstrip("\ufeff").strip() if number == 1 else line.strip()
            if not stripped:
                continue
            try:
                record = parse_json(stripped)
            except ValueError as error:
                raise DataError(
                    f"{path}, line {number} is not valid JSON ({error})",
                    hint="Each line must be one JSON object, such as"
                    ' {"text": "...", "label": "..."}',
                ) from error
            if not isinstance(record, dict):
                raise DataError(
                    f"{path}, line {number} is a JSON {_json_kind(record)}, not an object",
                    hint='Each line must look like {"text": "...", "label": "..."}',
                )
            yield record


def _json_array(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the objects of a JSON array."""
    try:
        records = parse_json(_whole_text(path))
    except ValueError as error:
        raise DataError(
            f"{path} is not valid JSON ({error})",
            hint="Give an array of objects, or JSON Lines (one object a line)",
        ) from error
    for number, record in enumerate(records, start=1):
        if not isinstance(record, dict):
            raise DataError(
                f"{path}, element {number} is a JSON {_json_kind(record)}, not an object",
                hint='Each element must look like {"text": "...", "label": "..."}',
            )
        yield record


def _json_kind(value: object) -> str:
    """Name the JSON type of a value."""
    names = {list: "array", dict: "object", str: "string", bool: "boolean"}
    names |= {int: "number", float: "number"}
    return names.get(type(value), "null")


def _halved_warning(path: Path, rows: list[int]) -> tuple[str, ...]:
    """Return the warning that characters of some rows were replaced; none without such rows."""
    if not rows:
        return ()
    subject = "a row has" if len(rows) == 1 else f"{len(rows)} rows have"
    return (
        f"{path}: {subject} half a surrogate pair, which is no character: read as U+FFFD"
        f" (the first in row {rows[0]})",
    )


def _typed(values: list[Any], halved: set[int]) -> pa.ChunkedArray | list[Any]:
    """Return the values as Arrow data if they are all of one scalar type, else as they are.

    Args:
        values: Of a column.
        halved: Takes the numbers of the rows, from 1, of which characters are replaced.
    """
    import pyarrow as pa

    kinds = {type(value) for value in values if value is not None}
    if kinds == {str}:
        try:
            return pa.chunked_array([pa.array(values, type=pa.large_string())])
        except UnicodeEncodeError:
            values = _all_well_formed(values, halved)
            return pa.chunked_array([pa.array(values, type=pa.large_string())])
    if kinds in ({int}, {float}, {bool}, {int, float}):
        try:
            return pa.chunked_array([pa.array(values)])
        except (pa.ArrowInvalid, OverflowError):
            return values
    return _all_well_formed(values, halved)


def _all_well_formed(values: list[Any], halved: set[int]) -> list[Any]:
    found = [_well_formed(value) for value in values]
    pairs = enumerate(zip(values, found, strict=True), start=1)
    halved.update(row for row, (value, one) in pairs if value != one)
    return found


def _well_formed(value: Any) -> Any:
    """Replace halves of surrogate pairs, which JSON may hold but UTF-8 may not, however nested."""
    if isinstance(value, list):
        return [_well_formed(one) for one in value]
    if isinstance(value, dict):
        return {name: _well_formed(one) for name, one in value.items()}
    if isinstance(value, str) and not value.isascii():
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return value
