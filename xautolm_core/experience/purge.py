"""Takes what was forgotten out of every file of a store.

The tombstone is there already, so that no reader shows it. Each step may be the last one that a
killed process did: whoever forgets or compacts next does the rest. Only at the very end a manifest
says that the store is clean of that tombstone.
"""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field
from functools import partial

from xautolm_core.errors import StoreError
from xautolm_core.experience.anonymity import forget_names
from xautolm_core.experience.codec import CorruptObjectError
from xautolm_core.experience.contract import Fault
from xautolm_core.experience.damage import GHOST
from xautolm_core.experience.damage import StoreChangedError
from xautolm_core.experience.frontier import read_frontier
from xautolm_core.experience.keys import SNAPSHOTS
from xautolm_core.experience.keys import mark_of_key
from xautolm_core.experience.manifest import SegmentEntry
from xautolm_core.experience.manifest import is_segment_key
from xautolm_core.experience.naming import still_named
from xautolm_core.experience.naming import write_manifest
from xautolm_core.experience.reader import StoreReader
from xautolm_core.experience.retire import read_named
from xautolm_core.experience.segment import join_tables
from xautolm_core.experience.segment import sort_rows
from xautolm_core.experience.segment_reader import NEWER
from xautolm_core.experience.segment_reader import SegmentReader
from xautolm_core.experience.snapshot import Snapshot
from xautolm_core.experience.snapshot import decode_snapshot_at
from xautolm_core.experience.snapshot import encode_snapshot
from xautolm_core.experience.snapshot import keep_age
from xautolm_core.experience.state import State
from xautolm_core.experience.wholeness import is_whole_segment
from xautolm_core.experience.writing import rows_not_in
from xautolm_core.experience.writing import rows_with_ids
from xautolm_core.experience.writing import split
from xautolm_core.experience.writing import without_ids
from xautolm_core.experience.writing import write_segment
from xautolm_core.objects.contract import ObjectInfo
from xautolm_core.objects.contract import StorageUnavailableError

_MAY_BE_PINNED = (
    "holds experiences that were forgotten, hidden; a snapshot that cannot be read may pin it:"
    " compact the store once it can"
)
_WITH_IT = "compact the store with that version"


@dataclass
class PurgeReport:
    """What a purge did.

    Attributes:
        rewritten_segments: Segments that were written again without what was forgotten, or deleted
            because nothing else was in them.
        rewritten_snapshots: Snapshots that name others now.
        deleted_objects: Single objects that were deleted.
        left: Segments and snapshots that hold something forgotten, or may hold it, and cannot be
            written again: they stay as they are.
    """

    rewritten_segments: int = 0
    rewritten_snapshots: int = 0
    deleted_objects: int = 0
    left: list[Fault] = field(default_factory=list)

    def leave(self, key: str, problem: str) -> None:
        """Note once what stays as it is."""
        if key not in {fault.key for fault in self.left}:
            self.left.append(Fault(key, problem))


@dataclass(frozen=True)
class _Snapshots:
    """The snapshots of a store.

    Attributes:
        readable: Those that can be read, and their objects.
        may_be_read_later: Whether there are more, which are whole as far as anybody knows.
    """

    readable: list[tuple[ObjectInfo, Snapshot]]
    may_be_read_later: bool


def purge_forgotten(reader: StoreReader) -> PurgeReport:
    """Take what was forgotten out of all files, where that has not been done yet.

    Raises:
        StoreError: The storage cannot be read or written.
    """
    return reader.settled(partial(_purge_state, reader))


def _purge_state(reader: StoreReader, state: State) -> PurgeReport:
    if forget_names(reader, set(state.purgeable) - state.frontier.purged):
        state = reader.look(is_last=state.is_last)
    report = PurgeReport()
    if not _is_clean(state):
        _purge(reader, state, report)
        if not report.left:
            _declare_clean(reader, state)
    report.deleted_objects = _delete_objects(reader, state)
    return report


def _is_clean(state: State) -> bool:
    return state.frontier.purged.issuperset(state.purgeable)


def _purge(reader: StoreReader, state: State, report: PurgeReport) -> None:
    storage = reader.storage
    dirty = _dirty_segments(reader, state, report)
    snapshots = _snapshots(reader, report)
    pinned = {key for _, snapshot in snapshots.readable for key in snapshot.segments}
    successors: dict[str, list[SegmentEntry]] = {}
    forgotten: dict[str, int] = {}
    kept = {key: entry for key, entry in still_named(state).items() if key not in dirty}
    added: list[SegmentEntry] = []
    for key in sorted(dirty):
        is_named = key in state.frontier.segments
        if is_named or key in pinned:
            successors[key], forgotten[key] = _rewrite(reader, state, key)
            added += successors[key] if is_named else []
        else:
            added += _rescue(reader, state, key)
    if dirty:
        write_manifest(storage, state, [*kept.values(), *added], replaced=sorted(dirty))
    # Listed again: whoever writes one from now on finds in the manifest what is about to go.
    snapshots = _snapshots(reader, report)
    for info, snapshot in snapshots.readable:
        for key in dirty.intersection(snapshot.segments) - successors.keys():
            successors[key], forgotten[key] = _rewrite(reader, state, key)
        changed = _without_forgotten(snapshot, state, successors, forgotten)
        if changed != snapshot:
            storage.put(info.key, encode_snapshot(keep_age(changed, info.modified_at)))
            report.rewritten_snapshots += 1
    report.rewritten_segments = len(dirty)
    if snapshots.may_be_read_later:
        for key in dirty:
            report.leave(key, _MAY_BE_PINNED)
        return
    # Manifests that name such a file would name something that is missing.
    superseded = set(read_frontier(storage, reader.damage).superseded)
    manifests = read_named(reader).manifests
    naming = [
        key for key, m in manifests.items() if any(entry.key in dirty for entry in m.segments)
    ]
    storage.delete_many([key for key in naming if key in superseded])
    storage.delete_many(sorted(dirty))


def _dirty_segments(reader: StoreReader, state: State, report: PurgeReport) -> set[str]:
    """Return the segments that hold something forgotten and can be written again."""
    dirty: set[str] = set()
    for key in state.present:
        if not is_segment_key(key):
            continue
        if reader.damage.is_lost(key):
            # It hides what it holds only as long as it cannot be read.
            report.leave(key, "cannot be read, and may hold experiences that were forgotten")
            continue
        entry = state.frontier.segments.get(key) or SegmentEntry(key=key, rows=0)
        segment = reader.open(entry)
        if not _may_hold_forgotten(reader, segment, state):
            continue
        if segment.is_newer:
            # Without what this version cannot read, the segment must not be written again.
            report.leave(key, f"{NEWER}, and may hold experiences that were forgotten; {_WITH_IT}")
        elif is_whole_segment(reader, entry):
            dirty.add(key)
        else:
            report.leave(key, "is broken, and holds experiences that were forgotten")
    return dirty


def _may_hold_forgotten(reader: StoreReader, segment: SegmentReader, state: State) -> bool:
    groups = reader.readable_groups(segment)
    tables = (reader.read(segment, group, ["id"]) for group in groups)
    if any(rows_with_ids(table, state.hidden).any() for table in tables):
        return True
    return any(segment.unreadable_rows(group) for group in groups)


def _rewrite(reader: StoreReader, state: State, key: str) -> tuple[list[SegmentEntry], int]:
    """Write a segment without what was forgotten; return what it became, and the rows less."""
    entry = state.frontier.segments.get(key) or SegmentEntry(key=key, rows=0)
    segment = reader.open(entry)
    tables = [reader.read(segment, group) for group in range(segment.row_groups)]
    masks = [rows_with_ids(table, state.hidden) for table in tables]
    left = join_tables([table.filter(~mask) for table, mask in zip(tables, masks, strict=True)])
    since = entry.covered_since or state.present[key].modified_at
    entries = [
        write_segment(reader.storage, part).model_copy(update={"covered_since": since})
        for part in split(left.unify_dictionaries().combine_chunks())
    ]
    return entries, sum(int(mask.sum()) for mask in masks)


def _rescue(reader: StoreReader, state: State, key: str) -> list[SegmentEntry]:
    """Write what only a segment that nobody names holds, without what was forgotten.

    It may belong to a compactor that is still at work, or to a manifest that was lost.
    """
    segment = reader.open(SegmentEntry(key=key, rows=0))
    groups = (reader.read(segment, group) for group in range(segment.row_groups))
    named = [entry for entry in state.segments if entry.key in state.frontier.segments]
    tables = [rows_not_in(reader, named, without_ids(table, state.hidden)) for table in groups]
    return [write_segment(reader.storage, part) for part in split(sort_rows(join_tables(tables)))]


def _snapshots(reader: StoreReader, report: PurgeReport) -> _Snapshots:
    """Return the snapshots that there are.

    Forgetting does not wait for a corrupt one: nobody can read what it pins any more. Files that
    one may pin which is only out of reach stay for the next purge, hidden by the tombstone.
    """
    found: list[tuple[ObjectInfo, Snapshot]] = []
    may_be_read_later = False
    for info in list(reader.storage.list(SNAPSHOTS)):
        try:
            found.append((info, decode_snapshot_at(info.key, reader.storage.get(info.key))))
        except KeyError:
            if not reader.damage.miss(info.key):
                raise StoreChangedError from None
            report.leave(info.key, f"{GHOST}, and may name experiences that were forgotten")
            may_be_read_later = True
        except CorruptObjectError as error:
            reader.damage.report(info.key, str(error))
        except StorageUnavailableError:
            raise
        except StoreError as error:
            reader.damage.report(info.key, error.problem)
            report.leave(info.key, "cannot be read, and may name experiences that were forgotten")
            may_be_read_later = True
    return _Snapshots(found, may_be_read_later)


def _without_forgotten(
    snapshot: Snapshot,
    state: State,
    successors: dict[str, list[SegmentEntry]],
    forgotten: dict[str, int],
) -> Snapshot:
    tail = tuple(pin for pin in snapshot.tail if bytes.fromhex(pin.id) not in state.hidden)
    lost = len(snapshot.tail) - len(tail)
    segments: list[str] = []
    for key in snapshot.segments:
        segments += [entry.key for entry in successors[key]] if key in successors else [key]
        lost += forgotten.get(key, 0)
    return snapshot.model_copy(
        update={
            "segments": tuple(segments),
            "tail": tail,
            "forgotten": snapshot.forgotten + lost,
        }
    )


def _declare_clean(reader: StoreReader, purged: State) -> None:
    """Write a manifest which says that its segments are clean of the tombstones that were purged.

    Raises:
        StoreChangedError: Another manifest was written meanwhile: its segments may not be clean.
    """
    state = reader.look()
    clean = state.frontier.segments.keys() & purged.frontier.segments.keys()
    new = [e for key, e in state.frontier.segments.items() if key not in clean]
    for entry in new:
        if _may_hold_forgotten(reader, reader.open(entry), purged):
            raise StoreChangedError
    kept = still_named(state).values()
    write_manifest(reader.storage, state, kept, purged=purged.purgeable)


def _delete_objects(reader: StoreReader, state: State) -> int:
    """Delete the single objects of what was forgotten; return how many."""
    if not state.hidden:
        return 0
    beginnings = {identity[:10] for identity in state.hidden}
    marks = {info.key: mark_of_key(info.key) for info in state.singles}
    named = [key for key, mark in marks.items() if mark is not None and mark[6:] in beginnings]
    unnamed = [key for key, mark in marks.items() if mark is None]
    odd = {k: m for k, m in reader.tail(unnamed, state).odd.items() if m[6:] in beginnings}
    doomed = [*named, *odd]
    if doomed:
        reader.storage.delete_many(doomed)
    return len(doomed)
