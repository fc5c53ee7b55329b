"""Segments: very many experiences in one Parquet file, in the layout of ``columns``.

Rows are ordered by (ended_at, id). A file is named by its content and never changes. Besides, each
page has a checksum and the manifest knows the digest of the footer, so that a reader of a few
columns finds a flipped bit without reading the whole file.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

from xautolm_core.experience.codec import CorruptObjectError
from xautolm_core.experience.codec import Payload
from xautolm_core.experience.codec import digest_of
from xautolm_core.experience.columns import COLUMNS_VERSION
from xautolm_core.experience.columns import SCORE
from xautolm_core.experience.columns import SECONDS
from xautolm_core.experience.columns import TIMES
from xautolm_core.experience.columns import WHOLE_NUMBERS
from xautolm_core.experience.columns import Row
from xautolm_core.experience.columns import column_type
from xautolm_core.experience.columns import fixed_columns
from xautolm_core.experience.columns import from_table
from xautolm_core.experience.columns import to_table
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
_TAIL_BYTES = 8
_MAGIC = b"PAR1"


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
        footer=hashlib.sha256(_footer_of(pa.py_buffer(data))).hexdigest(),
        first_ended_at=ends[0].as_py(),
        last_ended_at=ends[-1].as_py(),
    )


class SegmentReader:
    """Reads a segment, row group by row group.

    Args:
        key: Its key.
        source: Its content, or the path of its file.
        footer: Digest of its footer, if known; without it the whole file is checked against its
            name.

    Raises:
        CorruptObjectError: The file is not what its name or its footer's digest says.
        FileNotFoundError: There is no such file.
    """

    def __init__(self, key: str, source: pa.Buffer | Path, footer: str | None) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self.key = key
        # Native files only, and no threads: Arrow's threads outlive the call, and with a Python
        # object in their hands they abort the interpreter at exit (apache/arrow 33975, 50482).
        file = pa.OSFile(str(source)) if isinstance(source, Path) else pa.BufferReader(source)
        try:
            if footer is None:
                _check_name(key, file.read_buffer())
            elif hashlib.sha256(_footer_at_end(file)).hexdigest() != footer:
                raise CorruptObjectError("its footer is not what was written")
            self._file = pq.ParquetFile(file, pre_buffer=False, page_checksum_verification=True)
        except (pa.ArrowException, OSError, ValueError) as error:
            raise CorruptObjectError(f"no readable Parquet file: {_words(error)}") from error
        metadata = self._file.schema_arrow.metadata or {}
        self.is_legacy = VERSION_KEY not in metadata
        version = metadata.get(VERSION_KEY, b"0")
        if version not in {b"0", str(COLUMNS_VERSION).encode()}:
            written = version.decode(errors="replace")[:8]
            raise CorruptObjectError(f"has layout version {written}, newer than this xautolm")
        if not self.is_legacy:
            _check_columns(self._file.schema_arrow)
        self.column_names: frozenset[str] = frozenset(self._file.schema_arrow.names)

    @property
    def row_groups(self) -> int:
        """The number of row groups."""
        return int(self._file.num_row_groups)

    @property
    def rows(self) -> int:
        """The number of rows."""
        return int(self._file.metadata.num_rows)

    def first_ended_at(self, row_group: int) -> datetime | None:
        """Return the end of a row group's first row (UTC), if the file says so."""
        import pyarrow as pa

        index = self._file.schema_arrow.get_field_index("ended_at")
        try:
            statistics = self._file.metadata.row_group(row_group).column(index).statistics
        except pa.ArrowException:
            return None
        has_minimum = statistics is not None and statistics.has_min_max
        return statistics.min if has_minimum else None

    def read(self, row_group: int, columns: Sequence[str] | None = None) -> pa.Table:
        """Return a row group's table, with those of the columns that the file has.

        Raises:
            CorruptObjectError: It cannot be read.
        """
        import pyarrow as pa

        wanted = None if columns is None else [c for c in columns if c in self.column_names]
        try:
            table = self._file.read_row_group(row_group, columns=wanted, use_threads=False)
            table.validate()
        except (pa.ArrowException, OSError, ValueError, KeyError, MemoryError) as error:
            raise CorruptObjectError(
                f"row group {row_group + 1} of {self.row_groups}: {_words(error)}"
            ) from error
        return table


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


def each_row_group(
    reader: SegmentReader,
    columns: Sequence[str] | None,
    skip: frozenset[int],
    on_broken: Callable[[int, str], None],
) -> Iterator[tuple[int, pa.Table]]:
    """Yield number and table of each readable row group; broken ones are told and left out."""
    for group in range(reader.row_groups):
        if group in skip:
            continue
        try:
            table = reader.read(group, columns)
        except CorruptObjectError as error:
            on_broken(group, str(error))
            continue
        yield group, table


def _typed(table: pa.Table) -> pa.Table:
    """Return the table without metadata, each column in the type that the layout gives it."""
    import pyarrow as pa

    schema = pa.schema([(name, column_type(name)) for name in table.column_names])
    table = table.replace_schema_metadata(None)
    return table if table.schema.equals(schema) else table.cast(schema)


def _encoding(name: str) -> str:
    if name in TIMES or name in WHOLE_NUMBERS:
        return "DELTA_BINARY_PACKED"
    if name.startswith((SECONDS, SCORE)) or name in ("latency_ms", "data_fraction"):
        return "BYTE_STREAM_SPLIT"
    return "PLAIN"


def _check_columns(schema: pa.Schema) -> None:
    wrong = [f.name for f in schema if f.type != column_type(f.name)]
    wrong += sorted(set(fixed_columns()).difference(schema.names))
    if wrong:
        raise CorruptObjectError(f"its column {wrong[0][:80]!r} is missing or of another type")


def _check_name(key: str, data: pa.Buffer) -> None:
    if not is_whole(key, data):
        raise CorruptObjectError("its content does not match its name")


def _footer_at_end(file: Any) -> pa.Buffer:
    size = file.size()
    if size < _TAIL_BYTES:
        raise CorruptObjectError(f"no complete Parquet file ({size} bytes)")
    file.seek(size - _TAIL_BYTES)
    length = _footer_length(file.read(_TAIL_BYTES), size)
    file.seek(size - length)
    return file.read_buffer(length)


def _footer_of(data: pa.Buffer) -> pa.Buffer:
    length = _footer_length(data.slice(data.size - _TAIL_BYTES).to_pybytes(), data.size)
    return data.slice(data.size - length)


def _footer_length(tail: bytes, size: int) -> int:
    """Return the bytes of the footer with its length and the magic word behind it."""
    length = int.from_bytes(tail[:4], "little") + _TAIL_BYTES
    if tail[4:] != _MAGIC or length > size:
        raise CorruptObjectError("does not end like a Parquet file")
    return length


def _words(error: BaseException) -> str:
    return " ".join(str(error).split())[:160] or type(error).__name__


def _legacy_rows(table: pa.Table) -> Iterator[Row]:
    for batch in table.to_batches(max_chunksize=1_000):
        for row in batch.to_pylist():
            if digest_of(row["payload"]) != row["digest"]:
                raise CorruptObjectError(f"row {row['key']} does not match its digest")
            yield Row(
                row["key"], Payload(row["payload"], row["digest"], row["id"], row["ended_at"])
            )
