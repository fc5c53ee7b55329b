"""Compaction: gathers single objects in segments, merges small segments, joins the heads.

The order of the steps makes it safe to be killed at any of them, and to run any number at once:
before a manifest is there (written last) readers use the old ones, and what no manifest names is
never missed. What it leaves behind is retired later (see ``retire``).
"""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field
from datetime import datetime
from datetime import timedelta
from typing import TYPE_CHECKING

from xautolm_core.experience.clock import storage_now
from xautolm_core.experience.damage import StoreChangedError
from xautolm_core.experience.keys import mark_of_key
from xautolm_core.experience.manifest import SegmentEntry
from xautolm_core.experience.manifest import is_segment_key
from xautolm_core.experience.naming import still_named
from xautolm_core.experience.naming import write_manifest
from xautolm_core.experience.purge import purge_forgotten
from xautolm_core.experience.reader import StoreReader
from xautolm_core.experience.retire import retire
from xautolm_core.experience.segment import SEGMENT_ROWS
from xautolm_core.experience.segment import join_tables
from xautolm_core.experience.segment import sort_rows
from xautolm_core.experience.state import State
from xautolm_core.experience.wholeness import is_whole_segment
from xautolm_core.experience.writing import exact_rows
from xautolm_core.experience.writing import rows_not_in
from xautolm_core.experience.writing import split
from xautolm_core.experience.writing import without_ids
from xautolm_core.experience.writing import write_segment

if TYPE_CHECKING:
    import pyarrow as pa

MOST_SMALL_SEGMENTS = 8
"""When there are more segments of less than half of ``SEGMENT_ROWS``, some are merged."""

_SMALL_ROWS = SEGMENT_ROWS // 2
_GROWTH = 4


@dataclass
class _Plan:
    """What the next manifest will say, as far as it is known."""

    kept: dict[str, SegmentEntry]
    added: list[SegmentEntry] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)


def compact(reader: StoreReader, *, grace: timedelta, keep_snapshots: int | None = None) -> int:
    """Gather single objects, retire what is not needed any more; return how many were gathered.

    Args:
        reader: Of the store.
        grace: How long retired files stay.
        keep_snapshots: Delete all snapshots but the newest ones; None keeps all.

    Raises:
        StoreError: The storage cannot be read or written.
    """
    purge_forgotten(reader)
    now = storage_now(reader.storage)
    gathered, known_objects = reader.settled(lambda state: _gather(reader, state, now, grace))
    retire(reader, grace=grace, keep_snapshots=keep_snapshots, known_objects=known_objects)
    return gathered


def _gather(
    reader: StoreReader, state: State, now: datetime, grace: timedelta
) -> tuple[int, dict[str, bytes]]:
    """Write new segments and a manifest; return the number of new rows and what was read.

    The latter are the keys of valid single objects with the marks of their content: they alone may
    be retired. What is listed and is not there is neither gathered nor touched.
    """
    _check_those_relied_on(reader, state)
    tail = reader.tail(state.tail, state)
    plan = _Plan(kept=still_named(state))
    rescued = _rescue(reader, state, plan, now, grace)
    table, inexact = exact_rows(sort_rows(join_tables([tail.table, *rescued])))
    for identity in inexact:
        reader.damage.report(identity, "cannot be kept in columns; its single object stays")
    _place(reader, state, plan, table)
    if plan.added or plan.replaced or len(state.frontier.heads) > 1:
        write_manifest(
            reader.storage,
            state,
            [*plan.kept.values(), *plan.added],
            replaced=plan.replaced,
            purged=state.frontier.purged if state.frontier.heads else state.purgeable,
        )
    return table.num_rows, tail.objects


def _check_those_relied_on(reader: StoreReader, state: State) -> None:
    """Make sure that the segments that cover present single objects are whole."""
    left = set(state.tail)
    covered = [mark_of_key(info.key) for info in state.singles if info.key not in left]
    marks = [mark for mark in covered if mark is not None]
    for entry in reader.holders_of(state.segments, marks):
        if not reader.damage.touches(entry.key) and not is_whole_segment(reader, entry):
            raise StoreChangedError


def _rescue(
    reader: StoreReader, state: State, plan: _Plan, now: datetime, grace: timedelta
) -> list[pa.Table]:
    """Return the rows of segments that nobody names, as far as no named segment holds them.

    A compactor that was killed leaves such segments behind, and so does a manifest that was lost.
    One that a newer version wrote is named again as it is: written again by this version, it might
    lose something.
    """
    named = [entry for entry in state.segments if entry.key in plan.kept]
    replaced = set(state.frontier.replaced)
    found: list[pa.Table] = []
    for key, info in state.present.items():
        if not is_segment_key(key) or key in state.frontier.segments or reader.damage.is_lost(key):
            continue
        is_due = key not in replaced and now - info.modified_at >= grace
        if not is_due and not state.is_troubled:
            continue
        entry = SegmentEntry(key=key, rows=0)
        is_whole = is_whole_segment(reader, entry)
        segment = reader.open(entry)
        if segment.is_newer:
            if is_whole and key not in replaced:
                plan.added.append(entry.model_copy(update={"rows": segment.rows}))
            continue
        for group in reader.readable_groups(segment):
            table = without_ids(reader.read(segment, group), state.hidden)
            found.append(rows_not_in(reader, named, table))
        if is_whole and key not in replaced:
            plan.replaced.append(key)
    return found


def _place(reader: StoreReader, state: State, plan: _Plan, table: pa.Table) -> None:
    """Write the new rows, and merge small segments if there are many."""
    plan.added += [write_segment(reader.storage, part) for part in split(table)]
    sound = [
        entry
        for entry in state.segments
        if entry.key in plan.kept and not reader.damage.touches(entry.key)
    ]
    for group in _mergeable(reader, sound):
        tables = [without_ids(_load(reader, entry), state.hidden) for entry in group]
        since = max(e.covered_since or state.present[e.key].modified_at for e in group)
        for part in split(sort_rows(join_tables(tables))):
            entry = write_segment(reader.storage, part)
            plan.added.append(entry.model_copy(update={"covered_since": since}))
        for entry in group:
            del plan.kept[entry.key]
            plan.replaced.append(entry.key)


def _mergeable(reader: StoreReader, entries: list[SegmentEntry]) -> list[list[SegmentEntry]]:
    """Return which segments are to be merged, none of which a newer version wrote."""
    while True:
        groups = _groups(entries)
        newer = {entry.key for group in groups for entry in group if reader.open(entry).is_newer}
        if not newer:
            return groups
        entries = [entry for entry in entries if entry.key not in newer]


def _groups(entries: list[SegmentEntry]) -> list[list[SegmentEntry]]:
    """Return which segments are to be merged.

    Segments of an older layout always are. Of too many small ones, the smallest are, as long as the
    next one is not much larger than all before it: so each row is written a few times only, however
    often the store is compacted.
    """
    old = [entry for entry in entries if entry.footer is None]
    groups = [old] if old else []
    small = [entry for entry in entries if entry.footer is not None and entry.rows < _SMALL_ROWS]
    small.sort(key=lambda entry: entry.rows)
    if len(small) > MOST_SMALL_SEGMENTS:
        group, rows = small[:2], small[0].rows + small[1].rows
        for entry in small[2:]:
            if rows + entry.rows > SEGMENT_ROWS or entry.rows > _GROWTH * rows:
                break
            group.append(entry)
            rows += entry.rows
        groups.append(group)
    return groups


def _load(reader: StoreReader, entry: SegmentEntry) -> pa.Table:
    if not is_whole_segment(reader, entry):
        raise StoreChangedError
    segment = reader.open(entry)
    return join_tables([reader.read(segment, g) for g in range(segment.row_groups)])
