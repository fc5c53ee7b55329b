"""From a column of classes to class indices: one kind of value, a fixed order of names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from xautolm_core.errors import DataError
from xautolm_core.tasks.column_content import holds
from xautolm_core.tasks.tables import Table
from xautolm_core.tasks.task import SplitName
from xautolm_core.tasks.texts import is_nan
from xautolm_core.tasks.texts import name_phrase
from xautolm_core.tasks.texts import rows_phrase

MAX_CLASSES = 10_000
# More different fractions than this are a quantity to predict, not classes.
_MAX_FRACTIONS = 20
_INTEGER = re.compile(r"[+-]?(0|[1-9]\d*)")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_HIDDEN = -1
_UNKNOWN = -1
MISSING = -2


@dataclass(frozen=True)
class LabelColumns:
    """The classes of all splits.

    Attributes:
        names: Class names in their order: numbers by value, others by code point, or as given.
        indices: For each split the class index of each row; ``MISSING`` where there is no label.
        warnings: What the user should know.
    """

    names: tuple[str, ...]
    indices: Mapping[SplitName, np.ndarray]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Distinct:
    """The different values of a column and which of them each row has (-1: none)."""

    values: list[object]
    codes: np.ndarray


def read_labels(
    tables: Mapping[SplitName, Table], column: str, given: Sequence[str] | None
) -> LabelColumns:
    """Turn the label columns of all splits into class indices.

    Args:
        tables: Split name to table.
        column: Name of the label column.
        given: Class names in their order, or None to take those that occur.

    Raises:
        DataError: If labels are of mixed types, look like quantities, or are not among the given.
    """
    distinct = {split: _distinct(table, column) for split, table in tables.items()}
    warnings: tuple[str, ...] = ()
    if given is None:
        for split, table in tables.items():
            warnings += _mixed(table, column, distinct[split])
        names_of = _names({value for d in distinct.values() for value in d.values}, tables, column)
        order = tuple(dict.fromkeys(names_of[value] for value in _in_order(names_of)))
        class_names = next(
            (t.class_names[column] for t in tables.values() if column in t.class_names), None
        )
        if class_names is not None:
            # Another split may have classes that these names lack: they come last.
            place = {name: index for index, name in enumerate(class_names)}
            order = tuple(sorted(order, key=lambda name: place.get(name, len(place))))
    else:
        names_of = {v: _as_listed(v, given) for d in distinct.values() for v in d.values}
        order = tuple(given)
    position = {name: index for index, name in enumerate(order)}
    indices = {}
    for split, found in distinct.items():
        lookup = np.array(
            [position.get(names_of[value], _UNKNOWN) for value in found.values] + [MISSING],
            dtype=np.int32,
        )
        indices[split] = lookup[found.codes]
        if given is not None:
            _refuse_unlisted(tables[split], column, indices[split], found, order)
    return LabelColumns(order, indices, warnings)


def is_unlabelled(table: Table, column: str, given: Sequence[str] | None) -> bool:
    """Whether each label of a split is empty or -1, as benchmarks write those that they hide.

    Args:
        table: The split.
        column: Name of the label column.
        given: Class names of the task file; if -1 is one of them, it is a class.
    """
    hidden_is_class = given is not None and str(_HIDDEN) in given
    return all(
        _number(value) == _HIDDEN and not hidden_is_class
        for value in _distinct(table, column).values
    )


def _distinct(table: Table, column: str) -> _Distinct:
    """Find the different labels of a table; strings without the white space around them."""
    values = table.columns[column]
    class_names = table.class_names.get(column)
    if isinstance(values, list):
        if len(values) < table.rows:
            raise DataError(
                f"{table.source}: column '{column}' holds {holds(table, column)}, not classes",
                hint="Name the column of the classes with --label COL",
            )
        raw = values
        keys: dict[tuple[type, object], int] = {}
        codes = np.empty(len(raw), dtype=np.int64)
        for row, value in enumerate(raw):
            if isinstance(value, list | dict):
                raise DataError(
                    f"{table.source}: column '{column}' holds nested values, not classes"
                    f" ({rows_phrase([row])})",
                    hint="Only one class a text is supported; name another column with --label COL",
                )
            cleaned = _clean(value)
            # True equals 1 in Python: the type is part of the key.
            key = (type(cleaned), cleaned)
            codes[row] = -1 if cleaned is None else keys.setdefault(key, len(keys))
        return _Distinct([value for _, value in keys], codes)
    encoded = values.combine_chunks().dictionary_encode()
    dictionary = encoded.dictionary.to_pylist()
    codes = encoded.indices.fill_null(len(dictionary)).to_numpy(zero_copy_only=False)
    cleaned_values: list[object] = []
    place: dict[object, int] = {}
    lookup = np.full(len(dictionary) + 1, -1, dtype=np.int64)
    for code, value in enumerate(dictionary):
        cleaned = _clean(value)
        if class_names is not None and isinstance(cleaned, int):
            cleaned = class_names[cleaned] if 0 <= cleaned < len(class_names) else None
        if cleaned is None:
            continue
        if cleaned not in place:
            place[cleaned] = len(cleaned_values)
            cleaned_values.append(cleaned)
        lookup[code] = place[cleaned]
    return _Distinct(cleaned_values, lookup[codes])


def _clean(value: object) -> object:
    """Return a label without white space around it; None for a missing one."""
    if value is None or is_nan(value):
        return None
    if isinstance(value, str):
        return value.strip() or None
    return value


def _mixed(table: Table, column: str, distinct: _Distinct) -> tuple[str, ...]:
    """Refuse a column in which some labels are numbers and others are not.

    Where the format knows no types, they are all names: that is only warned of.
    """
    if column in table.class_names or all(_boolean(value) for value in distinct.values):
        return ()
    kinds = [_kind(value, table.untyped) for value in distinct.values]
    if len(set(kinds)) < 2:
        return ()
    parts = []
    for kind in sorted(set(kinds)):
        of_kind = [code for code, k in enumerate(kinds) if k == kind]
        rows = np.flatnonzero(np.isin(distinct.codes, of_kind))
        shown = name_phrase(distinct.values[of_kind[0]])
        parts.append(f"{kind} such as {shown} in {rows_phrase(rows)}")
    problem = f"{table.source}: column '{column}' mixes label types: {', '.join(parts)}"
    if table.untyped:
        return (f"{problem}; each value is the name of a class",)
    raise DataError(
        problem,
        hint="Write all labels in one way, or list the classes under 'labels:' in a task file",
    )


def _kind(value: object, untyped: bool) -> str:
    """Name the kind of a label."""
    if isinstance(value, bool):
        return "booleans"
    if isinstance(value, int | float):
        return "numbers"
    if untyped and _NUMBER.fullmatch(str(value)):
        return "numbers"
    return "strings"


def _names(
    values: set[object], tables: Mapping[SplitName, Table], column: str
) -> dict[object, str]:
    """Give each label its class name; refuse what looks like a quantity or an id."""
    source = next(iter(tables.values())).source
    booleans = {v: name for v in values if (name := _boolean(v))}
    if len(booleans) == len(values):
        return booleans
    numbers = {v: number for v in values if (number := _number(v)) is not None}
    if len(numbers) == len(values):
        whole = all(number == int(number) for number in numbers.values())  # 1, 1.0, "1": one class
        different = len(set(numbers.values()))
        rows = sum(table.rows for table in tables.values())
        if (not whole and different > _MAX_FRACTIONS) or different > max(rows // 2, _MAX_FRACTIONS):
            raise DataError(
                f"{source}: column '{column}' holds {different:,} different numbers: a quantity"
                " or an id, not classes",
                hint="Name the column of the classes with --label COL, or put the numbers in bins",
            )
        if whole:
            return {v: str(int(number)) for v, number in numbers.items()}
        return {v: repr(float(number)) for v, number in numbers.items()}
    if len(values) > MAX_CLASSES:
        raise DataError(
            f"{source}: column '{column}' holds {len(values):,} different labels,"
            f" more than {MAX_CLASSES:,}",
            hint="Name the column of the classes with --label COL",
        )
    return {value: _as_name(value) for value in values}


def _number(value: object) -> float | int | None:
    """Return a label's number; strings count as numbers if written plainly (no leading zeros)."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    text = str(value)
    if _INTEGER.fullmatch(text):
        return int(text)
    if "." in text and _NUMBER.fullmatch(text):
        number = float(text)
        return number if np.isfinite(number) else None
    return None


def _boolean(value: object) -> str:
    """Return ``true`` or ``false`` for a boolean, also as CSV has it; else nothing."""
    name = str(value).casefold() if isinstance(value, bool | str) else ""
    return name if name in ("false", "true") else ""


def _as_listed(value: object, given: Sequence[str]) -> str:
    """Name a label as it stands; a boolean as the task file lists it."""
    name = _as_name(value)
    if name in given or not (boolean := _boolean(value)):
        return name
    return next((listed for listed in given if listed.casefold() == boolean), name)


def _as_name(value: object) -> str:
    """Name a label as it stands; booleans in lower case, whole floats without a point."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _in_order(names_of: Mapping[object, str]) -> list[object]:
    """Sort labels: numbers by value, others by code point."""
    numbers = {value: _number(value) for value in names_of}
    if all(number is not None for number in numbers.values()):
        return sorted(names_of, key=lambda value: numbers[value])  # type: ignore[arg-type,return-value]
    return sorted(names_of, key=lambda value: names_of[value])


def _refuse_unlisted(
    table: Table, column: str, indices: np.ndarray, found: _Distinct, order: Sequence[str]
) -> None:
    """Refuse labels that the task file does not list."""
    rows = np.flatnonzero(indices == _UNKNOWN)
    if len(rows):
        value = found.values[found.codes[rows[0]]]
        raise DataError(
            f"{table.source}: column '{column}' has labels that are not listed under 'labels:',"
            f" such as {name_phrase(value)}, in {rows_phrase(rows)}",
            hint=f"Listed are: {', '.join(map(name_phrase, order[:20]))}. Add the missing ones, or"
            " correct the rows",
        )
