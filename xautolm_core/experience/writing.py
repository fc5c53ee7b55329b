"""Writes segments, each checked before anybody relies on it."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from typing import TYPE_CHECKING

from xautolm_core.experience.codec import CorruptObjectError
from xautolm_core.experience.columns import from_table
from xautolm_core.experience.marks import among
from xautolm_core.experience.segment import SEGMENT_ROWS
from xautolm_core.experience.segment import Segment
from xautolm_core.experience.segment import check_table
from xautolm_core.experience.segment import encode_segment
from xautolm_core.experience.segment import fixed_bytes
from xautolm_core.experience.segment import join_tables
from xautolm_core.experience.segment import sort_rows
from xautolm_core.experience.segment_reader import SegmentReader
from xautolm_core.objects.contract import ObjectStorage

if TYPE_CHECKING:
    import pyarrow as pa


def write_segments(
    storage: ObjectStorage, tables: Iterable[pa.Table], *, generation: int
) -> list[Segment]:
    """Write the rows of tables as segments of about equally many rows, at most ``SEGMENT_ROWS``.

    Args:
        storage: Where to.
        tables: In the layout of ``columns``, their rows in any order.
        generation: See ``Segment``.

    Raises:
        StoreError: They cannot be written.
        CorruptObjectError: What Arrow made of the rows is something else.
    """
    table = sort_rows(join_tables(list(tables)))
    written: list[Segment] = []
    for part in _split(table):
        segment, data = encode_segment(part, generation)
        _compare(segment, data, part)
        storage.put(segment.key, data.to_pybytes())
        written.append(segment)
    return written


def exact_rows(table: pa.Table) -> tuple[pa.Table, list[str]]:
    """Return the rows that give their objects again, byte for byte, and the ids of the others.

    There should be no others; if there are, their objects must stay.
    """
    try:
        check_table(table)
    except CorruptObjectError:
        kept = [i for i in range(table.num_rows) if _is_exact(table.slice(i, 1))]
        lost = set(range(table.num_rows)) - set(kept)
        return table.take(kept), [table["id"][i].as_py().hex() for i in sorted(lost)]
    return table, []


def without_ids(table: pa.Table, identities: frozenset[bytes]) -> pa.Table:
    """Return the rows whose id (16 bytes) is none of these."""
    found = among(fixed_bytes(table["id"]), identities)
    return table.filter(~found) if found.any() else table


def _split(table: pa.Table) -> Iterator[pa.Table]:
    parts = -(-table.num_rows // SEGMENT_ROWS)
    for part in range(parts):
        start, end = (table.num_rows * n // parts for n in (part, part + 1))
        yield table.slice(start, end - start)


def _compare(segment: Segment, data: pa.Buffer, table: pa.Table) -> None:
    """Read a segment's file again, and compare it with the table that it was made of."""
    reader = SegmentReader(segment, data)
    start = 0
    for group in range(reader.row_groups):
        found = reader.read(group)
        part = table.slice(start, found.num_rows)
        start += found.num_rows
        for name in table.column_names:
            if not _values(found[name]).equals(_values(part[name])):
                raise CorruptObjectError(f"column {name} was not read back as it was written")
    if start != table.num_rows:
        raise CorruptObjectError(f"{start} rows were read back instead of {table.num_rows}")


def _values(column: pa.ChunkedArray) -> pa.ChunkedArray:
    import pyarrow as pa

    kind = column.type
    return column.cast(kind.value_type) if pa.types.is_dictionary(kind) else column


def _is_exact(table: pa.Table) -> bool:
    try:
        return len(list(from_table(table))) == 1
    except CorruptObjectError:
        return False
