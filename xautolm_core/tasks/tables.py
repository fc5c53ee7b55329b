"""Columns of a data file, whatever its format."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from typing import TYPE_CHECKING
from typing import Any

from xautolm_core.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Table:
    """The columns of one file.

    Attributes:
        source: File or data set, for messages.
        rows: Number of rows; messages count them from 1.
        columns: Column name to Arrow array, or to a list where the values have several types.
        class_names: Column name to the class names that its integers stand for (-1: no label).
        untyped: Whether every value is text because the format knows no types (CSV).
    """

    source: str
    rows: int
    columns: Mapping[str, pa.ChunkedArray | list[Any]]
    class_names: Mapping[str, Sequence[str]] = field(default_factory=dict)
    untyped: bool = False


def plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Decode dictionaries and bring strings to one Arrow type."""
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_string(column.type) or pa.types.is_string_view(column.type):
        column = column.cast(pa.large_string())
    return column


def is_scalar(kind: pa.DataType) -> bool:
    """Whether a column can hold texts or classes."""
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    tests = (
        pa.types.is_string,
        pa.types.is_large_string,
        pa.types.is_string_view,
        pa.types.is_integer,
        pa.types.is_floating,
        pa.types.is_boolean,
    )
    return any(test(kind) for test in tests)


def concatenate(tables: Sequence[Table]) -> Table:
    """Put the shards of one split under each other.

    Raises:
        DataError: If their columns differ.
    """
    first = tables[0]
    for other in tables[1:]:
        if set(other.columns) != set(first.columns):
            raise DataError(
                f"{first.source} and {other.source} have different columns",
                hint="Write all files of a split with the same columns",
            )
    if len(tables) == 1:
        return first
    columns: dict[str, pa.ChunkedArray | list[Any]] = {}
    for name in first.columns:
        parts = [table.columns[name] for table in tables]
        if any(isinstance(part, list) for part in parts):
            columns[name] = [
                value
                for part in parts
                for value in (part if isinstance(part, list) else part.to_pylist())
            ]
        else:
            columns[name] = _stack(parts, name, tables)
    rows = sum(table.rows for table in tables)
    return Table(first.source, rows, columns, first.class_names, first.untyped)


def _stack(parts: Sequence[Any], name: str, tables: Sequence[Table]) -> pa.ChunkedArray:
    """Stack the Arrow chunks of one column."""
    import pyarrow as pa

    if len({part.type for part in parts}) > 1:
        raise DataError(
            f"column '{name}' is of type {parts[0].type} in {tables[0].source},"
            f" but not in all files of the split",
            hint="Write all files of a split with the same types",
        )
    return pa.chunked_array([chunk for part in parts for chunk in part.chunks], parts[0].type)
