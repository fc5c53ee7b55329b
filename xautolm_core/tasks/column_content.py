"""What the columns of a table hold: texts, class names, or what else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import Any

from xautolm_core.tasks.tables import Table

if TYPE_CHECKING:
    import pyarrow as pa

# A column is taken for the classes by itself only if its values look like names.
_MAX_CLASSES_FOUND = 1000
_MAX_NAME_CHARACTERS = 50


def is_text(table: Table, name: str) -> bool:
    """Whether a column holds strings (of CSV: strings that are not all numbers)."""
    import pyarrow as pa

    column = table.columns[name]
    if isinstance(column, list):
        return any(isinstance(value, str) for value in column)
    if not pa.types.is_large_string(column.type):
        return False
    return not (table.untyped and _all_numbers(column))


def _all_numbers(column: object) -> bool:
    """Whether every string of a column of CSV reads as a number."""
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        pc.cast(pc.replace_substring_regex(column, r"^$", "0"), pa.float64())
    except pa.ArrowInvalid:
        return False
    return True


def has_few_values(table: Table, name: str) -> bool:
    """Whether a column's values repeat often enough to be classes."""
    import pyarrow as pa
    import pyarrow.compute as pc

    column = table.columns[name]
    if isinstance(column, list):
        if not all(isinstance(value, str | int | float | bool | None) for value in column):
            return False
        values = {str(value) for value in column if value is not None}
        return _may_be_classes(table, len(values), sum(map(len, values)))
    if pa.types.is_floating(column.type):
        column = column.drop_null()
    values = pc.unique(column).drop_null()
    characters = 0
    if pa.types.is_large_string(column.type):
        characters = pc.sum(pc.utf8_length(values)).as_py() or 0
    return _may_be_classes(table, len(values), characters)


def _may_be_classes(table: Table, distinct: int, characters: int) -> bool:
    """Whether a number of different values, of that total length, may be class names."""
    few = 2 <= distinct <= min(table.rows // 2, _MAX_CLASSES_FOUND)
    return few and characters <= _MAX_NAME_CHARACTERS * distinct


def holds(table: Table, name: str) -> str:
    """Say what a column holds, such as ``numbers`` or ``3 different strings``."""
    import pyarrow as pa
    import pyarrow.compute as pc

    column = table.columns[name]
    if name in table.others:
        return table.others[name]
    if isinstance(column, list):
        return _kinds_of(column) if len(column) == table.rows else "nested values"
    if column.null_count == len(column):
        return "nothing"
    if not pa.types.is_large_string(column.type):
        return kind_words(column.type)
    distinct = pc.unique(column).drop_null()
    empty = not pc.any(pc.not_equal(pc.utf8_trim_whitespace(distinct), "")).as_py()
    if empty or (table.untyped and _all_numbers(column)):
        return "nothing" if empty else "numbers"
    return "one string" if len(distinct) == 1 else f"{len(distinct):,} different strings"


def _kinds_of(values: Sequence[Any]) -> str:
    """Say what values of several Python types are."""
    words = {
        str: "strings",
        bool: "booleans",
        int: "numbers",
        float: "numbers",
        bytes: "bytes",
        list: "nested values",
        dict: "nested values",
    }
    kinds = [words.get(type(value), "other values") for value in values if value is not None]
    return " and ".join(dict.fromkeys(kinds)) or "nothing"


def kind_words(kind: pa.DataType) -> str:
    """Say what a column of an Arrow type holds."""
    import pyarrow as pa

    types = pa.types
    if types.is_dictionary(kind):
        return kind_words(kind.value_type)
    known = (
        (types.is_boolean, "booleans"),
        (types.is_integer, "numbers"),
        (types.is_floating, "numbers"),
        (types.is_decimal, "decimal numbers"),
        (types.is_temporal, "dates or times"),
        (types.is_null, "nothing"),
        (types.is_nested, "nested values"),
        (types.is_binary, "bytes"),
        (types.is_large_binary, "bytes"),
        (types.is_binary_view, "bytes"),
        (types.is_fixed_size_binary, "bytes"),
        (types.is_string, "strings"),
        (types.is_large_string, "strings"),
        (types.is_string_view, "strings"),
    )
    return next((words for test, words in known if test(kind)), f"{kind} values")
