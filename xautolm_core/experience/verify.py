"""Checks every object of a store against its digest, its name and the schema."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import field
from typing import TYPE_CHECKING

from xautolm_core.errors import StoreError
from xautolm_core.experience.checking import CheckContext
from xautolm_core.experience.checking import NotOursError
from xautolm_core.experience.checking import check_object
from xautolm_core.experience.checking import check_segment
from xautolm_core.experience.codec import CorruptObjectError
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
from xautolm_core.experience.manifest import decode_manifest
from xautolm_core.experience.policy import TENANTS
from xautolm_core.experience.policy import decode_policy
from xautolm_core.experience.snapshot import Snapshot
from xautolm_core.experience.snapshot import decode_snapshot_at
from xautolm_core.experience.tombstone import decode_tombstone
from xautolm_core.experience.tombstone import ids_of
from xautolm_core.objects.contract import ObjectStorage
from xautolm_core.objects.contract import StorageUnavailableError
from xautolm_core.objects.folder import FolderObjects
from xautolm_core.objects.keys import TEMPORARY_PREFIX

if TYPE_CHECKING:
    pass


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


def verify_store(storage: ObjectStorage) -> Findings:
    """Check every object; change nothing.

    Raises:
        StoreError: The storage cannot be read.
    """
    findings = Findings()
    context = CheckContext(hidden=set(), wanted_pins=set())
    snapshots: dict[str, Snapshot] = {}

    def check_tombstone(key: str, data: bytes) -> None:
        context.hidden |= ids_of(decode_tombstone(key, data))

    def check_snapshot(key: str, data: bytes) -> None:
        snapshots[key] = decode_snapshot_at(key, data)

    _check(storage, FORGOTTEN, check_tombstone, findings)
    _check(storage, SNAPSHOTS, check_snapshot, findings)
    # A policy is written by hand: whoever wrote it mends it, and until then it allows nothing.
    _check(storage, TENANTS, lambda k, d: _ignore(decode_policy(k, d)), findings)
    context.wanted_pins = {(p.id, p.digest) for s in snapshots.values() for p in s.tail}
    _check(storage, EXPERIENCES, lambda k, d: check_object(k, d, context), findings)
    damage = Damage()
    frontier = read_frontier(storage, damage)
    _check(storage, SEGMENTS, lambda k, d: check_segment(k, d, frontier, context), findings)
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
        except (NotOursError, StoreError) as error:
            findings.faults.append(Fault(key, str(error)))
    if left:
        still_listed = left.intersection(info.key for info in storage.list(prefix))
        findings.faults += [Fault(key, GHOST) for key in sorted(still_listed)]


def _check_what_is_named(
    storage: ObjectStorage,
    frontier: Frontier,
    snapshots: dict[str, Snapshot],
    context: CheckContext,
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
