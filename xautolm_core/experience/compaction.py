"""Compaction: gathers single objects in segments, merges small ones, deletes what is not needed.

The order of the steps makes it safe to be killed at any of them, and to run any number at once.
What is deleted is held by others: a single object by a segment, a segment by ones that rank above
it. Nothing is ever deleted for one that ranks below it, so that the highest segment that holds an
experience stays, whoever deletes what at the same time. (``purge`` deletes segments too, but
writes one that ranks above them before.) Others have held it for a grace period, by the
storage's own clock: whoever is still at work with what is deleted finds its rows there. Nothing
corrupt is ever deleted, and nothing that a newer version wrote.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from datetime import datetime
from datetime import timedelta
from functools import partial
from itertools import islice

from xautolm_core.errors import ConfigError
from xautolm_core.errors import StoreError
from xautolm_core.experience.codec import CorruptObjectError
from xautolm_core.experience.codec import decode
from xautolm_core.experience.damage import StoreChangedError
from xautolm_core.experience.keys import CLOCK
from xautolm_core.experience.keys import mark_of
from xautolm_core.experience.keys import mark_of_key
from xautolm_core.experience.marks import may_hold
from xautolm_core.experience.marks import not_in
from xautolm_core.experience.marks import with_ids
from xautolm_core.experience.purge import purge_forgotten
from xautolm_core.experience.reader import StoreReader
from xautolm_core.experience.segment import SEGMENT_ROWS
from xautolm_core.experience.segment import Segment
from xautolm_core.experience.state import State
from xautolm_core.experience.writing import exact_rows
from xautolm_core.experience.writing import without_ids
from xautolm_core.experience.writing import write_segments
from xautolm_core.objects.contract import ObjectStorage
from xautolm_core.objects.contract import StorageUnavailableError
from xautolm_core.objects.folder import FolderObjects

MOST_SMALL_SEGMENTS = 8
"""When there are more segments of less than half of ``SEGMENT_ROWS``, some are merged."""

GRACE = timedelta(hours=1)
GRACE_VARIABLE = "XAUTOLM_STORE_GRACE_SECONDS"

_SMALL_ROWS = SEGMENT_ROWS // 2
_GROWTH = 4
_LONGEST_PUT = timedelta(hours=1)
_CHUNK = 5_000


def compact(reader: StoreReader, *, grace: timedelta) -> int:
    """Gather single objects, delete what is not needed any more; return how many were gathered.

    Args:
        reader: Of the store.
        grace: How long what others hold by now stays.

    Raises:
        StoreError: The storage cannot be read or written.
    """
    purge_forgotten(reader)
    gathered, known = reader.settled(partial(_gather, reader))
    reader.settled(partial(_merge, reader))
    before = storage_now(reader.storage) - grace
    reader.settled(lambda state: _delete_objects(reader, state, before, known))
    reader.settled(lambda state: _delete_segments(reader, state, before))
    if isinstance(reader.storage, FolderObjects):
        reader.storage.remove_stale_temporaries(max(grace, _LONGEST_PUT).total_seconds())
    return gathered


def storage_now(storage: ObjectStorage) -> datetime:
    """Return the present time by the storage's clock (UTC). It writes a small object.

    The clocks of writers are not to be trusted.

    Raises:
        StoreError: It cannot be written.
    """
    storage.put(CLOCK, b"{}\n")
    return max(info.modified_at for info in storage.list(CLOCK))


def grace_period() -> timedelta:
    """Return how long what others hold by now stays for those who are still at work with it.

    One hour, or what ``XAUTOLM_STORE_GRACE_SECONDS`` says.

    Raises:
        ConfigError: The variable holds no number of seconds.
    """
    text = os.environ.get(GRACE_VARIABLE)
    if not text:
        return GRACE
    try:
        grace = timedelta(seconds=float(text))
        if grace < timedelta(0):
            raise ValueError
    except (ValueError, OverflowError):
        raise ConfigError(
            f"{GRACE_VARIABLE} is {text[:40]!r}, no number of seconds",
            hint="Give 0 or more, such as 3600",
        ) from None
    return grace


def _gather(reader: StoreReader, state: State) -> tuple[int, Mapping[str, bytes]]:
    """Write new segments; return the number of new rows and what was read.

    The latter are the keys of valid single objects with the marks of their content. What is listed
    and is not there is neither gathered nor touched.
    """
    _check_those_relied_on(reader, state)
    tail = reader.tail(state.tail, state)
    table, inexact = exact_rows(tail.table)
    for identity in inexact:
        reader.damage.report(identity, "cannot be kept in columns; its single object stays")
    write_segments(reader.storage, [table], generation=1)
    return table.num_rows, tail.marks


def _check_those_relied_on(reader: StoreReader, state: State) -> None:
    """Make sure that the segments that hold present single objects are whole."""
    left = set(state.tail)
    held = [mark_of_key(info.key) for info in state.singles if info.key not in left]
    for segment in reader.holders_of(state.segments, [mark for mark in held if mark is not None]):
        if not reader.damage.touches(segment.key) and not reader.is_whole(segment):
            raise StoreChangedError


def _merge(reader: StoreReader, state: State) -> None:
    """Write the rows of small segments into one, if there are many whose rows no other holds."""
    replaced = {segment.key for segment, _ in _replaced(reader, state, state.segments)}
    sound = [
        segment
        for segment in state.segments
        if segment.key not in replaced and not reader.damage.touches(segment.key)
    ]
    group = _mergeable(reader, sound)
    if not group:
        return
    if not all(map(reader.is_whole, group)):
        raise StoreChangedError
    tables = [without_ids(t, state.hidden) for segment in group for t in reader.tables(segment)]
    generation = 1 + max(segment.generation for segment in group)
    write_segments(reader.storage, tables, generation=generation)


def _mergeable(reader: StoreReader, segments: Iterable[Segment]) -> list[Segment]:
    """Return which segments are to be merged, none of which a newer version wrote.

    Of too many small ones, the smallest are, as long as the next one is not much larger than all
    before it: so each row is written a few times only, however often the store is compacted.
    """
    small = [s for s in segments if s.rows < _SMALL_ROWS and not reader.open(s).is_newer]
    if len(small) <= MOST_SMALL_SEGMENTS:
        return []
    small.sort(key=lambda segment: segment.rows)
    group, rows = small[:2], sum(segment.rows for segment in small[:2])
    for segment in small[2:]:
        if rows + segment.rows > SEGMENT_ROWS or segment.rows > _GROWTH * rows:
            break
        group.append(segment)
        rows += segment.rows
    return group


def _replaced(
    reader: StoreReader, state: State, others: Iterable[Segment]
) -> Iterator[tuple[Segment, list[Segment]]]:
    """Yield each segment whose rows are all in others that rank above it, with these.

    Args:
        reader: Of the store.
        state: Of the store. What was forgotten does not count.
        others: Those that may hold them.
    """
    candidates = list(others)
    for segment in state.segments:
        higher = [other for other in candidates if other.rank > segment.rank]
        ends = [segment.first, segment.last]
        if not all(any(may_hold(other, [end]) for other in higher) for end in ends):
            continue  # nobody holds its first row, or its last one
        rows = reader.rows_in(segment)
        left = rows[~with_ids(rows, state.hidden)]
        holders: list[Segment] = []
        for other in higher:
            if not len(left):
                break
            if other.first <= segment.last and segment.first <= other.last:
                before = len(left)
                left = not_in(left, reader.rows_in(other))
                holders += [other] if len(left) < before else []
        if holders and not len(left):
            yield segment, holders


def _delete_objects(
    reader: StoreReader, state: State, before: datetime, known: Mapping[str, bytes]
) -> None:
    """Delete single objects whose rows have been in whole segments for long enough.

    Args:
        reader: Of the store.
        state: Of the store.
        before: When these segments must have been there.
        known: Keys of objects that were just read and found valid, with the marks of their content.
    """
    left = set(state.tail)
    candidates = [info.key for info in state.singles if info.key not in left]
    # Objects with names of other forms: only their content shows what they are.
    candidates += [key for key in state.tail if mark_of_key(key) is None or key in known]
    if not candidates:
        return
    due = [segment for segment in state.segments if state.written_at[segment.key] <= before]
    marks = [known.get(key) or mark_of_key(key) for key in candidates]
    asked = [mark for mark in marks if mark is not None]
    due = reader.holders_of(due, asked) if len(asked) == len(marks) else due
    # What a newer version wrote it alone can vouch for: the objects of such rows are its to delete.
    whole = [s for s in due if reader.is_whole(s) and not reader.open(s).is_newer]
    remaining = iter(candidates)
    while chunk := list(islice(remaining, _CHUNK)):
        contents = {key: known[key] for key in chunk if key in known}
        contents |= _read_marks(reader.storage, [key for key in chunk if key not in contents])
        held = reader.which_are_in(whole, set(contents.values()))
        reader.storage.delete_many([key for key in contents if contents[key] in held])


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


def _delete_segments(reader: StoreReader, state: State, before: datetime) -> None:
    """Delete segments whose rows have been in others that rank above them for long enough."""
    own = [s for s in state.segments if not reader.open(s).is_newer]
    due = [s for s in own if state.written_at[s.key] <= before]
    checked: dict[str, bool] = {}
    for segment, holders in _replaced(reader, state, due):
        for one in (segment, *holders):
            if one.key not in checked:
                checked[one.key] = one in own and reader.is_whole(one)
        if all(checked[one.key] for one in (segment, *holders)):
            reader.storage.delete(segment.key)
