"""Checks every object of a store against its digest, its name and the schema."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import field
from typing import TYPE_CHECKING

from xautolm_core.errors import StoreError
from xautolm_core.experience.codec import CorruptObjectError
from xautolm_core.experience.codec import Payload
from xautolm_core.experience.codec import decode
from xautolm_core.experience.codec import experience_of
from xautolm_core.experience.columns import from_table
from xautolm_core.experience.contract import Fault
from xautolm_core.experience.contract import VerifyReport
from xautolm_core.experience.damage import GHOST
from xautolm_core.experience.damage import Damage
from xautolm_core.experience.frontier import Frontier
from xautolm_core.experience.frontier import read_frontier
from xautolm_core.experience.keys import EXPERIENCES
from xautolm_core.experience.keys import FORGOTTEN
from xautolm_core.experience.keys import MANIFESTS
from xautolm_core.experience.keys import SEGMENTS
from xautolm_core.experience.keys import SNAPSHOTS
from xautolm_core.experience.keys import mark_of
from xautolm_core.experience.keys import mark_of_key
from xautolm_core.experience.legacy import legacy_table
from xautolm_core.experience.manifest import decode_manifest
from xautolm_core.experience.policy import TENANTS
from xautolm_core.experience.policy import decode_policy
from xautolm_core.experience.segment import is_whole
from xautolm_core.experience.segment_reader import SegmentReader
from xautolm_core.experience.snapshot import Snapshot
from xautolm_core.experience.snapshot import decode_snapshot_at
from xautolm_core.experience.snapshot import snapshot_key
from xautolm_core.experience.tombstone import decode_tombstone
from xautolm_core.experience.tombstone import ids_of
from xautolm_core.experience.union_snapshot import UNIONS
from xautolm_core.experience.union_snapshot import decode_union
from xautolm_core.objects.contract import ObjectStorage
from xautolm_core.objects.contract import StorageUnavailableError
from xautolm_core.objects.folder import FolderObjects
from xautolm_core.objects.keys import TEMPORARY_PREFIX

if TYPE_CHECKING:
    import pyarrow as pa

_SHOWN_PROBLEMS = 3


class _NotOursError(Exception):
    """An object is whole, but this version cannot use it, or must not: it is no evidence."""


@dataclass
class Findings:
    """What is found while a store is verified.

    Attributes:
        objects: How many objects were checked.
        faults: What is wrong.
        corrupt: Keys of the objects among them whose content is not what was written.
        notes: What is left over and does no harm.
        missing: Segments that are named and are not there.
    """

    objects: int = 0
    faults: list[Fault] = field(default_factory=list)
    corrupt: list[str] = field(default_factory=list)
    notes: list[Fault] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    @property
    def movable(self) -> list[str]:
        """The corrupt objects that quarantine may take: it would undo what tombstones say."""
        return [key for key in self.corrupt if not key.startswith(FORGOTTEN)]

    def report(self) -> VerifyReport:
        """Return the findings as a report."""
        return VerifyReport(
            objects=self.objects, faults=tuple(self.faults), notes=tuple(self.notes)
        )


@dataclass
class _Context:
    """What the checks of one object need to know of the others."""

    hidden: set[bytes]
    wanted_pins: set[tuple[str, str]]


def verify_store(storage: ObjectStorage) -> Findings:
    """Check every object; change nothing.

    Raises:
        StoreError: The storage cannot be read.
    """
    findings = Findings()
    context = _Context(hidden=set(), wanted_pins=set())
    snapshots: dict[str, Snapshot] = {}

    def check_tombstone(key: str, data: bytes) -> None:
        context.hidden |= ids_of(decode_tombstone(key, data))

    def check_snapshot(key: str, data: bytes) -> None:
        snapshots[key] = decode_snapshot_at(key, data)

    def check_union(key: str, data: bytes) -> None:
        if snapshot_key(decode_union(key, data).own) not in snapshots:
            problem = "cannot be read any more: its own snapshot is gone; it may be deleted"
            findings.notes.append(Fault(key, problem))

    _check(storage, FORGOTTEN, check_tombstone, findings)
    _check(storage, SNAPSHOTS, check_snapshot, findings)
    _check(storage, UNIONS, check_union, findings)
    # A policy is written by hand: whoever wrote it mends it, and until then it allows nothing.
    _check(storage, TENANTS, lambda k, d: _ignore(decode_policy(k, d)), findings)
    context.wanted_pins = {(p.id, p.digest) for s in snapshots.values() for p in s.tail}
    _check(storage, EXPERIENCES, lambda k, d: _check_object(k, d, context), findings)
    damage = Damage()
    frontier = read_frontier(storage, damage)
    _check(storage, SEGMENTS, lambda k, d: _check_segment(k, d, frontier, context), findings)
    _check(storage, MANIFESTS, lambda k, d: _ignore(decode_manifest(k, d)), findings)
    _check_what_is_named(storage, read_frontier(storage, damage), snapshots, context, findings)
    _note_temporaries(storage, findings)
    return findings


def _check(
    storage: ObjectStorage,
    prefix: str,
    check: Callable[[str, bytes], None],
    findings: Findings,
) -> None:
    listed = [info.key for info in storage.list(prefix)]
    left = set(listed)
    for key, data in storage.get_many(listed):
        left.discard(key)
        findings.objects += 1
        try:
            if isinstance(data, StoreError):
                raise data
            check(key, data)
        except CorruptObjectError as error:
            findings.faults.append(Fault(key, str(error)))
            findings.corrupt.append(key)
        except StorageUnavailableError:
            raise
        except (_NotOursError, StoreError) as error:
            findings.faults.append(Fault(key, str(error)))
    if left:
        still_listed = left.intersection(info.key for info in storage.list(prefix))
        findings.faults += [Fault(key, GHOST) for key in sorted(still_listed)]


def _check_object(key: str, data: bytes, context: _Context) -> None:
    payload = decode(data)
    context.wanted_pins.discard((payload.id, payload.digest))
    mark = mark_of(payload.ended_at, bytes.fromhex(payload.id))
    if mark_of_key(key) not in (None, mark):
        raise CorruptObjectError("its name belongs to another experience")
    _check_use(payload, context)


def _check_use(payload: Payload, context: _Context) -> None:
    if bytes.fromhex(payload.id) in context.hidden:
        raise _NotOursError(f"experience {payload.id} was forgotten, and is still here")
    try:
        experience_of(payload)
    except CorruptObjectError as error:
        raise _NotOursError(str(error)) from error


def _check_segment(key: str, data: bytes, frontier: Frontier, context: _Context) -> None:
    import pyarrow as pa

    problems: list[str] = []
    is_sound = is_whole(key, data)
    if not is_sound:
        problems.append("its content does not match its name")
    entry = frontier.segments.get(key)
    footer = None if entry is None else entry.footer
    buffer = pa.py_buffer(data)
    try:
        reader = SegmentReader(key, buffer, footer if is_sound else footer or "")
    except CorruptObjectError as error:
        raise CorruptObjectError("; ".join([*problems, str(error)])) from error
    for problem, is_corruption in _row_problems(reader, buffer, context):
        problems.append(problem)
        is_sound = is_sound and not is_corruption
    if problems:
        more = len(problems) - _SHOWN_PROBLEMS
        shown = "; ".join(problems[:_SHOWN_PROBLEMS]) + (f"; and {more} more" if more > 0 else "")
        raise _NotOursError(shown) if is_sound else CorruptObjectError(shown)


def _row_problems(
    reader: SegmentReader, buffer: pa.Buffer, context: _Context
) -> Iterator[tuple[str, bool]]:
    """Yield what is wrong with rows, and whether that is corruption."""

    def read(group: int) -> pa.Table:
        return legacy_table(reader.key, buffer) if reader.is_legacy else reader.read(group)

    for group in range(1 if reader.is_legacy else reader.row_groups):
        try:
            for row in from_table(read(group)):
                context.wanted_pins.discard((row.payload.id, row.payload.digest))
                try:
                    _check_use(row.payload, context)
                except _NotOursError as error:
                    yield str(error), False
        except CorruptObjectError as error:
            yield str(error), True


def _check_what_is_named(
    storage: ObjectStorage,
    frontier: Frontier,
    snapshots: dict[str, Snapshot],
    context: _Context,
    findings: Findings,
) -> None:
    present = {info.key for info in storage.list(SEGMENTS)}
    replaced = set(frontier.replaced)
    for head, manifest in frontier.heads.items():
        for entry in manifest.segments:
            if entry.key not in present and entry.key not in replaced:
                findings.faults.append(Fault(head, f"its segment {entry.key} is missing"))
                findings.missing.append(entry.key)
    for key, snapshot in snapshots.items():
        gone = [name for name in snapshot.segments if name not in present]
        gone += [
            pin.key
            for pin in snapshot.tail
            if (pin.id, pin.digest) in context.wanted_pins
            and bytes.fromhex(pin.id) not in context.hidden
        ]
        if gone:
            problem = f"{len(gone)} objects it pins are gone, such as {gone[0]}"
            findings.faults.append(Fault(key, problem))
    pinned = {name for snapshot in snapshots.values() for name in snapshot.segments}
    for key in sorted(present - frontier.segments.keys() - pinned):
        findings.notes.append(Fault(key, "is named by nothing; compaction will see to it"))


def _note_temporaries(storage: ObjectStorage, findings: Findings) -> None:
    if not isinstance(storage, FolderObjects):
        return
    for path in sorted(storage.root.rglob(f"{TEMPORARY_PREFIX}*")):
        name = path.relative_to(storage.root).as_posix()
        findings.notes.append(Fault(name, "is half-written; a later compaction removes it"))


def _ignore(value: object) -> None:
    del value
