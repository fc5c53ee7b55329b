"""Writes segments, each checked before anybody relies on it."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from typing import TYPE_CHECKING
from typing import Any

from xautolm_core.experience.codec import CorruptObjectError
from xautolm_core.experience.columns import from_table
from xautolm_core.experience.coverage import marks_of
from xautolm_core.experience.manifest import SegmentEntry
from xautolm_core.experience.reader import StoreReader
from xautolm_core.experience.segment import SEGMENT_ROWS
from xautolm_core.experience.segment import EncodedSegment
from xautolm_core.experience.segment import check_table
from xautolm_core.experience.segment import encode_segment
from xautolm_core.experience.segment import fixed_bytes
from xautolm_core.experience.segment_reader import SegmentReader
from xautolm_core.objects.contract import ObjectStorage

if TYPE_CHECKING:
    import pyarrow as pa


def write_segment(storage: ObjectStorage, table: pa.Table) -> SegmentEntry:
    """Write a sorted table that is not empty, and return what a manifest says of it.

    Raises:
        StoreError: It cannot be written.
        CorruptObjectError: What Arrow made of the table is not the table.
    """
    segment = encode_segment(table)
    _compare(segment, table)
    storage.put(segment.key, segment.data)
    return SegmentEntry(
        key=segment.key,
        rows=segment.rows,
        size_bytes=len(segment.data),
        footer=segment.footer,
        first_ended_at=segment.first_ended_at,
        last_ended_at=segment.last_ended_at,
    )


def split(table: pa.Table) -> Iterator[pa.Table]:
    """Yield a table in parts of at most ``SEGMENT_ROWS`` rows, about equally many each."""
    parts = -(-table.num_rows // SEGMENT_ROWS)
    for part in range(parts):
        start, end = (table.num_rows * n // parts for n in (part, part + 1))
        yield table.slice(start, end - start)


def exact_rows(table: pa.Table) -> tuple[pa.Table, list[str]]:
    """Return the rows that give their objects again, byte for byte, and the keys of the others.

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
    found = rows_with_ids(table, identities)
    return table.filter(~found) if found.any() else table


def rows_with_ids(table: pa.Table, identities: frozenset[bytes]) -> Any:
    """Return a numpy mask of the rows whose id (16 bytes) is one of these."""
    import numpy as np

    rows = fixed_bytes(table["id"])
    mask = np.zeros(len(rows), bool)
    if not identities or not len(rows):
        return mask
    wanted = np.frombuffer(b"".join(identities), np.uint64).reshape(-1, 2)
    found = np.ascontiguousarray(rows).view(np.uint64).reshape(-1, 2)
    for i in np.flatnonzero(np.isin(found[:, 1], wanted[:, 1])):
        mask[i] = rows[i].tobytes() in identities
    return mask


def rows_not_in(reader: StoreReader, entries: Iterable[SegmentEntry], table: pa.Table) -> pa.Table:
    """Return the rows that none of these segments holds.

    Raises:
        StoreChangedError: A segment is gone, or broken: look again.
    """
    import numpy as np

    marks = [row.tobytes() for row in marks_of([table])]
    held = reader.which_are_in(entries, set(marks))
    return table.filter(np.array([mark not in held for mark in marks], bool))


def _compare(segment: EncodedSegment, table: pa.Table) -> None:
    """Read a segment's file again, and compare it with the table that it was made of."""
    reader = SegmentReader(segment.key, segment.buffer, segment.footer)
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
