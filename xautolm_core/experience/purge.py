"""Takes what was forgotten out of every file of a store.

The tombstone is there already, so that no reader shows it. Each step may be the last one that a
killed process did: whoever forgets or compacts next does the rest. What a compactor writes that has
not seen the tombstone is purged the next time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from dataclasses import field
from functools import partial

from xautolm_core.experience.accounting import without_tenant
from xautolm_core.experience.codec import CorruptObjectError
from xautolm_core.experience.codec import decode
from xautolm_core.experience.contract import Fault
from xautolm_core.experience.keys import EXPERIENCES
from xautolm_core.experience.keys import FORGOTTEN
from xautolm_core.experience.keys import mark_of_key
from xautolm_core.experience.marks import with_ids
from xautolm_core.experience.policy import policy_key
from xautolm_core.experience.reader import StoreReader
from xautolm_core.experience.segment import Segment
from xautolm_core.experience.segment import join_tables
from xautolm_core.experience.segment_reader import NEWER
from xautolm_core.experience.state import State
from xautolm_core.experience.tombstone import decode_tombstone
from xautolm_core.experience.tombstone import encode_tombstone
from xautolm_core.experience.tombstone import read_tombstone
from xautolm_core.experience.writing import without_ids
from xautolm_core.experience.writing import write_segments
from xautolm_core.objects.contract import StorageUnavailableError

_UNREADABLE = "cannot be read, and may hold experiences that were forgotten"
_BROKEN = "is broken, and holds experiences that were forgotten"
_OF_ANOTHER = (
    f"{NEWER}, and may hold experiences that were forgotten; compact the store with that version"
)


@dataclass
class PurgeReport:
    """What a purge did.

    Attributes:
        rewritten_segments: Segments that were written again without what was forgotten, or deleted
            because nothing else was in them.
        deleted_objects: Single objects that were deleted.
        left: Segments that hold something forgotten, or may hold it, and cannot be written again:
            they stay as they are.
    """

    rewritten_segments: int = 0
    deleted_objects: int = 0
    left: list[Fault] = field(default_factory=list)


def purge_forgotten(reader: StoreReader) -> PurgeReport:
    """Take what was forgotten out of all files, where that has not been done yet.

    Raises:
        StoreError: The storage cannot be read or written.
    """
    return reader.settled(partial(_purge, reader))


def _purge(reader: StoreReader, state: State) -> PurgeReport:
    report = PurgeReport()
    if not state.readable_tombstones:
        return report
    _forget_names(reader, state.readable_tombstones)
    for segment in state.present:
        problem = _problem(reader, segment, state.hidden)
        if problem == "":
            _rewrite(reader, segment, state.hidden)
            report.rewritten_segments += 1
        elif problem is not None:
            report.left.append(Fault(segment.key, problem))
    report.deleted_objects = _delete_objects(reader, state)
    return report


def _problem(reader: StoreReader, segment: Segment, hidden: frozenset[bytes]) -> str | None:
    """Return why a segment cannot be written again; empty if it can, None if it need not be."""
    if reader.damage.is_lost(segment.key):
        # It hides what it holds only as long as it cannot be read.
        return _UNREADABLE if hidden else None
    rows = reader.rows_in(segment)
    opened = reader.open(segment)
    if opened.is_newer:
        # Without what this version cannot read, the segment must not be written again.
        is_open = any(map(opened.unreadable_rows, range(opened.row_groups)))
        return _OF_ANOTHER if is_open or with_ids(rows, hidden).any() else None
    if not with_ids(rows, hidden).any():
        return None
    return "" if reader.is_whole(segment) else _BROKEN


def _rewrite(reader: StoreReader, segment: Segment, hidden: frozenset[bytes]) -> None:
    """Write a segment without what was forgotten, if anything is left, and delete it."""
    tables = [without_ids(table, hidden) for table in reader.tables(segment)]
    write_segments(reader.storage, tables, generation=segment.generation + 1)
    reader.storage.delete(segment.key)


def _delete_objects(reader: StoreReader, state: State) -> int:
    """Delete the single objects of what was forgotten; return how many."""
    if not state.hidden:
        return 0
    beginnings = {identity[:10] for identity in state.hidden}
    marks = {info.key: mark_of_key(info.key) for info in state.singles}
    named = [key for key, mark in marks.items() if mark is not None and mark[6:] in beginnings]
    unnamed = [key for key, mark in marks.items() if mark is None]
    tail = reader.tail(unnamed, state)
    doomed = [*named, *(key for key in tail.odd if tail.marks[key][6:] in beginnings)]
    if doomed:
        reader.storage.delete_many(doomed)
    return len(doomed)


def _forget_names(reader: StoreReader, tombstones: Iterable[str]) -> None:
    """Take the names of forgotten tenants out of all that is not an experience.

    A tombstone has the name until then, so that it is known after a kill what is to be done.
    """
    for key in tombstones:
        try:
            table, tenant = read_tombstone(key, reader.storage.get(key))
        except (KeyError, CorruptObjectError):
            continue
        if tenant is None:
            continue
        _forget_in_accounts(reader, tenant)
        _delete_unreadable(reader, tenant)
        reader.storage.delete(policy_key(tenant))
        if table.num_rows:
            reader.storage.put(*encode_tombstone(table))
        reader.storage.delete(key)


def _forget_in_accounts(reader: StoreReader, tenant: str) -> None:
    """Take a tenant's name out of the accounts of tasks that were forgotten before."""
    import pyarrow.compute as pc

    for info in list(reader.storage.list(FORGOTTEN)):
        try:
            table = decode_tombstone(info.key, reader.storage.get(info.key))
        except KeyError:
            continue
        except CorruptObjectError as error:
            reader.damage.report(info.key, str(error))
            continue
        is_theirs = pc.fill_null(pc.equal(table["tenant"].cast("string"), tenant), False)
        if pc.any(is_theirs).as_py():
            parts = [without_tenant(table.filter(is_theirs)), table.filter(pc.invert(is_theirs))]
            reader.storage.put(*encode_tombstone(join_tables(parts)))
            reader.storage.delete(info.key)


def _delete_unreadable(reader: StoreReader, tenant: str) -> None:
    """Delete what lies below a tenant's name and cannot be read: corrupt, refused, or not there.

    A listed object that is not there may have yet to appear: deleted now, it never will.
    """
    below = f"{EXPERIENCES}{tenant}/"
    left = {info.key for info in reader.storage.list(below)}
    for key, data in reader.storage.get_many(sorted(left)):
        if isinstance(data, StorageUnavailableError):
            raise data
        try:
            if isinstance(data, bytes):
                decode(data)
                left.discard(key)
        except CorruptObjectError:
            continue
    reader.storage.delete_many(sorted(left))
