"""Segments: very many experiences in one Parquet file, in the layout of ``columns``.

Rows are ordered by (ended_at, id). A file is named by its content and never changes. Besides, each
page has a checksum and the manifest knows the digest of the footer, so that a reader of a few
columns finds a flipped bit without reading the whole file.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from typing import Any

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
from xautolm_core.experience.footer import footer_of
from xautolm_core.experience.keys import SEGMENTS

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


@dataclass(frozen=True)
class EncodedSegment:
    """A segment's file, not yet written.

    Attributes:
        key: Where it belongs.
        data: The file.
        rows: Its number of rows.
        footer: SHA-256 of the Parquet footer (hex).
        first_ended_at: Of its first row (UTC).
        last_ended_at: Of its last row (UTC).
    """

    key: str
    data: bytes
    rows: int
    footer: str
    first_ended_at: datetime
    last_ended_at: datetime

    @property
    def buffer(self) -> pa.Buffer:
        """The file, for Arrow."""
        import pyarrow as pa

        return pa.py_buffer(self.data)


def segment_key(data: bytes | memoryview | pa.Buffer) -> str:
    """Return the key of a segment: it is named by its content."""
    return f"{SEGMENTS}{hashlib.sha256(data).hexdigest()}.parquet"


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


def encode_segment(table: pa.Table) -> EncodedSegment:
    """Return the file of a sorted table that is not empty."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    # A nonce makes each file unique: a segment that was replaced can never come back.
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
    data = sink.getvalue().to_pybytes()
    ends = table["ended_at"]
    return EncodedSegment(
        key=segment_key(data),
        data=data,
        rows=table.num_rows,
        footer=hashlib.sha256(footer_of(pa.py_buffer(data))).hexdigest(),
        first_ended_at=ends[0].as_py(),
        last_ended_at=ends[-1].as_py(),
    )


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


def is_whole(key: str, data: bytes | memoryview | pa.Buffer) -> bool:
    """Whether a segment's content is what its name says."""
    return segment_key(data) == key


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
