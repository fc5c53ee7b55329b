"""A store at one moment, as columns: what a history is made of without building objects.

``ObjectExperienceStore.view()`` gives segments (Parquet files in the layout of ``columns``), the
tail as one table in the same layout, and the ids that must not be seen. The same experience may
come more than once, in segments as in the tail: the one with the smallest (ended_at, id, digest)
counts.

To read all of it, whatever happens meanwhile::

    view = store.view()
    tables = [segment.table(columns) for segment in view.segments]

``SegmentFile.table`` leaves out a broken row group and reports it in the store's ``faults``; a view
that is opened after that has the single objects of its rows in the tail, where they still exist.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xautolm_core.errors import StoreError
from xautolm_core.experience.codec import CorruptObjectError
from xautolm_core.experience.damage import StoreChangedError
from xautolm_core.experience.reader import StoreReader
from xautolm_core.experience.segment import Segment
from xautolm_core.experience.segment import join_tables

if TYPE_CHECKING:
    import pyarrow as pa

    from xautolm_core.experience.segment_reader import SegmentReader


class SegmentGoneError(StoreError):
    """A segment of a view was deleted or found broken since: open another view."""

    def __init__(self, key: str) -> None:
        super().__init__(f"{key} is gone or broken", hint="Open the store again")


@dataclass(frozen=True)
class SegmentFile:
    """One segment of a view. Its content never changes, so that its key may name a cached copy.

    Attributes:
        reader: Of the store.
        segment: What its name says.
    """

    reader: StoreReader
    segment: Segment

    @property
    def key(self) -> str:
        """Its key, which names its content."""
        return self.segment.key

    def open(self) -> SegmentReader:
        """Open it for reading row group by row group.

        Raises:
            SegmentGoneError: It is gone.
            StoreError: The storage cannot be read.
        """
        try:
            return self.reader.open(self.segment)
        except StoreChangedError:
            raise SegmentGoneError(self.key) from None

    def table(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Return the rows, with those of the columns that the file has.

        Args:
            columns: All if None.

        Raises:
            SegmentGoneError: It is gone.
            StoreError: The storage cannot be read.
        """
        opened = self.open()
        tables: list[pa.Table] = []
        for group in self.reader.readable_groups(opened):
            try:
                tables.append(opened.read(group, columns))
            except CorruptObjectError as error:
                self.reader.damage.lose_row_group(self.key, group, str(error))
        return join_tables(tables)


@dataclass(frozen=True)
class StoreView:
    """What a store held at one moment.

    Attributes:
        segments: In order of their first row's end.
        tail: The rows that are in no segment, ordered by (ended_at, id).
        hidden: Ids (16 bytes) of what was forgotten: never to be seen.
    """

    segments: tuple[SegmentFile, ...]
    tail: pa.Table
    hidden: frozenset[bytes]
