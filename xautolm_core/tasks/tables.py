"""Columns of a data file, whatever its format."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterable
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
    """The columns of one file, or of all files of a split.

    Attributes:
        source: File or data set, for messages.
        rows: Number of rows; messages count them from 1.
        columns: Column name to Arrow array, or to a list where the values have several types.
            Strings are ``large_string``; bytes that are not all UTF-8 are ``large_binary``, which
            ``require_utf8`` refuses. A list without values stands for nested and other types.
        class_names: Column name to the class names that its integers stand for (-1: no label).
        untyped: Whether every value is text because the format knows no types (CSV).
        nameless: Columns whose name was made up: they are used only if they are asked for.
        others: Column name to what it holds, for columns of types that are neither text nor class;
            their values are not read.
        nested: Column name to the values of those among them that are lists or structures of texts,
            numbers and truth values, which answers and conversations may be.
        warnings: What the user should know of the file.
    """

    source: str
    rows: int
    columns: Mapping[str, pa.ChunkedArray | list[Any]]
    class_names: Mapping[str, Sequence[str]] = field(default_factory=dict)
    untyped: bool = False
    nameless: frozenset[str] = frozenset()
    others: Mapping[str, str] = field(default_factory=dict)
    nested: Mapping[str, pa.ChunkedArray] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def refuse_duplicate_columns(source: object, names: Iterable[str]) -> None:
    """Refuse a table in which two columns have the same name.

    Raises:
        DataError: If there are two.
    """
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise DataError(
                f"{source} has the column '{name}' twice", hint="Give each column its own name"
            )
        seen.add(name)


def readable_columns(table: pa.Table) -> dict[str, pa.ChunkedArray | list[Any]]:
    """Return the columns of an Arrow table as ``Table.columns`` holds them."""
    import pyarrow as pa

    columns: dict[str, pa.ChunkedArray | list[Any]] = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        if pa.types.is_null(column.type):
            columns[name] = [None] * len(column)
        else:
            columns[name] = plain(column) if is_scalar(column.type) else []
    return columns


def plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Decode dictionaries, and bring strings and bytes to one type: UTF-8, or bytes if they fail.

    Args:
        column: Of a type that ``is_scalar``.
    """
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    column = as_bytes(column)
    if not _is_bytes(column.type):
        return column
    column = column.cast(pa.large_binary())
    try:
        return column.cast(pa.large_string())
    except pa.ArrowInvalid:
        return column


def is_scalar(kind: pa.DataType) -> bool:
    """Whether a column can hold texts or classes."""
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    tests = (
        pa.types.is_null,
        pa.types.is_integer,
        pa.types.is_floating,
        pa.types.is_boolean,
    )
    return _is_string(kind) or _is_bytes(kind) or any(test(kind) for test in tests)


def is_nested_text(kind: pa.DataType) -> bool:
    """Whether a column holds lists or structures of nothing but texts, numbers, truth values."""
    import pyarrow as pa

    if _is_list(kind):
        return _is_leaf(kind.value_type) or is_nested_text(kind.value_type)
    if pa.types.is_struct(kind):
        return all(_is_leaf(field.type) or is_nested_text(field.type) for field in kind)
    return False


def _is_list(kind: pa.DataType) -> bool:
    import pyarrow as pa

    tests = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    return any(test(kind) for test in tests)


def _is_leaf(kind: pa.DataType) -> bool:
    import pyarrow as pa

    tests = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_null)
    return _is_string(kind) or any(test(kind) for test in tests)


def as_bytes(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return strings as the bytes that they were read as, unchecked; other columns as they are."""
    import pyarrow as pa

    if pa.types.is_string_view(column.type):
        column = column.cast(pa.large_string())
    if pa.types.is_string(column.type):
        return column.cast(pa.binary())
    return column.cast(pa.large_binary()) if pa.types.is_large_string(column.type) else column


def holds_bytes(table: Table, name: str) -> bool:
    """Whether a column holds bytes that are not all UTF-8."""
    import pyarrow as pa

    column = table.columns[name]
    return not isinstance(column, list) and pa.types.is_large_binary(column.type)


def require_utf8(table: Table, name: str) -> None:
    """Refuse a column of bytes that are not all UTF-8.

    Raises:
        DataError: If it is one, with the first row and byte that are not.
    """
    if not holds_bytes(table, name):
        return
    row = 0
    for chunk in table.columns[name].chunks:  # type: ignore[union-attr]
        for value in chunk:
            row += 1
            try:
                (value.as_py() or b"").decode("utf-8")
            except UnicodeDecodeError as error:
                raise DataError(
                    f"{table.source}: column '{name}' holds bytes that are not UTF-8, the first"
                    f" in row {row} (byte {error.start} is 0x{error.object[error.start]:02x})",
                    hint="Write the column as strings, or name another column",
                ) from error


def _is_string(kind: pa.DataType) -> bool:
    import pyarrow as pa

    tests = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    return any(test(kind) for test in tests)


def _is_bytes(kind: pa.DataType) -> bool:
    import pyarrow as pa

    tests = (
        pa.types.is_binary,
        pa.types.is_large_binary,
        pa.types.is_binary_view,
        pa.types.is_fixed_size_binary,
    )
    return any(test(kind) for test in tests)


def concatenate(tables: Sequence[Table]) -> Table:
    """Put the files of one split under each other.

    Class names are taken by name: their order may differ from file to file.

    Raises:
        DataError: If their columns, their types or their knowledge of class names differ.
    """
    first = tables[0]
    if len(tables) == 1:
        return first
    for other in tables[1:]:
        for one, two in ((first, other), (other, first)):
            lacking = next((name for name in one.columns if name not in two.columns), None)
            if lacking is not None:
                raise DataError(
                    f"{two.source} has no column '{lacking}', which {one.source} has",
                    hint="Write all files of a split with the same columns",
                )
    class_names = _all_class_names(tables)
    columns = {
        name: _stack([_renumbered(t, name, class_names.get(name)) for t in tables], name, tables)
        for name in first.columns
    }
    return dataclasses.replace(
        first,
        source=f"{first.source} and {len(tables) - 1} more",
        rows=sum(table.rows for table in tables),
        columns=columns,
        class_names=class_names,
        nested=_nested(tables),
        untyped=all(table.untyped for table in tables),
        warnings=tuple(warning for table in tables for warning in table.warnings),
    )


def _nested(tables: Sequence[Table]) -> dict[str, pa.ChunkedArray]:
    """Return the nested columns that all of the tables have."""
    import pyarrow as pa

    return {
        name: pa.chunked_array(
            [chunk for table in tables for chunk in table.nested[name].cast(column.type).chunks],
            column.type,
        )
        for name, column in tables[0].nested.items()
        if all(name in table.nested for table in tables)
    }


def _all_class_names(tables: Sequence[Table]) -> dict[str, list[str]]:
    """Return the class names of each column that has some: those of the first file, then others."""
    names: dict[str, list[str]] = {}
    for column in dict.fromkeys(column for table in tables for column in table.class_names):
        without = next((table for table in tables if column not in table.class_names), None)
        if without is not None:
            having = next(table for table in tables if column in table.class_names)
            raise DataError(
                f"{having.source} names the classes of column '{column}', {without.source} does"
                " not: its numbers may stand for others",
                hint="Write all files of a split with the same class names",
            )
        every = (name for table in tables for name in table.class_names[column])
        names[column] = list(dict.fromkeys(every))
    return names


def _renumbered(
    table: Table, name: str, class_names: Sequence[str] | None
) -> pa.ChunkedArray | list[Any]:
    """Return a column whose integers stand for these class names instead of the table's own."""
    import pyarrow as pa
    import pyarrow.compute as pc

    column = table.columns[name]
    if class_names is None or isinstance(column, list) or not pa.types.is_integer(column.type):
        return column
    own = table.class_names[name]
    if list(own) == list(class_names):
        return column
    place = {class_name: number for number, class_name in enumerate(class_names)}
    lookup = pa.array([place[class_name] for class_name in own], pa.int64())
    known = pc.and_(pc.greater_equal(column, 0), pc.less(column, len(own)))
    return pc.take(lookup, pc.if_else(known, column, pa.scalar(None, column.type)))


def _stack(
    parts: Sequence[pa.ChunkedArray | list[Any]], name: str, tables: Sequence[Table]
) -> pa.ChunkedArray | list[Any]:
    """Stack the parts of one column."""
    import pyarrow as pa

    if any(len(part) < table.rows for part, table in zip(parts, tables, strict=True)):
        return []
    typed = [(p, t) for p, t in zip(parts, tables, strict=True) if not isinstance(p, list)]
    lists = [part for part in parts if isinstance(part, list)]
    if not typed or any(value is not None for part in lists for value in part):
        values = [part if isinstance(part, list) else part.to_pylist() for part in parts]
        return [value for part in values for value in part]
    kind = _common_type([part.type for part, _ in typed])
    if kind is not None:
        # A number may be too large for the common type.
        with contextlib.suppress(pa.ArrowInvalid):
            chunks: list[pa.Array] = []
            for part in parts:
                if isinstance(part, list):
                    chunks.append(pa.nulls(len(part), kind))
                else:
                    chunks += part.cast(kind).chunks
            return pa.chunked_array(chunks, kind)
    kinds = {str(part.type): table.source for part, table in reversed(typed)}
    where = " and ".join(f"{kind} in {source}" for kind, source in kinds.items())
    raise DataError(
        f"column '{name}' has different types: {where}",
        hint="Write all files of a split with the same types",
    )


def _common_type(kinds: Sequence[pa.DataType]) -> pa.DataType | None:
    """Return the type that holds the values of all these, None if there is none."""
    import pyarrow as pa

    if len(set(kinds)) == 1:
        return kinds[0]
    if all(pa.types.is_integer(kind) for kind in kinds):
        return pa.int64()
    if all(pa.types.is_integer(kind) or pa.types.is_floating(kind) for kind in kinds):
        return pa.float64()
    strings = {pa.large_string(), pa.large_binary()}
    return pa.large_binary() if set(kinds) == strings else None
