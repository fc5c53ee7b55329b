"""Finds what a store holds at one moment: segments, the tail of single objects, what is hidden.

Every segment is read, and every single object that none of them holds; the same experience may be
in several places, and counts once. Single objects are listed before the segments: one that is
gathered and deleted in between is then found in a segment. Whatever has vanished or turns out to be
broken afterwards makes the reader look again (``StoreChangedError``).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any
from typing import TypeVar

from xautolm_core.errors import StoreError
from xautolm_core.experience.codec import CorruptObjectError
from xautolm_core.experience.columns import Row
from xautolm_core.experience.columns import from_table
from xautolm_core.experience.damage import Damage
from xautolm_core.experience.damage import StoreChangedError
from xautolm_core.experience.damage import changes_too_fast
from xautolm_core.experience.damage import looks
from xautolm_core.experience.keys import EXPERIENCES
from xautolm_core.experience.keys import FORGOTTEN
from xautolm_core.experience.keys import SEGMENTS
from xautolm_core.experience.keys import mark_of
from xautolm_core.experience.keys import mark_of_key
from xautolm_core.experience.marks import may_hold
from xautolm_core.experience.marks import rows_of
from xautolm_core.experience.marks import times_of
from xautolm_core.experience.marks import which_of
from xautolm_core.experience.segment import Segment
from xautolm_core.experience.segment import check_table
from xautolm_core.experience.segment import join_tables
from xautolm_core.experience.segment import segment_of
from xautolm_core.experience.segment import sort_rows
from xautolm_core.experience.segment_reader import NEWER
from xautolm_core.experience.segment_reader import SegmentReader
from xautolm_core.experience.state import State
from xautolm_core.experience.state import Tail
from xautolm_core.experience.state import read_singles
from xautolm_core.experience.state import tables_of
from xautolm_core.experience.tombstone import Tombstones
from xautolm_core.objects.contract import ObjectInfo
from xautolm_core.objects.contract import ObjectStorage
from xautolm_core.objects.contract import StorageUnavailableError
from xautolm_core.objects.folder import FolderObjects

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

NO_SEGMENT = "is not named like a segment"

_CACHE_BYTES = 256 * 1024 * 1024
_ROWS_OF_SEGMENTS = 64
_MOST_LISTINGS = 10

T = TypeVar("T")


class StoreReader:
    """Reads one store.

    Args:
        storage: Where the objects are.
    """

    def __init__(self, storage: ObjectStorage) -> None:
        self.storage = storage
        self.damage = Damage()
        self.tombstones = Tombstones(storage, self.damage)
        self._buffers: OrderedDict[str, pa.Buffer] = OrderedDict()
        self._rows: OrderedDict[tuple[str, frozenset[int]], Any] = OrderedDict()
        self._readable: dict[str, dict[int, NDArray[np.bool_]]] = {}

    def settled(self, act: Callable[[State], T]) -> T:
        """Return what an action on the present state gives, repeated where that has changed.

        What is listed and is not there, look after look, is reported and left out.

        Raises:
            StoreError: The storage cannot be read, or changes all the time.
        """
        for is_last in looks(self.damage.extent):
            try:
                return act(self.look(is_last=is_last))
            except StoreChangedError:
                continue
        raise changes_too_fast()

    def look(self, *, is_last: bool = False) -> State:
        """Return the present state.

        Args:
            is_last: Whether what vanishes from now on is reported, instead of looked for again.

        Raises:
            StoreChangedError: It changed while it was read.
            StoreError: The storage cannot be read.
        """
        singles = tuple(self.storage.list(EXPERIENCES))
        listed, tombstones = self._list()
        ids = self.tombstones.ids(tombstones)
        present: list[Segment] = []
        for key in listed:
            segment = segment_of(key)
            if segment is None:
                self.damage.report(key, NO_SEGMENT)
            else:
                present.append(segment)
        usable = [segment for segment in present if not self.damage.is_lost(segment.key)]
        usable.sort(key=lambda segment: (segment.first, segment.key))
        return State(
            singles=singles,
            present=tuple(present),
            written_at={key: info.modified_at for key, info in listed.items()},
            segments=tuple(usable),
            tail=tuple(self._not_held((info.key for info in singles), usable)),
            tombstones=tuple(tombstones),
            readable_tombstones=tuple(ids),
            hidden=frozenset().union(*ids.values()),
            is_last=is_last,
        )

    def forgotten(self) -> frozenset[bytes]:
        """Return the ids (16 bytes) of what was forgotten, without looking at anything else.

        Raises:
            StoreError: The storage cannot be read, or changes all the time.
        """
        for _ in looks(self.damage.extent):
            try:
                _, tombstones = self._list()
                return frozenset().union(*self.tombstones.ids(tombstones).values())
            except StoreChangedError:
                continue
        raise changes_too_fast()

    def tail(self, keys: Sequence[str], state: State) -> Tail:
        """Return the experiences in single objects that no segment of a state holds.

        Args:
            keys: Some or all of the state's tail.
            state: The state.

        Raises:
            StoreChangedError: Some have vanished: look again.
            StoreError: The storage cannot be read.
        """
        marks: dict[str, bytes] = {}
        held_at: dict[str, str] = {}
        odd: list[Row] = []

        def regular() -> Iterator[Row]:
            for row in read_singles(self.storage, self.damage, keys, is_last=state.is_last):
                identity = bytes.fromhex(row.payload.id)
                marks[row.key] = mark_of(row.payload.ended_at, identity)
                if mark_of_key(row.key) != marks[row.key]:
                    odd.append(row)
                elif identity not in state.hidden:
                    held_at[row.payload.id] = row.key
                    yield row

        tables = [*tables_of(regular())]
        held = self.which_are_in(state.segments, {marks[row.key] for row in odd})
        rows = [
            row
            for row in odd
            if marks[row.key] not in held and bytes.fromhex(row.payload.id) not in state.hidden
        ]
        held_at |= {row.payload.id: row.key for row in rows}
        table = sort_rows(join_tables([*tables, *tables_of(rows)]))
        return Tail(table, held_at, marks, frozenset(row.key for row in odd))

    def open(self, segment: Segment) -> SegmentReader:
        """Open a segment.

        Raises:
            StoreChangedError: It is gone, or broken: look again.
            StoreError: The storage cannot be read.
        """
        with self._watching(segment.key):
            source = self.path_of(segment.key) or self.buffer_of(segment.key)
            known = self._readable.setdefault(segment.key, {})
            reader = SegmentReader(segment, source, readable=known)
            if reader.is_newer and not known.keys() >= set(self.readable_groups(reader)):
                self._report_unreadable(reader)
            return reader

    def read(
        self, reader: SegmentReader, row_group: int, columns: Sequence[str] | None = None
    ) -> pa.Table:
        """Return a row group's table.

        Raises:
            StoreChangedError: It is broken: look again.
        """
        try:
            return reader.read(row_group, columns)
        except CorruptObjectError as error:
            self.damage.lose_row_group(reader.key, row_group, str(error))
            raise StoreChangedError from None

    def rows(self, reader: SegmentReader, row_group: int, table: pa.Table) -> Iterator[Row]:
        """Yield rows of a row group, each checked against its digest.

        Raises:
            StoreChangedError: One does not match: look again.
        """
        try:
            yield from from_table(table)
        except CorruptObjectError as error:
            self.damage.lose_row_group(reader.key, row_group, str(error))
            raise StoreChangedError from None

    def tables(
        self, segment: Segment, columns: Callable[[SegmentReader], Sequence[str]] | None = None
    ) -> Iterator[pa.Table]:
        """Yield the readable row groups of a segment.

        Args:
            segment: The segment.
            columns: Which columns to read of it; all if None.

        Raises:
            StoreChangedError: It is gone, or broken: look again.
            StoreError: The storage cannot be read.
        """
        opened = self.open(segment)
        wanted = None if columns is None else columns(opened)
        for group in self.readable_groups(opened):
            yield self.read(opened, group, wanted)

    def readable_groups(self, reader: SegmentReader) -> list[int]:
        """Return the numbers of the row groups that are not known to be broken."""
        lost = self.damage.lost_row_groups(reader.key)
        return [group for group in range(reader.row_groups) if group not in lost]

    def rows_in(self, segment: Segment) -> Any:
        """Return end and id of a segment's readable rows, as ``marks.rows_of`` does.

        Raises:
            StoreChangedError: It is gone, or broken: look again.
            StoreError: The storage cannot be read.
        """
        known = (segment.key, self.damage.lost_row_groups(segment.key))
        rows = self._rows.pop(known, None)
        if rows is None:
            rows = rows_of(self.tables(segment, lambda _: ["ended_at", "id"]))
        self._rows[known] = rows
        while len(self._rows) > _ROWS_OF_SEGMENTS:
            self._rows.popitem(last=False)
        return rows

    def which_are_in(self, segments: Iterable[Segment], marks: set[bytes]) -> set[bytes]:
        """Return those marks (see ``keys.mark_of``) that rows of these segments have.

        Raises:
            StoreChangedError: A segment is gone, or broken: look again.
        """
        found: set[bytes] = set()
        for segment in self.holders_of(segments, marks):
            if len(found) < len(marks):
                found |= which_of(marks, self.rows_in(segment))
        return found

    def holders_of(self, segments: Iterable[Segment], marks: Iterable[bytes]) -> list[Segment]:
        """Return those segments whose times leave it open that they hold one of the marks."""
        times = times_of(marks)
        return [segment for segment in segments if may_hold(segment, times)]

    def is_whole(self, segment: Segment) -> bool:
        """Whether the whole file has the digest that its name says, read again from the storage.

        If it has not, ``damage`` knows afterwards which part of it cannot be read.

        Raises:
            StoreChangedError: It is gone, or nothing of it can be read.
            StorageUnavailableError: The storage cannot be read.
        """
        try:
            data = self.storage.get(segment.key)
        except KeyError:
            self.damage.miss_file(segment.key)
            raise StoreChangedError from None
        except StorageUnavailableError:
            raise
        except StoreError as error:
            self.damage.lose_file(segment.key, str(error))
            return False
        if segment.is_whole(data):
            return True
        self.damage.impair(segment.key, "its content does not match its name")
        opened = self.open(segment)
        for group in range(opened.row_groups):
            try:
                check_table(opened.read(group))
            except CorruptObjectError as error:
                self.damage.lose_row_group(segment.key, group, str(error))
        return False

    def path_of(self, key: str) -> Path | None:
        """Return the path of an object's file, if it is one of this machine."""
        return self.storage.root / key if isinstance(self.storage, FolderObjects) else None

    def buffer_of(self, key: str) -> pa.Buffer:
        """Return the content of a segment; the latest ones are kept in memory.

        Raises:
            KeyError: It is gone.
            StoreError: It cannot be read.
        """
        import pyarrow as pa

        buffer = self._buffers.pop(key, None)
        if buffer is None:
            buffer = pa.py_buffer(self.storage.get(key))
        self._buffers[key] = buffer
        while len(self._buffers) > 1 and sum(b.size for b in self._buffers.values()) > _CACHE_BYTES:
            self._buffers.popitem(last=False)
        return buffer

    def let_go(self) -> None:
        """Drop the contents of segments that are kept in memory."""
        self._buffers.clear()

    def _list(self) -> tuple[dict[str, ObjectInfo], list[str]]:
        """Return the objects that are segments, and the keys of the tombstones.

        They are listed until two listings in a row say the same: one alone may show neither a file
        that goes meanwhile nor the one that takes its place.
        """
        segments: dict[str, ObjectInfo] = {}
        before: tuple[list[str], list[str]] | None = None
        for _ in range(_MOST_LISTINGS):
            segments = {info.key: info for info in self.storage.list(SEGMENTS)}
            tombstones = [info.key for info in self.storage.list(FORGOTTEN)]
            found = (list(segments), tombstones)
            if found == before:
                return segments, tombstones
            before = found
        raise StoreChangedError

    def _report_unreadable(self, reader: SegmentReader) -> None:
        """Report the rows of a newer version's segment that this one cannot read."""
        for group in self.readable_groups(reader):
            self.read(reader, group, ["id"])
        lost = sum(map(reader.unreadable_rows, range(reader.row_groups)))
        if lost:
            self.damage.report(
                reader.key, f"{NEWER}; {lost} of its rows cannot be read by this one"
            )

    @contextmanager
    def _watching(self, key: str) -> Iterator[None]:
        try:
            yield
        except (KeyError, FileNotFoundError):
            self.damage.miss_file(key)
            raise StoreChangedError from None
        except StorageUnavailableError:
            raise
        except (CorruptObjectError, StoreError) as error:
            self.damage.lose_file(key, str(error))
            raise StoreChangedError from None

    def _not_held(self, keys: Iterable[str], segments: Sequence[Segment]) -> list[str]:
        """Return the keys of single objects that none of the segments holds, by their names."""
        marks = {key: mark_of_key(key) for key in keys}
        named = {mark for mark in marks.values() if mark is not None}
        held = self.which_are_in(segments, named)
        return [key for key, mark in marks.items() if mark is None or mark not in held]
