"""Reads segments, row group by row group."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from xautolm_core.experience.codec import CorruptObjectError
from xautolm_core.experience.columns import COLUMNS_VERSION
from xautolm_core.experience.columns import column_type
from xautolm_core.experience.columns import fixed_columns
from xautolm_core.experience.footer import footer_at_end
from xautolm_core.experience.segment import VERSION_KEY
from xautolm_core.experience.segment import is_whole

if TYPE_CHECKING:
    import pyarrow as pa


class SegmentReader:
    """Reads a segment, row group by row group.

    Args:
        key: Its key.
        source: Its content, or the path of its file.
        footer: Digest of its footer, if known; without it the whole file is checked against its
            name.

    Raises:
        CorruptObjectError: The file is not what its name or its footer's digest says, or cannot be
            read.
        FileNotFoundError: There is no such file.
    """

    def __init__(self, key: str, source: pa.Buffer | Path, footer: str | None) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self.key = key
        # Native files only, and no threads: Arrow's threads outlive the call, and with a Python
        # object in their hands they abort the interpreter at exit (apache/arrow 33975, 50482).
        try:
            file = pa.OSFile(str(source)) if isinstance(source, Path) else pa.BufferReader(source)
            if footer is None:
                _check_name(key, file.read_buffer())
            elif hashlib.sha256(footer_at_end(file)).hexdigest() != footer:
                raise CorruptObjectError("its footer is not what was written")
            self._file = pq.ParquetFile(file, pre_buffer=False, page_checksum_verification=True)
        except FileNotFoundError:
            raise
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


def _check_columns(schema: pa.Schema) -> None:
    wrong = [f.name for f in schema if f.type != column_type(f.name)]
    wrong += sorted(set(fixed_columns()).difference(schema.names))
    if wrong:
        raise CorruptObjectError(f"its column {wrong[0][:80]!r} is missing or of another type")


def _check_name(key: str, data: pa.Buffer) -> None:
    if not is_whole(key, data):
        raise CorruptObjectError("its content does not match its name")


def _words(error: BaseException) -> str:
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)  # Arrow's own words begin with a long path
    return " ".join(str(error).split())[:160] or type(error).__name__
