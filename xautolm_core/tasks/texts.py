"""Checks of the text columns: missing, empty and very long texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from xautolm_core.errors import DataError
from xautolm_core.tasks.column_content import holds
from xautolm_core.tasks.tables import Table
from xautolm_core.tasks.tables import require_utf8

MAX_CHARACTERS = 100_000
_ROWS_NAMED = 5
_NAMES_LISTED = 5
_NAME_CHARACTERS = 60


@dataclass(frozen=True)
class TextColumn:
    """A column of texts with the rows that cannot be used.

    Attributes:
        texts: The texts; null where there is none. At most ``MAX_CHARACTERS`` each.
        missing: Whether a row has no text, bool for each row.
        empty: Whether a row's text is nothing but white space, bool for each row.
        truncated: Number of texts that were cut.
    """

    texts: pa.ChunkedArray
    missing: np.ndarray
    empty: np.ndarray
    truncated: int


def check_texts(table: Table, column: str) -> TextColumn:
    """Read a column as texts.

    Raises:
        DataError: If the column holds anything but strings in UTF-8.
    """
    texts = _strings(table, column)
    missing = pc.is_null(texts)
    empty = pc.fill_null(pc.equal(pc.utf8_length(pc.utf8_trim_whitespace(texts)), 0), False)
    too_long = pc.fill_null(pc.greater(pc.utf8_length(texts), MAX_CHARACTERS), False)
    truncated = pc.sum(too_long).as_py() or 0
    if truncated:
        texts = pc.utf8_slice_codeunits(texts, 0, MAX_CHARACTERS)
    return TextColumn(texts, _flags(missing), _flags(empty), truncated)


def _flags(values: pa.ChunkedArray) -> np.ndarray:
    """Return Arrow booleans as a numpy array."""
    flags: np.ndarray = values.to_numpy().astype(bool)
    return flags


def _strings(table: Table, column: str) -> pa.ChunkedArray:
    """Return a column as Arrow strings, or raise an error that describes its content."""
    require_utf8(table, column)
    values = table.columns[column]
    if not isinstance(values, list):
        if pa.types.is_large_string(values.type):
            return values
        if pa.types.is_null(values.type) or values.null_count == len(values):
            return pa.chunked_array([pa.nulls(len(values), pa.large_string())])
        raise DataError(
            f"{table.source}: column '{column}' holds {values.type} values, not texts",
            hint="Name the column of the texts with --text COL",
        )
    if len(values) < table.rows:
        raise DataError(
            f"{table.source}: column '{column}' holds {holds(table, column)}, not texts",
            hint="Name the column of the texts with --text COL",
        )
    values = [None if is_nan(value) else value for value in values]
    wrong = [i for i, v in enumerate(values) if v is not None and not isinstance(v, str)]
    if wrong:
        kind = type(values[wrong[0]]).__name__
        raise DataError(
            f"{table.source}: column '{column}' is not text in {rows_phrase(wrong)} ({kind})",
            hint="Make every text a string, or name another column with --text COL",
        )
    return pa.chunked_array([pa.array(values, type=pa.large_string())])


def is_nan(value: Any) -> bool:
    """Whether a value is NaN."""
    return isinstance(value, float) and value != value  # noqa: PLR0124


def rows_phrase(rows: Sequence[int] | np.ndarray) -> str:
    """Name rows given by index from 0: ``3 rows (rows 2, 5 and 9)``, the first of them if many."""
    numbers = [str(int(row) + 1) for row in rows[:_ROWS_NAMED]]
    if len(rows) == 1:
        return f"1 row (row {numbers[0]})"
    if len(rows) > _ROWS_NAMED:
        return f"{len(rows):,} rows (the first: {', '.join(numbers)})"
    return f"{len(rows)} rows (rows {', '.join(numbers[:-1])} and {numbers[-1]})"


def name_phrase(name: object) -> str:
    """Quote a class name; of a long one its beginning and its end, what shows nothing escaped."""
    text = "".join(c if c.isprintable() else repr(c)[1:-1] for c in " ".join(str(name).split()))
    if len(text) > _NAME_CHARACTERS:
        half = (_NAME_CHARACTERS - 3) // 2
        text = f"{text[:half]}...{text[-half:]}"
    return f"'{text}'"


def names_phrase(names: Sequence[str]) -> str:
    """List class names, the first five of them."""
    shown = ", ".join(name_phrase(name) for name in names[:_NAMES_LISTED])
    more = len(names) - _NAMES_LISTED
    return f"{shown} and {more:,} more" if more > 0 else shown
