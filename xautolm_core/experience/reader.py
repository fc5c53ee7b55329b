"""Finds what a store holds at one moment: segments, the tail of single objects, what is hidden.

Single objects are listed before the manifests: one that is compacted and deleted in between is then
found in a segment. Whatever has vanished or turns out to be broken afterwards makes the reader look
again (``StoreChangedError``).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import contextmanager
from datetime import UTC
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any
from typing import TypeVar

from xautolm_core.errors import StoreError
from xautolm_core.experience.codec import CorruptObjectError
from xautolm_core.experience.columns import Row
from xautolm_core.experience.columns import from_table
from xautolm_core.experience.coverage import marks_of
from xautolm_core.experience.coverage import may_hold
from xautolm_core.experience.coverage import times_of
from xautolm_core.experience.coverage import which_of
from xautolm_core.experience.damage import Damage
from xautolm_core.experience.damage import StoreChangedError
from xautolm_core.experience.frontier import Frontier
from xautolm_core.experience.frontier import read_frontier
from xautolm_core.experience.hiding import Tombstones
from xautolm_core.experience.keys import EXPERIENCES
from xautolm_core.experience.keys import FORGOTTEN
from xautolm_core.experience.keys import SEGMENTS
from xautolm_core.experience.keys import mark_of
from xautolm_core.experience.keys import mark_of_key
from xautolm_core.experience.legacy import modernize
from xautolm_core.experience.looking import changes_too_fast
from xautolm_core.experience.looking import looks
from xautolm_core.experience.manifest import SegmentEntry
from xautolm_core.experience.manifest import is_segment_key
from xautolm_core.experience.segment import join_tables
from xautolm_core.experience.segment import sort_rows
from xautolm_core.experience.segment_reader import NEWER
from xautolm_core.experience.segment_reader import SegmentReader
from xautolm_core.experience.singles import read_singles
from xautolm_core.experience.singles import tables_of
from xautolm_core.experience.snapshot import Pin
from xautolm_core.experience.state import State
from xautolm_core.experience.state import Tail
from xautolm_core.objects.contract import ObjectInfo
from xautolm_core.objects.contract import ObjectStorage
from xautolm_core.objects.contract import StorageUnavailableError
from xautolm_core.objects.folder import FolderObjects

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

_CACHE_BYTES = 256 * 1024 * 1024
_MARKS_OF_SEGMENTS = 64
_BEGINNING = datetime.min.replace(tzinfo=UTC)

T = TypeVar("T")


class StoreReader:
    """Reads one store.

    Args:
        storage: Where the objects are.
    """

    def __init__(self, storage: ObjectStorage) -> None:
        self.storage = storage
        self.damage = Damage()
        self._buffers: OrderedDict[str, pa.Buffer] = OrderedDict()
        self._marks: OrderedDict[tuple[str, frozenset[int]], Any] = OrderedDict()
        self._readable: dict[str, dict[int, NDArray[np.bool_]]] = {}
        self.tombstones = Tombstones(storage, self.damage)

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
        frontier = read_frontier(self.storage, self.damage)
        present = {info.key: info for info in self.storage.list(SEGMENTS)}
        tombstones = tuple(info.key for info in self.storage.list(FORGOTTEN))
        segments, is_troubled = self._segments(frontier, present)
        ids = self.tombstones.ids(tombstones)
        for fault in frontier.faults:
            self.damage.report(fault.key, fault.problem)
        return State(
            singles=singles,
            frontier=frontier,
            present=present,
            segments=segments,
            tail=tuple(self._uncovered((info.key for info in singles), segments)),
            tombstones=tombstones,
            purgeable=tuple(ids),
            hidden=frozenset().union(*ids.values()),
            is_troubled=is_troubled,
            is_last=is_last,
        )

    def tail(self, keys: Sequence[str], state: State) -> Tail:
        """Return the experiences in single objects that no segment of a state covers.

        Args:
            keys: Some or all of the state's tail.
            state: The state.

        Raises:
            StoreChangedError: Some have vanished: look again.
            StoreError: The storage cannot be read.
        """
        odd: dict[str, bytes] = {}
        odd_rows: list[Row] = []
        pins: list[Pin] = []

        def regular() -> Iterator[Row]:
            for row in read_singles(self.storage, self.damage, keys, is_last=state.is_last):
                identity = bytes.fromhex(row.payload.id)
                mark = mark_of(row.payload.ended_at, identity)
                if mark_of_key(row.key) != mark:
                    odd[row.key] = mark
                    odd_rows.append(row)
                elif identity not in state.hidden:
                    pins.append(_pin(row))
                    yield row

        tables = [*tables_of(regular())]
        covered = self.which_are_in(state.segments, set(odd.values()))
        rows = [r for r in odd_rows if odd[r.key] not in covered and not _is_in(r, state.hidden)]
        pins += map(_pin, rows)
        return Tail(sort_rows(join_tables([*tables, *tables_of(rows)])), tuple(pins), odd)

    def open(self, entry: SegmentEntry) -> SegmentReader:
        """Open a segment.

        Raises:
            StoreChangedError: It is gone, or broken: look again.
            StoreError: The storage cannot be read.
        """
        with self._watching(entry.key):
            source = self.path_of(entry.key) or self.buffer_of(entry.key)
            known = self._readable.setdefault(entry.key, {})
            reader = SegmentReader(entry.key, source, entry.footer, readable=known)
            if reader.is_newer and not known.keys() >= set(self.readable_groups(reader)):
                self._report_unreadable(reader)
            if not reader.is_legacy:
                return reader
            modern = modernize(entry.key, self.buffer_of(entry.key))
            return SegmentReader(entry.key, modern.buffer, modern.footer)

    def modern_buffer_of(self, entry: SegmentEntry) -> pa.Buffer:
        """Return the whole file of a segment, in today's layout.

        Raises:
            StoreChangedError: It is gone, or broken: look again.
            StoreError: The storage cannot be read.
        """
        with self._watching(entry.key):
            data = self.buffer_of(entry.key)
            reader = SegmentReader(entry.key, data, entry.footer)
            return modernize(entry.key, data).buffer if reader.is_legacy else data

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

    def readable_groups(self, reader: SegmentReader) -> list[int]:
        """Return the numbers of the row groups that are not known to be broken."""
        lost = self.damage.lost_row_groups(reader.key)
        return [group for group in range(reader.row_groups) if group not in lost]

    def which_are_in(self, entries: Iterable[SegmentEntry], marks: set[bytes]) -> set[bytes]:
        """Return those marks (see ``keys.mark_of``) that rows of these segments have.

        Raises:
            StoreChangedError: A segment is gone, or broken: look again.
        """
        found: set[bytes] = set()
        for entry in self.holders_of(entries, marks):
            if len(found) < len(marks):
                found |= which_of(marks, self._marks_in(entry))
        return found

    def holders_of(
        self, entries: Iterable[SegmentEntry], marks: Iterable[bytes]
    ) -> list[SegmentEntry]:
        """Return those segments whose times leave it open that they hold one of the marks."""
        times = times_of(marks)
        return [entry for entry in entries if may_hold(entry, times)]

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
        """Let go of the contents of segments that are kept in memory."""
        self._buffers.clear()

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

    def _segments(
        self, frontier: Frontier, present: Mapping[str, ObjectInfo]
    ) -> tuple[tuple[SegmentEntry, ...], bool]:
        """Return the segments to be read, and whether something is wrong with the frontier's."""
        replaced = set(frontier.replaced)
        is_troubled = bool(frontier.faults)
        usable: list[SegmentEntry] = []
        for entry in frontier.segments.values():
            info = present.get(entry.key)
            if info is None:
                if entry.key in replaced:
                    continue  # its rows are in another that is named too
                if read_frontier(self.storage, self.damage).heads.keys() != frontier.heads.keys():
                    raise StoreChangedError
                self.damage.report(entry.key, "is missing")
                is_troubled = True
            elif entry.size_bytes not in (None, info.size_bytes):
                size = f"has {info.size_bytes} bytes instead of {entry.size_bytes}"
                self.damage.lose_file(entry.key, size)
                is_troubled = True
            else:
                is_troubled = is_troubled or self.damage.touches(entry.key)
                usable.append(entry)
        if is_troubled:
            # Every segment holds true experiences: reading more than is needed does no harm.
            named = frontier.segments.keys()
            unnamed = (key for key in present if key not in named and is_segment_key(key))
            usable += [SegmentEntry(key=key, rows=0) for key in unnamed]
        found = [entry for entry in usable if not self.damage.is_lost(entry.key)]
        found.sort(key=lambda entry: (entry.first_ended_at or _BEGINNING, entry.key))
        return tuple(found), is_troubled

    def _uncovered(self, keys: Iterable[str], entries: Sequence[SegmentEntry]) -> list[str]:
        marks = {key: mark_of_key(key) for key in keys}
        covered = self.which_are_in(entries, {mark for mark in marks.values() if mark is not None})
        return [key for key, mark in marks.items() if mark is None or mark not in covered]

    def _marks_in(self, entry: SegmentEntry) -> Any:
        """Return the marks of a segment's readable rows, as ``coverage.marks_of`` does."""
        known = (entry.key, self.damage.lost_row_groups(entry.key))
        marks = self._marks.pop(known, None)
        if marks is None:
            reader = self.open(entry)
            columns = ["ended_at", "id"]
            tables = [self.read(reader, g, columns) for g in self.readable_groups(reader)]
            marks = marks_of(tables)
        self._marks[known] = marks
        while len(self._marks) > _MARKS_OF_SEGMENTS:
            self._marks.popitem(last=False)
        return marks


def _pin(row: Row) -> Pin:
    return Pin(id=row.payload.id, key=row.key, digest=row.payload.digest)


def _is_in(row: Row, ids: frozenset[bytes]) -> bool:
    return bytes.fromhex(row.payload.id) in ids
