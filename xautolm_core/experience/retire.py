"""Deletes what nobody needs any more: gathered objects, old manifests and segments, leftovers.

A retired file stays for a grace period after others have taken its place, by the storage's own
clock, for readers and compactors that are still at work with it. Whoever comes too late looks again
or finds its rows in other segments. Nothing corrupt is ever deleted, and as long as a manifest or a
snapshot cannot be read, nothing that it may name.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from itertools import islice

from xautolm_core.errors import StoreError
from xautolm_core.experience.clock import storage_now
from xautolm_core.experience.codec import CorruptObjectError
from xautolm_core.experience.codec import decode
from xautolm_core.experience.coverage import marks_of
from xautolm_core.experience.keys import MANIFESTS
from xautolm_core.experience.keys import SNAPSHOTS
from xautolm_core.experience.keys import mark_of
from xautolm_core.experience.keys import mark_of_key
from xautolm_core.experience.manifest import Manifest
from xautolm_core.experience.manifest import SegmentEntry
from xautolm_core.experience.manifest import decode_manifest
from xautolm_core.experience.manifest import is_segment_key
from xautolm_core.experience.reader import StoreReader
from xautolm_core.experience.snapshot import decode_snapshot_at
from xautolm_core.experience.state import State
from xautolm_core.experience.wholeness import is_whole_segment
from xautolm_core.experience.writing import without_ids
from xautolm_core.objects.contract import ObjectInfo
from xautolm_core.objects.contract import ObjectStorage
from xautolm_core.objects.contract import StorageUnavailableError
from xautolm_core.objects.folder import FolderObjects

KEPT_MANIFESTS = 2
"""This many of the newest manifests stay, however old."""

_LONGEST_PUT = timedelta(hours=1)
_LATEST = datetime.max.replace(tzinfo=UTC)
_CHUNK = 5_000


@dataclass(frozen=True)
class Named:
    """What manifests and snapshots name.

    Attributes:
        manifests: The readable manifests by key, oldest first.
        segments: Segments that any of them or any snapshot names.
        is_complete: Whether all manifests and snapshots could be read.
    """

    manifests: Mapping[str, Manifest]
    segments: frozenset[str]
    is_complete: bool


def retire(
    reader: StoreReader,
    *,
    grace: timedelta,
    keep_snapshots: int | None,
    known_objects: Mapping[str, bytes],
) -> None:
    """Delete what is not needed any more.

    Args:
        reader: Of the store.
        grace: How long retired files stay.
        keep_snapshots: Delete all snapshots but the newest ones; None keeps all.
        known_objects: Single objects that were just read and found valid, with the mark of their
            content.

    Raises:
        StoreError: The storage cannot be read or written.
    """
    now = storage_now(reader.storage)
    reader.settled(lambda state: _retire_objects(reader, state, now - grace, known_objects))
    if keep_snapshots is not None:
        _retire_snapshots(reader, keep_snapshots)
    if not reader.settled(lambda state: state.is_troubled):
        _retire_manifests(reader, now - grace)
    reader.settled(lambda state: _retire_segments(reader, state, now - grace))
    if isinstance(reader.storage, FolderObjects):
        reader.storage.remove_stale_temporaries(max(grace, _LONGEST_PUT).total_seconds())


def read_named(reader: StoreReader) -> Named:
    """Return what the present manifests and snapshots name.

    Raises:
        StoreError: The storage cannot be read.
    """
    manifests: dict[str, Manifest] = {}
    segments: set[str] = set()
    is_complete = True
    for key, data in sorted(_contents(reader, MANIFESTS)):
        try:
            manifest = decode_manifest(key, data)
        except CorruptObjectError:
            is_complete = False
            continue
        manifests[key] = manifest
        segments.update(entry.key for entry in manifest.segments)
    for key, data in _contents(reader, SNAPSHOTS):
        try:
            segments.update(decode_snapshot_at(key, data).segments)
        except CorruptObjectError:
            is_complete = False
    return Named(manifests, frozenset(segments), is_complete)


def _retire_objects(
    reader: StoreReader, state: State, before: datetime, known_objects: Mapping[str, bytes]
) -> None:
    """Delete single objects whose rows have been in whole segments for long enough."""
    left = set(state.tail)
    candidates = [info.key for info in state.singles if info.key not in left]
    # Objects with names of older versions: their content alone tells what they are.
    candidates += [key for key in state.tail if mark_of_key(key) is None or key in known_objects]
    if not candidates:
        return
    due = [entry for entry in state.segments if _covered_since(state, entry) <= before]
    marks = [known_objects.get(key) or mark_of_key(key) for key in candidates]
    asked = [mark for mark in marks if mark is not None]
    due = reader.holders_of(due, asked) if len(asked) == len(marks) else due
    # What a newer version wrote it alone can vouch for: the objects of such rows are its to delete.
    whole = [e for e in due if is_whole_segment(reader, e) and not reader.open(e).is_newer]
    remaining = iter(candidates)
    while chunk := list(islice(remaining, _CHUNK)):
        contents = {key: known_objects[key] for key in chunk if key in known_objects}
        contents |= _read_marks(reader.storage, [key for key in chunk if key not in contents])
        held = reader.which_are_in(whole, set(contents.values()))
        reader.storage.delete_many([key for key in contents if contents[key] in held])


def _covered_since(state: State, entry: SegmentEntry) -> datetime:
    """Return since when the rows of a segment that is named have been in segments."""
    if entry.key not in state.frontier.segments:
        return datetime.max.replace(tzinfo=state.present[entry.key].modified_at.tzinfo)
    return entry.covered_since or state.present[entry.key].modified_at


def _read_marks(storage: ObjectStorage, keys: Iterable[str]) -> dict[str, bytes]:
    """Return the marks of the content of valid objects."""
    marks: dict[str, bytes] = {}
    for key, data in storage.get_many(keys):
        if isinstance(data, StorageUnavailableError):
            raise data
        if isinstance(data, StoreError):
            continue
        try:
            payload = decode(data)
        except CorruptObjectError:
            continue
        marks[key] = mark_of(payload.ended_at, bytes.fromhex(payload.id))
    return marks


def _retire_snapshots(reader: StoreReader, keep: int) -> None:
    """Delete all readable snapshots but the newest ones, and name the others.

    When ``forget`` wrote one does not matter.
    """
    written_at = {info.key: info.modified_at for info in reader.storage.list(SNAPSHOTS)}
    created_at: dict[str, datetime] = {}
    for key, data in _contents(reader, SNAPSHOTS):
        try:
            snapshot = decode_snapshot_at(key, data)
        except CorruptObjectError as error:
            if data:
                reader.damage.report(key, str(error))
            continue
        created_at[key] = snapshot.created_at or written_at.get(key, _LATEST)
    newest_last = sorted(created_at, key=lambda key: (created_at[key], key))
    reader.storage.delete_many(newest_last[: max(0, len(newest_last) - keep)])


def _retire_manifests(reader: StoreReader, before: datetime) -> None:
    """Delete manifests that others took in long enough ago, but for the newest ones."""
    listed = {info.key: info for info in reader.storage.list(MANIFESTS)}
    manifests = read_named(reader).manifests
    superseded_at: dict[str, datetime] = {}
    for key, manifest in manifests.items():
        if key in listed:
            for parent in manifest.parents:
                at = listed[key].modified_at
                superseded_at[parent] = min(at, superseded_at.get(parent, at))
    old = [key for key in manifests if key in superseded_at and superseded_at[key] <= before]
    newest = set(list(listed)[-KEPT_MANIFESTS:])
    reader.storage.delete_many([key for key in old if key in listed and key not in newest])


def _retire_segments(reader: StoreReader, state: State, before: datetime) -> None:
    """Delete segments whose rows are in others, and that neither manifest nor snapshot names."""
    old = [info for info in state.present.values() if info.modified_at <= before]
    if state.is_troubled or not old:
        return
    # In this order: a manifest that is written after it was looked for finds ours.
    named = read_named(reader)
    if not named.is_complete:
        return
    replaced = {key for manifest in named.manifests.values() for key in manifest.replaced}
    checked: dict[str, bool] = {}
    for info in old:
        if is_unneeded(info, named, replaced) and _is_held(reader, state, info.key, checked):
            reader.storage.delete(info.key)


def _is_held(reader: StoreReader, state: State, key: str, checked: dict[str, bool]) -> bool:
    """Whether a segment is whole, and all of its rows are in whole segments that are named.

    Of one that a newer version wrote, this one does not know all.
    """
    entry = SegmentEntry(key=key, rows=0)
    if not is_whole_segment(reader, entry):
        return False
    segment = reader.open(entry)
    if segment.is_newer:
        return False
    names = [reader.read(segment, g, ["ended_at", "id"]) for g in range(segment.row_groups)]
    marks = {row.tobytes() for row in marks_of([without_ids(t, state.hidden) for t in names])}
    holders = reader.holders_of(state.frontier.segments.values(), marks)
    for holder in holders:
        if holder.key not in checked:
            checked[holder.key] = is_whole_segment(reader, holder)
    whole = [holder for holder in holders if checked[holder.key]]
    return marks == reader.which_are_in(whole, marks)


def is_unneeded(info: ObjectInfo, named: Named, replaced: set[str]) -> bool:
    """Whether a segment was replaced and nothing names it any more."""
    return is_segment_key(info.key) and info.key in replaced and info.key not in named.segments


def _contents(reader: StoreReader, prefix: str) -> Iterator[tuple[str, bytes]]:
    """Yield key and content of all objects that are listed; what cannot be read has none."""
    left = {info.key for info in reader.storage.list(prefix)}
    for key, data in reader.storage.get_many(sorted(left)):
        left.discard(key)
        if isinstance(data, StorageUnavailableError):
            raise data
        if isinstance(data, StoreError):
            reader.damage.report(key, data.problem)
        yield key, data if isinstance(data, bytes) else b""
    for key in sorted(left):
        # Deleted meanwhile, or a ghost: who decides what may go must not do so without it.
        yield key, b""
