"""Segments: very many experiences in one Parquet file, in the layout of ``columns``.

Rows are ordered by (ended_at, id). A file never changes, and its name says what is to be known
before it is opened: see ``Segment``. Each page has a checksum, so that a reader of a few columns
finds a flipped bit without reading the whole file.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from datetime import datetime
from typing import TYPE_CHECKING
from typing import Any

from xautolm_core.experience.codec import CorruptObjectError
from xautolm_core.experience.columns import COLUMNS_VERSION
from xautolm_core.experience.columns import PLAN
from xautolm_core.experience.columns import PREDICTED
from xautolm_core.experience.columns import SCORE
from xautolm_core.experience.columns import SECONDS
from xautolm_core.experience.columns import TIMES
from xautolm_core.experience.columns import WHOLE_NUMBERS
from xautolm_core.experience.columns import column_type
from xautolm_core.experience.columns import from_table
from xautolm_core.experience.columns import is_plan_bytes
from xautolm_core.experience.columns import to_table
from xautolm_core.experience.keys import SEGMENTS
from xautolm_core.experience.keys import mark_of
from xautolm_core.experience.keys import time_of_mark

if TYPE_CHECKING:
    import pyarrow as pa

SEGMENT_ROWS = 250_000
"""The most rows of a segment; one that has as many is never written again."""

ROW_GROUP_ROWS = 20_000
VERSION_KEY = b"xautolm.columns"
"""In the file's metadata: the version of the layout."""

_NONCE_KEY = b"xautolm.nonce"
_COMPRESSION_LEVEL = 6
_DICTIONARY_PAGE_BYTES = 8 * 1024 * 1024
_TAIL_BYTES = 8
_MAGIC = b"PAR1"
_BEGINNING = datetime.min.replace(tzinfo=UTC)
_NAME = re.compile(
    rf"{SEGMENTS}(?P<generation>\d{{6,9}})-(?P<rows>\d{{1,9}})-(?P<first>[0-9a-f]{{12}})-"
    r"(?P<last>[0-9a-f]{12})-(?P<digest>[0-9a-f]{64})-(?P<footer>[0-9a-f]{32})\.parquet"
)


@dataclass(frozen=True)
class Segment:
    """What the name of a segment says.

    Attributes:
        key: ``segments/<generation>-<rows>-<first>-<last>-<digest>-<footer>.parquet``.
        generation: One higher than those of the segments that it was made of; 1 if it was made of
            single objects.
        rows: Its number of rows.
        first: Milliseconds since 1970 of the end of its first row, 6 bytes.
        last: Likewise of its last row.
        digest: SHA-256 of the file (hex).
        footer: The first 32 digits of the SHA-256 of its Parquet footer.
    """

    key: str
    generation: int
    rows: int
    first: bytes
    last: bytes
    digest: str
    footer: str

    @property
    def rank(self) -> tuple[int, int, str]:
        """Its place among all segments ever: those that it was made of come before it."""
        return self.generation, self.rows, self.digest

    @property
    def first_ended_at(self) -> datetime:
        """A time (UTC) before which no row of it ended."""
        # What ended before 1970 is recorded as if it had ended then.
        time = time_of_mark(self.first) if any(self.first) else None
        return time or _BEGINNING

    def is_whole(self, data: bytes | memoryview | pa.Buffer) -> bool:
        """Whether a content is what the name says."""
        return hashlib.sha256(data).hexdigest() == self.digest


def segment_of(key: str) -> Segment | None:
    """Return the facts in a segment's key; None if it is not a segment's."""
    match = _NAME.fullmatch(key)
    if match is None:
        return None
    return Segment(
        key=key,
        generation=int(match["generation"]),
        rows=int(match["rows"]),
        first=bytes.fromhex(match["first"]),
        last=bytes.fromhex(match["last"]),
        digest=match["digest"],
        footer=match["footer"],
    )


def name_segment(
    data: pa.Buffer, *, generation: int, ends: Sequence[datetime], rows: int
) -> Segment:
    """Return the segment that a file is.

    Args:
        data: The file.
        generation: See ``Segment``.
        ends: When its first and its last row ended.
        rows: Its number of rows.
    """
    first, last = (mark_of(end, b"").hex() for end in ends)
    digests = f"{hashlib.sha256(data).hexdigest()}-{footer_digest(footer_of(data))}"
    segment = segment_of(f"{SEGMENTS}{generation:06d}-{rows}-{first}-{last}-{digests}.parquet")
    assert segment is not None
    return segment


def sort_rows(table: pa.Table) -> pa.Table:
    """Return a table in the layout of ``columns``, ordered by (ended_at, id), each of these once.

    Of rows with the same time and id, the one with the smallest digest stays.
    """
    import numpy as np
    import pyarrow.compute as pc

    keys = table.select(["ended_at", "id", "digest"])
    order = pc.sort_indices(keys, [(name, "ascending") for name in keys.column_names])
    ordered = keys.select(["ended_at", "id"]).take(order).combine_chunks()
    times = ordered["ended_at"].cast("int64").to_numpy()
    identities = fixed_bytes(ordered["id"])
    first = np.ones(len(times), bool)
    first[1:] = (times[1:] != times[:-1]) | (identities[1:] != identities[:-1]).any(axis=1)
    kept = order.filter(first) if not first.all() else order
    return table.unify_dictionaries().take(kept).combine_chunks()


def fixed_bytes(column: pa.ChunkedArray) -> Any:
    """Return a column of fixed-size binary values as a numpy array of uint8, a row for each."""
    import numpy as np

    width = column.type.byte_width
    parts = [
        np.frombuffer(chunk.buffers()[1], np.uint8).reshape(-1, width)[
            chunk.offset : chunk.offset + len(chunk)
        ]
        for chunk in column.chunks
        if len(chunk)
    ]
    return np.concatenate(parts) if parts else np.empty((0, width), np.uint8)


def encode_segment(table: pa.Table, generation: int) -> tuple[Segment, pa.Buffer]:
    """Return the segment of a sorted table that is not empty, and its file.

    Args:
        table: In the layout of ``columns``.
        generation: See ``Segment``.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    # A nonce makes each file unique: a segment that was deleted can never come back.
    metadata = {VERSION_KEY: str(COLUMNS_VERSION).encode(), _NONCE_KEY: secrets.token_bytes(16)}
    sink = pa.BufferOutputStream()
    schema = table.schema.with_metadata(metadata)
    words = [field.name for field in schema if pa.types.is_dictionary(field.type)]
    with pq.ParquetWriter(
        sink,
        schema,
        compression="zstd",
        compression_level=_COMPRESSION_LEVEL,
        use_dictionary=words,
        dictionary_pagesize_limit=_DICTIONARY_PAGE_BYTES,
        column_encoding={n: _encoding(n) for n in schema.names if n not in words},
        write_page_checksum=True,
    ) as writer:
        for start in range(0, table.num_rows, ROW_GROUP_ROWS):
            # A dictionary is written whole into each row group, whatever rows that has.
            part = tight(table.slice(start, ROW_GROUP_ROWS)).replace_schema_metadata(metadata)
            writer.write_table(part, row_group_size=ROW_GROUP_ROWS)
    data = sink.getvalue()
    ends = [table["ended_at"][place].as_py() for place in (0, -1)]
    return name_segment(data, generation=generation, ends=ends, rows=table.num_rows), data


def tight(table: pa.Table) -> pa.Table:
    """Return the table without dictionary values that no row has.

    A row that was filtered out must not stay behind in a dictionary.
    """
    import numpy as np
    import pyarrow as pa

    table = table.unify_dictionaries().combine_chunks()
    for index, name in enumerate(table.column_names):
        kind = table.schema.field(index).type
        if not pa.types.is_dictionary(kind) or not table.num_rows:
            continue
        words = table.column(index).chunk(0)
        codes = words.indices
        used = np.unique(codes.drop_null().to_numpy())
        if len(used) < len(words.dictionary):
            places = np.searchsorted(used, codes.fill_null(0).to_numpy()).astype(np.int32)
            packed = pa.array(places, mask=codes.is_null().to_numpy(zero_copy_only=False))
            words = pa.DictionaryArray.from_arrays(packed, words.dictionary.take(used))
            table = table.set_column(index, name, words.cast(kind))
    return table


def check_table(table: pa.Table) -> None:
    """Put every row together and check it against its digest.

    Raises:
        CorruptObjectError: A row does not match.
    """
    for _ in from_table(table):
        pass


def empty_table() -> pa.Table:
    """Return a table without rows."""
    return to_table(())


def join_tables(tables: Sequence[pa.Table]) -> pa.Table:
    """Return the rows of all tables; a column that one does not have is null there."""
    import pyarrow as pa

    if not tables:
        return empty_table()
    return pa.concat_tables([_typed(table) for table in tables], promote_options="default")


def _typed(table: pa.Table) -> pa.Table:
    """Return the table without metadata, each column in the type that the layout gives it."""
    import pyarrow as pa

    schema = pa.schema([(name, column_type(name)) for name in table.column_names])
    table = table.replace_schema_metadata(None)
    return table if table.schema.equals(schema) else table.cast(schema)


def _encoding(name: str) -> str:
    if name in TIMES or name in WHOLE_NUMBERS or is_plan_bytes(name):
        return "DELTA_BINARY_PACKED"
    if name.startswith((SECONDS, SCORE, PLAN, PREDICTED)) or name in (
        "latency_ms",
        "data_fraction",
    ):
        return "BYTE_STREAM_SPLIT"
    return "PLAIN"


def footer_digest(footer: pa.Buffer) -> str:
    """Return the digest of a footer, as used in a segment's name."""
    return hashlib.sha256(footer).hexdigest()[:32]


def footer_at_end(file: Any) -> pa.Buffer:
    """Return the footer of a native Arrow file.

    Raises:
        CorruptObjectError: It does not end like a Parquet file.
    """
    size = file.size()
    if size < _TAIL_BYTES:
        raise CorruptObjectError(f"no complete Parquet file ({size} bytes)")
    file.seek(size - _TAIL_BYTES)
    length = _footer_length(file.read(_TAIL_BYTES), size)
    file.seek(size - length)
    return file.read_buffer(length)


def footer_of(data: pa.Buffer) -> pa.Buffer:
    """Return the footer of a file's content.

    Raises:
        CorruptObjectError: It does not end like a Parquet file.
    """
    length = _footer_length(data.slice(data.size - _TAIL_BYTES).to_pybytes(), data.size)
    return data.slice(data.size - length)


def _footer_length(tail: bytes, size: int) -> int:
    """Return the bytes of the footer with its length and the magic word behind it."""
    length = int.from_bytes(tail[:4], "little") + _TAIL_BYTES
    if tail[4:] != _MAGIC or length > size:
        raise CorruptObjectError("does not end like a Parquet file")
    return length
