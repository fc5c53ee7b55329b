"""History tables: one row an experience, in the columns of ``layout`` and, joined, ``trust``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from xautolm_core.experience.coded import NONE
from xautolm_core.experience.coded import Coded

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

TRUST = "trust"
"""The column with the weight of the store that a row comes from, in (0, 1]."""


def with_trust(table: pa.Table, trust: float) -> pa.Table:
    """Return a table with one trust for all of its rows."""
    import pyarrow as pa

    return table.append_column(TRUST, pa.array(np.full(len(table), trust)))


def joined(tables: Iterable[pa.Table]) -> pa.Table:
    """Return the rows of tables one below the other, in one chunk, equal texts with equal codes.

    A column that a table does not have is missing there.
    """
    import pyarrow as pa

    wide = pa.dictionary(pa.int32(), pa.string())
    parts = []
    for table in tables:
        kinds = [wide if pa.types.is_dictionary(f.type) else f.type for f in table.schema]
        schema = pa.schema(zip(table.column_names, kinds, strict=True))
        parts.append(table.replace_schema_metadata(None).cast(schema))
    if not parts:
        kinds = {"id": pa.binary(16), "ended_at": pa.int64(), TRUST: pa.float64()}
        return pa.table({name: pa.array([], kind) for name, kind in kinds.items()})
    whole = pa.concat_tables(parts, promote_options="default")
    return whole.unify_dictionaries().combine_chunks()


def compacted(table: pa.Table) -> pa.Table:
    """Return a table whose texts have the same codes, wherever its rows come from."""
    import pyarrow as pa

    columns = {}
    for name in sorted(table.column_names):
        columns[name] = table.column(name)
        if pa.types.is_dictionary(table.schema.field(name).type):
            column = coded(table, name).compact()
            codes = pa.array(column.codes, pa.int32(), mask=column.codes == NONE)
            values = pa.array(column.values, pa.string())
            columns[name] = pa.DictionaryArray.from_arrays(codes, values)
    return pa.table(columns)


def coded(table: pa.Table, name: str) -> Coded:
    """Return a column of text (JSON where the store's is); without values if it is missing."""
    column = text_column(table, name)
    if column is None:
        return Coded.empty(len(table))
    return Coded(codes_of(column), tuple(column.dictionary.to_pylist()))


def text_column(table: pa.Table, name: str) -> pa.DictionaryArray | None:
    """Return a column of text; None if it is missing."""
    if name not in table.column_names or not len(table):
        return None
    return table.column(name).chunk(0)


def numbers(table: pa.Table, name: str) -> NDArray[np.float64]:
    """Return a column of numbers, with NaN where one is missing."""
    if name not in table.column_names or not len(table):
        return np.full(len(table), np.nan)
    found: NDArray[np.float64] = table.column(name).chunk(0).fill_null(np.nan).to_numpy()
    return found


def times(table: pa.Table) -> NDArray[np.int64]:
    """Return when each row ended: microseconds since 1970 (UTC)."""
    found: NDArray[np.int64] = table.column("ended_at").to_numpy()
    return found


def equals(table: pa.Table, name: str, value: str) -> NDArray[np.bool_]:
    """Return which rows have a text in a column, shape (rows,)."""
    return coded(table, name).equals(value)


def codes_of(column: pa.Array) -> NDArray[np.int32]:
    """Return the index of each value in a column's dictionary; ``NONE`` where it has none."""
    indices = column.indices
    filled = indices.fill_null(NONE) if indices.null_count else indices
    return np.asarray(filled.to_numpy(), dtype=np.int32)


def first_of_each_id(
    ids: NDArray[np.uint8], ended_at: NDArray[np.int64], trust: NDArray[np.float64]
) -> NDArray[np.bool_] | None:
    """Return a mask with one row for each id; None if no id occurs twice.

    Args:
        ids: Shape (rows, 16), uint8.
        ended_at: Shape (rows,). Of equally trusted rows the earliest stays.
        trust: Shape (rows,). The most trusted row stays.
    """
    words = id_words(ids)
    ordered = np.sort(words[:, 0])
    repeated = ordered[1:][ordered[1:] == ordered[:-1]]
    if len(repeated) == 0:
        return None
    suspects = np.flatnonzero(np.isin(words[:, 0], repeated))
    high, low = words[suspects, 0], words[suspects, 1]
    order = np.lexsort((suspects, ended_at[suspects], -trust[suspects], low, high))
    again = (np.diff(high[order]) == 0) & (np.diff(low[order]) == 0)
    kept = np.ones(len(ids), dtype=bool)
    kept[suspects[order[1:][again]]] = False
    return kept


def id_words(ids: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Return ids as pairs of numbers that are ordered as they are, shape (rows, 2)."""
    return np.ascontiguousarray(ids).view(">u8").astype(np.uint64).reshape(-1, 2)


def time_order(ended_at: NDArray[np.int64], ids: NDArray[np.uint8]) -> NDArray[np.int64] | None:
    """Return the order by end time and id; None if the rows are in it already."""
    if (np.diff(ended_at) > 0).all():
        return None
    order = np.argsort(ended_at, kind="stable")
    same = np.diff(ended_at[order]) == 0
    tied = np.flatnonzero(np.append(same, False) | np.append(False, same))
    if len(tied):
        members = order[tied]
        words = id_words(ids[members])
        order[tied] = members[np.lexsort((words[:, 1], words[:, 0], ended_at[members]))]
    return order
