"""A store at one moment, as columns: what a history is made of without building objects.

``ObjectExperienceStore.view(snapshot=None) -> StoreView`` gives segments (Parquet files in the
layout of ``columns``), the tail as one table in the same layout, and the ids that must not be seen.
The same experience may come more than once, in segments as in the tail: the one with the smallest
(ended_at, id, digest) counts.

To read all of it, whatever happens meanwhile::

    view = store.view()
    tables = [segment.table(columns) for segment in view.segments]

``SegmentFile.table`` leaves out a broken row group and reports it in the store's ``faults``; a view
that is opened after that has the single objects of its rows in the tail, where they still exist.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from xautolm_core.errors import StoreError
from xautolm_core.experience.damage import StoreChangedError
from xautolm_core.experience.manifest import SegmentEntry
from xautolm_core.experience.reader import StoreReader
from xautolm_core.experience.segment import join_tables
from xautolm_core.experience.segment_reader import each_row_group

if TYPE_CHECKING:
    import pyarrow as pa

    from xautolm_core.experience.segment_reader import SegmentReader


class SegmentGoneError(StoreError):
    """A segment of a view was retired or found broken since: open another view."""

    def __init__(self, key: str) -> None:
        super().__init__(f"{key} is gone or broken", hint="Open the store again")


@dataclass(frozen=True)
class SegmentFile:
    """One segment of a view. Its content never changes, so that its key may name a cached copy.

    Attributes:
        key: Its key; named by its content.
        rows: Its number of rows; 0 if that is not known before it is opened.
        path: Its file, if it is one of this machine in today's layout.
        read: Returns the whole file (raises ``SegmentGoneError``).
        open: Opens it for reading row group by row group (raises ``SegmentGoneError``).
        lost_row_groups: Numbers of the row groups that are known to be broken.
        report: Reports a row group that is found to be broken.
    """

    key: str
    rows: int
    path: Path | None
    read: Callable[[], pa.Buffer]
    open: Callable[[], SegmentReader]
    lost_row_groups: frozenset[int]
    report: Callable[[int, str], None]

    def table(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Return the rows, with those of the columns that the file has.

        Args:
            columns: All if None.

        Raises:
            SegmentGoneError: It is gone.
        """
        groups = each_row_group(self.open(), columns, self.lost_row_groups, self.report)
        return join_tables([table for _, table in groups])


@dataclass(frozen=True)
class StoreView:
    """What a store held at one moment, or what a snapshot pins.

    Attributes:
        segments: In order of their first row's end.
        tail: The rows that are in no segment, ordered by (ended_at, id).
        hidden: Ids (16 bytes) of what was forgotten: never to be seen.
        snapshot_pin: Pins exactly this: see ``ObjectExperienceStore.keep_pin`` and ``read_pin``.
    """

    segments: tuple[SegmentFile, ...]
    tail: pa.Table
    hidden: frozenset[bytes]
    snapshot_pin: bytes


def segment_file(reader: StoreReader, entry: SegmentEntry) -> SegmentFile:
    """Return a segment of a store as a file of a view."""
    is_modern = entry.footer is not None

    def open_it() -> SegmentReader:
        try:
            return reader.open(entry)
        except StoreChangedError:
            raise SegmentGoneError(entry.key) from None

    def read() -> pa.Buffer:
        try:
            return reader.modern_buffer_of(entry)
        except StoreChangedError:
            raise SegmentGoneError(entry.key) from None

    def report(row_group: int, problem: str) -> None:
        reader.damage.lose_row_group(entry.key, row_group, problem)

    return SegmentFile(
        key=entry.key,
        rows=entry.rows,
        path=reader.path_of(entry.key) if is_modern else None,
        read=read,
        open=open_it,
        lost_row_groups=reader.damage.lost_row_groups(entry.key),
        report=report,
    )
