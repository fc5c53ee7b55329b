"""Moves corrupt objects out of the way, to ``quarantine/``, and saves what is whole in them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

from xautolm_core.errors import StoreError
from xautolm_core.experience.codec import CorruptObjectError
from xautolm_core.experience.contract import VerifyReport
from xautolm_core.experience.damage import StoreChangedError
from xautolm_core.experience.keys import QUARANTINE
from xautolm_core.experience.keys import SNAPSHOTS
from xautolm_core.experience.manifest import SegmentEntry
from xautolm_core.experience.manifest import is_segment_key
from xautolm_core.experience.naming import still_named
from xautolm_core.experience.naming import write_manifest
from xautolm_core.experience.reader import StoreReader
from xautolm_core.experience.segment import join_tables
from xautolm_core.experience.segment import sort_rows
from xautolm_core.experience.snapshot import decode_snapshot_at
from xautolm_core.experience.snapshot import encode_snapshot
from xautolm_core.experience.snapshot import keep_age
from xautolm_core.experience.state import State
from xautolm_core.experience.verify import verify_store
from xautolm_core.experience.wholeness import is_whole_segment
from xautolm_core.experience.writing import split
from xautolm_core.experience.writing import without_ids
from xautolm_core.experience.writing import write_segment
from xautolm_core.objects.contract import ObjectStorage
from xautolm_core.objects.contract import StorageUnavailableError


def verify_and_quarantine(reader: StoreReader) -> VerifyReport:
    """Check every object, and move those whose content is not what was written.

    The readable rows of a corrupt segment are written to another one first; from then on the store
    does without the corrupt segment, and without one that is missing. Snapshots that name it get
    the other one too, and go on reporting that it is gone. Tombstones stay, however corrupt.

    Raises:
        StoreError: The storage cannot be read or written.
    """
    findings = verify_store(reader.storage)
    bad_segments = {key for key in findings.corrupt if is_segment_key(key)}
    if bad_segments or findings.missing:
        reader.settled(lambda state: _note_damage(reader, state, bad_segments))
        reader.settled(lambda state: _replace(reader, state, bad_segments, findings.missing))
    moved = [_move(reader.storage, key) for key in findings.movable]
    report = findings.report()
    return VerifyReport(
        objects=report.objects,
        faults=report.faults,
        notes=report.notes,
        quarantined=tuple(key for key in moved if key is not None),
    )


def _note_damage(reader: StoreReader, state: State, keys: set[str]) -> None:
    for key in keys:
        entry = state.frontier.segments.get(key) or SegmentEntry(key=key, rows=0)
        with contextlib.suppress(StoreChangedError):
            is_whole_segment(reader, entry)


def _replace(reader: StoreReader, state: State, bad: set[str], missing: Iterable[str]) -> None:
    """Write the readable rows of corrupt segments again, and a manifest without these."""
    storage = reader.storage
    successors: dict[str, list[str]] = {}
    kept = still_named(state)
    for key in missing:
        kept.pop(key, None)
    for key in sorted(bad):
        entry = kept.pop(key, None) or SegmentEntry(key=key, rows=0)
        saved = [] if reader.damage.is_lost(key) else _save(reader, state, entry)
        kept.update((entry.key, entry) for entry in saved)
        successors[key] = [entry.key for entry in saved]
    gone = [*bad, *missing]
    write_manifest(
        storage, state, kept.values(), replaced=sorted(gone), purged=state.frontier.purged
    )
    for info in list(storage.list(SNAPSHOTS)):
        try:
            snapshot = decode_snapshot_at(info.key, storage.get(info.key))
        except StorageUnavailableError:
            raise
        except (KeyError, CorruptObjectError, StoreError):
            continue
        more = [new for key in snapshot.segments for new in successors.get(key, ())]
        if more:
            changed = snapshot.model_copy(update={"segments": (*snapshot.segments, *more)})
            storage.put(info.key, encode_snapshot(keep_age(changed, info.modified_at)))


def _save(reader: StoreReader, state: State, entry: SegmentEntry) -> list[SegmentEntry]:
    segment = reader.open(entry)
    groups = reader.readable_groups(segment)
    tables = [without_ids(reader.read(segment, group), state.hidden) for group in groups]
    return [write_segment(reader.storage, part) for part in split(sort_rows(join_tables(tables)))]


def _move(storage: ObjectStorage, key: str) -> str | None:
    """Copy an object to the quarantine, then delete it; return where it is."""
    try:
        data = storage.get(key)
    except KeyError:
        return None
    target = f"{QUARANTINE}{key}"
    storage.put(target, data)
    storage.delete(key)
    return target
