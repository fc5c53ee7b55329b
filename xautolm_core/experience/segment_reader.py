"""Reads segments, row group by row group."""

from __future__ import annotations

import os
from collections.abc import Iterable
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from xautolm_core.experience.codec import CorruptObjectError
from xautolm_core.experience.columns import COLUMNS_VERSION
from xautolm_core.experience.columns import column_type
from xautolm_core.experience.columns import fixed_columns
from xautolm_core.experience.columns import is_known_column
from xautolm_core.experience.columns import readable_rows
from xautolm_core.experience.segment import VERSION_KEY
from xautolm_core.experience.segment import Segment
from xautolm_core.experience.segment import footer_at_end
from xautolm_core.experience.segment import footer_digest

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray


NEWER = "was written by a newer xautolm"
"""The note on a segment whose layout this version does not fully support."""

_NEEDED = ("id", "digest", "ended_at")


class SegmentReader:
    """Reads a segment, row group by row group.

    Of a segment that a newer version wrote, the rows that this one can put together to match their
    digests are read, and no others; columns that it does not know are read only if they are needed
    for that. Such a segment must never be written again by this version: that could lose something.

    Args:
        segment: What its name says.
        source: Its content, or the path of its file.
        readable: Which rows of a newer version's row groups can be read, as far as that is known
            from another reader of the same segment; it is added to.

    Attributes:
        key: Its key.
        is_newer: Whether a newer version wrote it.
        column_names: Its columns, as far as they can be read.

    Raises:
        CorruptObjectError: The footer is not what the name says, or the file cannot be read: a
            newer version may have written it.
        FileNotFoundError: There is no such file.
    """

    def __init__(
        self,
        segment: Segment,
        source: pa.Buffer | Path,
        *,
        readable: dict[int, NDArray[np.bool_]] | None = None,
    ) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self.key = segment.key
        self._readable = {} if readable is None else readable
        # Native files only, and no threads: Arrow's threads outlive the call, and with a Python
        # object in their hands they abort the interpreter at exit (apache/arrow 33975, 50482).
        try:
            file = pa.OSFile(str(source)) if isinstance(source, Path) else pa.BufferReader(source)
            if footer_digest(footer_at_end(file)) != segment.footer:
                raise CorruptObjectError("its footer is not what was written")
            self._file = pq.ParquetFile(file, pre_buffer=False, page_checksum_verification=True)
            schema = self._file.schema_arrow
        except FileNotFoundError:
            raise
        except (pa.ArrowException, OSError, ValueError) as error:
            raise CorruptObjectError(f"not a readable Parquet file: {_words(error)}") from error
        if self.rows != segment.rows:
            raise CorruptObjectError(f"has {self.rows} rows instead of {segment.rows}")
        version = (schema.metadata or {}).get(VERSION_KEY)
        self.is_newer = version != str(COLUMNS_VERSION).encode() or not all(
            map(is_known_column, schema.names)
        )
        self._stored = _usable_columns(schema) if self.is_newer else frozenset(schema.names)
        self.column_names = self._stored.union(fixed_columns() if self.is_newer else ())
        if not self.is_newer:
            _check_columns(schema)

    @property
    def row_groups(self) -> int:
        """The number of row groups."""
        return int(self._file.num_row_groups)

    @property
    def rows(self) -> int:
        """The number of rows."""
        return int(self._file.metadata.num_rows)

    def read(self, row_group: int, columns: Sequence[str] | None = None) -> pa.Table:
        """Return a row group's table, with those of the columns that the file has.

        Raises:
            CorruptObjectError: It cannot be read.
        """
        import numpy as np
        import pyarrow as pa

        if not self.is_newer:
            return self._table(row_group, columns)
        if row_group not in self._readable:
            whole = self._table(row_group, self._stored)
            self._readable[row_group] = np.array(readable_rows(whole), bool)
        wanted = self.column_names if columns is None else columns
        table = self._table(row_group, wanted).filter(self._readable[row_group])
        for name in self.column_names.intersection(wanted) - self._stored:
            # Here as everywhere: where a column is null, the column ``rest`` says it.
            table = table.append_column(name, pa.nulls(len(table), column_type(name)))
        return table

    def unreadable_rows(self, row_group: int) -> int:
        """Return how many rows of a row group, once it was read, need a newer version."""
        return int((~self._readable[row_group]).sum()) if row_group in self._readable else 0

    def _table(self, row_group: int, columns: Iterable[str] | None) -> pa.Table:
        import pyarrow as pa

        wanted = None if columns is None else [c for c in columns if c in self._stored]
        try:
            table = self._file.read_row_group(row_group, columns=wanted, use_threads=False)
            table.validate()
        except (pa.ArrowException, OSError, ValueError, KeyError, MemoryError) as error:
            raise CorruptObjectError(
                f"row group {row_group + 1} of {self.row_groups}: {_words(error)}"
            ) from error
        return table


def _usable_columns(schema: pa.Schema) -> frozenset[str]:
    """Return the columns of a newer version's file that are of the types that this one expects."""
    usable = frozenset(field.name for field in schema if field.type == column_type(field.name))
    missing = [name for name in _NEEDED if name not in usable]
    if missing:
        raise CorruptObjectError(f"{NEWER}, without a column {missing[0]} that this one can read")
    return usable


def _check_columns(schema: pa.Schema) -> None:
    wrong = [f.name for f in schema if f.type != column_type(f.name)]
    wrong += sorted(set(fixed_columns()).difference(schema.names))
    if wrong:
        raise CorruptObjectError(f"its column {wrong[0][:80]!r} is missing or of another type")


def _words(error: BaseException) -> str:
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)  # Arrow's own words begin with a long path
    return " ".join(str(error).split())[:160] or type(error).__name__
