"""Segments of the older layout, with the JSON of each experience in a column ``payload``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from xautolm_core.experience.codec import CorruptObjectError
from xautolm_core.experience.codec import Payload
from xautolm_core.experience.codec import digest_of
from xautolm_core.experience.columns import Row
from xautolm_core.experience.columns import to_table
from xautolm_core.experience.segment import EncodedSegment
from xautolm_core.experience.segment import encode_segment
from xautolm_core.experience.segment import sort_rows
from xautolm_core.experience.segment_reader import SegmentReader

if TYPE_CHECKING:
    import pyarrow as pa


def modernize(key: str, data: pa.Buffer) -> EncodedSegment:
    """Return a segment of an older layout in that of today.

    Raises:
        CorruptObjectError: It is not what its name says.
    """
    return encode_segment(legacy_table(key, data))


def legacy_table(key: str, data: pa.Buffer) -> pa.Table:
    """Return the rows of a segment of the older layout (with a column ``payload``), sorted.

    Raises:
        CorruptObjectError: It is not what its name says.
    """
    reader = SegmentReader(key, data, None)
    columns = ["id", "key", "digest", "ended_at", "payload"]
    tables = (reader.read(group, columns) for group in range(reader.row_groups))
    return sort_rows(to_table(row for table in tables for row in _legacy_rows(table)))


def _legacy_rows(table: pa.Table) -> Iterator[Row]:
    for batch in table.to_batches(max_chunksize=1_000):
        for row in batch.to_pylist():
            if digest_of(row["payload"]) != row["digest"]:
                raise CorruptObjectError(f"row {row['key']} does not match its digest")
            yield Row(
                row["key"], Payload(row["payload"], row["digest"], row["id"], row["ended_at"])
            )
