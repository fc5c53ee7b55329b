"""Segments: many experiences in one Parquet file, a copy that is faster to read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from xautolm_core.experience.codec import CorruptObjectError
from xautolm_core.experience.codec import Payload
from xautolm_core.experience.codec import digest_of
from xautolm_core.experience.codec import experience_of
from xautolm_core.experience.keys import SEGMENTS

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class SegmentRow:
    """One object as a segment holds it: its key and its payload."""

    key: str
    payload: Payload


def segment_key(data: bytes) -> str:
    """Return the key of a segment: it is named by its content."""
    return f"{SEGMENTS}{hashlib.sha256(data).hexdigest()}.parquet"


def encode_segment(payloads: Mapping[str, Payload]) -> bytes:
    """Return a Parquet file (zstd) of verified payloads by key, ordered by end time and id.

    The columns beside ``payload`` are for whoever looks at the file with other tools.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = sorted(payloads.items(), key=lambda item: (item[1].ended_at, item[1].id, item[0]))
    experiences = [experience_of(payload) for _, payload in rows]
    text = pa.string()
    table = pa.table(
        {
            "id": pa.array([p.id for _, p in rows], text),
            "key": pa.array([key for key, _ in rows], text),
            "digest": pa.array([p.digest for _, p in rows], text),
            "ended_at": pa.array([p.ended_at for _, p in rows], pa.timestamp("us", tz="UTC")),
            "tenant": pa.array([e.tenant for e in experiences], text),
            "task_type": pa.array([e.task_type for e in experiences], text),
            "search_id": pa.array([e.search_id for e in experiences], text),
            "outcome": pa.array([e.outcome.value for e in experiences], text),
            "payload": pa.array([p.text for _, p in rows], text),
        }
    )
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", row_group_size=10_000)
    return bytes(sink.getvalue())


def decode_segment(key: str, data: bytes) -> Iterator[SegmentRow]:
    """Yield the rows of a segment, each checked against its digest.

    Raises:
        CorruptObjectError: The file is not what its name says; no row can be trusted then.
    """
    if segment_key(data) != key:
        raise CorruptObjectError("its content does not match its name")
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = ["id", "key", "digest", "ended_at", "payload"]
    try:
        # No Python file object and no threads: Arrow's threads outlive the call, and with a Python
        # object in their hands they abort the interpreter at exit (apache/arrow 33975, 50482).
        with pq.ParquetFile(pa.BufferReader(data), pre_buffer=False) as file:
            table = file.read(columns=columns, use_threads=False)
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise CorruptObjectError(f"no readable Parquet file: {type(error).__name__}") from error
    yield from _rows(table)


def _rows(table: pa.Table) -> Iterator[SegmentRow]:
    for batch in table.to_batches(max_chunksize=1_000):
        for row in batch.to_pylist():
            # The file's digest is right, so the payload is what the compactor verified; the row's
            # digest guards against a compactor that mixed up its rows.
            if digest_of(row["payload"]) != row["digest"]:
                raise CorruptObjectError(f"row {row['key']} does not match its digest")
            ended_at: datetime = row["ended_at"]
            yield SegmentRow(
                row["key"], Payload(row["payload"], row["digest"], row["id"], ended_at)
            )
