"""Finds what a snapshot pins, wherever it lies now."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xautolm_core.errors import StoreError
from xautolm_core.experience.codec import CorruptObjectError
from xautolm_core.experience.codec import decode
from xautolm_core.experience.columns import Row
from xautolm_core.experience.columns import to_table
from xautolm_core.experience.coverage import may_hold
from xautolm_core.experience.coverage import times_of
from xautolm_core.experience.damage import StoreChangedError
from xautolm_core.experience.frontier import read_frontier
from xautolm_core.experience.keys import FORGOTTEN
from xautolm_core.experience.keys import SEGMENTS
from xautolm_core.experience.keys import mark_of_key
from xautolm_core.experience.manifest import SegmentEntry
from xautolm_core.experience.reader import StoreReader
from xautolm_core.experience.segment import fixed_bytes
from xautolm_core.experience.segment import join_tables
from xautolm_core.experience.segment import sort_rows
from xautolm_core.experience.snapshot import Pin
from xautolm_core.experience.snapshot import Snapshot
from xautolm_core.experience.state import State
from xautolm_core.objects.contract import StorageUnavailableError

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Pinned:
    """What is left of a snapshot.

    Attributes:
        segments: Its segments.
        table: Its single objects, sorted, in the layout of ``columns``.
        hidden: Ids (16 bytes) of what was forgotten.
    """

    segments: tuple[SegmentEntry, ...]
    table: pa.Table
    hidden: frozenset[bytes]


def find_pinned(
    reader: StoreReader, snapshot: Snapshot, state: State, known: pa.Table | None = None
) -> Pinned:
    """Return what a snapshot pins; what is gone or altered is reported.

    Args:
        reader: Of the store.
        snapshot: What pins.
        state: Of the store.
        known: Rows that were read and checked before, in the layout of ``columns``.

    Raises:
        StoreChangedError: The store changed meanwhile: look again.
        StoreError: The storage cannot be read.
    """
    segments: list[SegmentEntry] = []
    for key in snapshot.segments:
        if key not in state.present:
            reader.damage.report(key, f"is gone; snapshot {snapshot.id[:12]} pins it")
        elif not reader.damage.is_lost(key):
            segments.append(state.frontier.segments.get(key) or SegmentEntry(key=key, rows=0))
    visible = [pin for pin in snapshot.tail if bytes.fromhex(pin.id) not in state.hidden]
    wanted = {(bytes.fromhex(pin.id), bytes.fromhex(pin.digest)): pin for pin in visible}
    tables = [] if known is None else list(_in_table(known, wanted))
    held = {row for table in tables for row in _identities(table)}
    wanted = {identity: pin for identity, pin in wanted.items() if identity not in held}
    tables += _in_segments(reader, state, wanted)
    found = {row for table in tables for row in _identities(table)}
    left = [pin for identity, pin in wanted.items() if identity not in found]
    tables.append(to_table(_in_objects(reader, snapshot, state, left)))
    return Pinned(tuple(segments), sort_rows(join_tables(tables)), state.hidden)


def is_protected(reader: StoreReader, snapshot: Snapshot, state: State) -> bool:
    """Whether a snapshot that was just written is sure to keep what it names.

    It came too late if a segment was retired before, or if meanwhile something was forgotten:
    ``forget`` rewrites only the snapshots that it finds after it has written its manifest.

    Args:
        reader: Of the store.
        snapshot: The snapshot.
        state: What it was made of.

    Raises:
        StoreError: The storage cannot be read.
    """
    tombstones = tuple(info.key for info in reader.storage.list(FORGOTTEN))
    frontier = read_frontier(reader.storage, reader.damage)
    present = {info.key for info in reader.storage.list(SEGMENTS)}
    if tombstones != state.tombstones or not present.issuperset(snapshot.segments):
        return False
    if frontier.purged.issuperset(state.purgeable):
        return True
    newly_replaced = set(frontier.replaced).difference(state.frontier.replaced)
    return newly_replaced.isdisjoint(snapshot.segments)


def _in_table(known: pa.Table, wanted: Mapping[tuple[bytes, bytes], Pin]) -> Iterator[pa.Table]:
    rows = [i for i, pair in enumerate(_identities(known)) if pair in wanted]
    if rows:
        yield known.take(rows)


def _in_segments(
    reader: StoreReader, state: State, wanted: Mapping[tuple[bytes, bytes], Pin]
) -> Iterator[pa.Table]:
    """Yield the rows that segments hold by now, with the same id and digest."""
    import numpy as np

    if not wanted:
        return
    marks = {mark_of_key(pin.key) for pin in wanted.values()}
    times = times_of(mark for mark in marks if mark is not None)
    asked = np.frombuffer(b"".join(digest[:8] for _, digest in wanted), np.uint64)
    for entry in state.segments:
        if None not in marks and not may_hold(entry, times):
            continue
        opened = reader.open(entry)
        for group in reader.readable_groups(opened):
            names = reader.read(opened, group, ["id", "digest"])
            digests = np.ascontiguousarray(fixed_bytes(names["digest"])[:, :8]).view(np.uint64)
            candidates = np.flatnonzero(np.isin(digests.ravel(), asked))
            pairs = _identities(names.take(candidates))
            rows = [i for i, pair in zip(candidates, pairs, strict=True) if pair in wanted]
            if rows:
                yield reader.read(opened, group).take(rows)


def _identities(table: pa.Table) -> Iterator[tuple[bytes, bytes]]:
    return zip(table["id"].to_pylist(), table["digest"].to_pylist(), strict=True)


def _in_objects(
    reader: StoreReader, snapshot: Snapshot, state: State, pins: Iterable[Pin]
) -> Iterator[Row]:
    by_key: dict[str, list[Pin]] = {}
    for pin in pins:
        by_key.setdefault(pin.key, []).append(pin)
    for key, data in reader.storage.get_many(list(by_key)):
        wanted = {pin.digest for pin in by_key.pop(key)}
        if isinstance(data, StorageUnavailableError):
            raise data
        try:
            if isinstance(data, StoreError):
                raise data
            payload = decode(data)
        except (CorruptObjectError, StoreError) as error:
            reader.damage.report(key, str(error))
            continue
        if payload.digest in wanted:
            yield Row(key, payload)
        else:
            reader.damage.report(key, f"is not what snapshot {snapshot.id[:12]} pinned")
    if (
        by_key
        and read_frontier(reader.storage, reader.damage).heads.keys() != state.frontier.heads.keys()
    ):
        raise StoreChangedError
    for key in by_key:
        reader.damage.report(key, "is gone")
