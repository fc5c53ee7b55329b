"""Checks every object of a store against its digest, its name and the schema.

Corrupt objects may be moved to ``quarantine/``, once what is whole in them is saved.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace

from xautolm_core.errors import StoreError
from xautolm_core.experience.codec import CorruptObjectError
from xautolm_core.experience.codec import Payload
from xautolm_core.experience.codec import decode
from xautolm_core.experience.codec import experience_of
from xautolm_core.experience.columns import from_table
from xautolm_core.experience.contract import Fault
from xautolm_core.experience.contract import VerifyReport
from xautolm_core.experience.damage import GHOST
from xautolm_core.experience.damage import StoreChangedError
from xautolm_core.experience.keys import EXPERIENCES
from xautolm_core.experience.keys import FORGOTTEN
from xautolm_core.experience.keys import QUARANTINE
from xautolm_core.experience.keys import SEGMENTS
from xautolm_core.experience.keys import mark_of
from xautolm_core.experience.keys import mark_of_key
from xautolm_core.experience.policy import TENANTS
from xautolm_core.experience.policy import decode_policy
from xautolm_core.experience.reader import NO_SEGMENT
from xautolm_core.experience.reader import StoreReader
from xautolm_core.experience.segment import segment_of
from xautolm_core.experience.segment_reader import NEWER
from xautolm_core.experience.segment_reader import NewerLayoutError
from xautolm_core.experience.segment_reader import SegmentReader
from xautolm_core.experience.state import State
from xautolm_core.experience.tombstone import decode_tombstone
from xautolm_core.experience.tombstone import ids_of
from xautolm_core.experience.writing import without_ids
from xautolm_core.experience.writing import write_segments
from xautolm_core.objects.contract import ObjectStorage
from xautolm_core.objects.contract import StorageUnavailableError
from xautolm_core.objects.folder import FolderObjects
from xautolm_core.objects.keys import TEMPORARY_PREFIX

_SHOWN_PROBLEMS = 3


class _NotOursError(Exception):
    """An object is whole, but this version cannot use it, or must not: it is no evidence."""


@dataclass
class _Findings:
    """What is found while a store is verified.

    Attributes:
        objects: How many objects were checked.
        faults: What is wrong.
        corrupt: Keys of the objects among them whose content is not what was written.
        notes: What is left over and does no harm.
        hidden: Ids (16 bytes) of what was forgotten.
    """

    objects: int = 0
    faults: list[Fault] = field(default_factory=list)
    corrupt: list[str] = field(default_factory=list)
    notes: list[Fault] = field(default_factory=list)
    hidden: set[bytes] = field(default_factory=set)

    def report(self) -> VerifyReport:
        """Return the findings as a report."""
        return VerifyReport(
            objects=self.objects, faults=tuple(self.faults), notes=tuple(self.notes)
        )


def verify_store(storage: ObjectStorage) -> VerifyReport:
    """Check every object; change nothing.

    Raises:
        StoreError: The storage cannot be read.
    """
    return _check_all(storage).report()


def verify_and_quarantine(reader: StoreReader) -> VerifyReport:
    """Check every object, and move those whose content is not what was written.

    The readable rows of a corrupt segment are written to another one first. Tombstones stay,
    however corrupt: in quarantine they would be forgotten themselves.

    Raises:
        StoreError: The storage cannot be read or written.
    """
    findings = _check_all(reader.storage)
    movable = [key for key in findings.corrupt if not key.startswith(FORGOTTEN)]
    bad = {key for key in movable if segment_of(key) is not None}
    if bad:
        reader.settled(lambda state: _note_damage(reader, state, bad))
        reader.settled(lambda state: _save(reader, state, bad))
    moved = [_move(reader.storage, key) for key in movable]
    return replace(findings.report(), quarantined=tuple(key for key in moved if key is not None))


def _check_all(storage: ObjectStorage) -> _Findings:
    findings = _Findings()

    def check_tombstone(key: str, data: bytes) -> None:
        findings.hidden |= ids_of(decode_tombstone(key, data))

    _check(storage, FORGOTTEN, check_tombstone, findings)
    # A policy is written by hand: whoever wrote it mends it, and until then it allows nothing.
    _check(storage, TENANTS, lambda k, d: _ignore(decode_policy(k, d)), findings)
    _check(storage, EXPERIENCES, lambda k, d: _check_object(k, d, findings.hidden), findings)
    _check(storage, SEGMENTS, lambda k, d: _check_segment(k, d, findings.hidden), findings)
    _note_temporaries(storage, findings)
    return findings


def _check(
    storage: ObjectStorage,
    prefix: str,
    check: Callable[[str, bytes], None],
    findings: _Findings,
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


def _check_object(key: str, data: bytes, hidden: set[bytes]) -> None:
    """Check a single object.

    Raises:
        CorruptObjectError: It is not what was written there.
        _NotOursError: It is whole, but of no use.
    """
    payload = decode(data)
    mark = mark_of(payload.ended_at, bytes.fromhex(payload.id))
    if mark_of_key(key) not in (None, mark):
        raise CorruptObjectError("its name belongs to another experience")
    _check_use(payload, hidden)


def _check_segment(key: str, data: bytes, hidden: set[bytes]) -> None:
    """Check a segment, row by row.

    Raises:
        CorruptObjectError: It is not what was written.
        _NotOursError: It is whole, but some of it is of no use, or a newer version wrote it.
    """
    import pyarrow as pa

    segment = segment_of(key)
    if segment is None:
        raise CorruptObjectError(NO_SEGMENT)
    problems: list[str] = []
    is_sound = segment.is_whole(data)
    if not is_sound:
        problems.append("its content does not match its name")
    try:
        reader = SegmentReader(segment, pa.py_buffer(data))
    except NewerLayoutError as error:
        raise _NotOursError("; ".join([*problems, str(error)])) from error
    except CorruptObjectError as error:
        raise CorruptObjectError("; ".join([*problems, str(error)])) from error
    for problem, is_corruption in _row_problems(reader, hidden):
        problems.append(problem)
        is_sound = is_sound and not is_corruption
    if problems and reader.is_newer:
        # Broken or not, this version could not save what only a newer one can read.
        problems.insert(0, NEWER)
        is_sound = True
    if problems:
        more = len(problems) - _SHOWN_PROBLEMS
        shown = "; ".join(problems[:_SHOWN_PROBLEMS]) + (f"; and {more} more" if more > 0 else "")
        raise _NotOursError(shown) if is_sound else CorruptObjectError(shown)


def _row_problems(reader: SegmentReader, hidden: set[bytes]) -> Iterator[tuple[str, bool]]:
    """Yield what is wrong with rows, and whether that is corruption."""
    for group in range(reader.row_groups):
        try:
            for row in from_table(reader.read(group)):
                try:
                    _check_use(row.payload, hidden)
                except _NotOursError as error:
                    yield str(error), False
        except CorruptObjectError as error:
            yield str(error), True
        if lost := reader.unreadable_rows(group):
            yield f"{lost} rows of row group {group + 1} cannot be read by this version", False


def _check_use(payload: Payload, hidden: set[bytes]) -> None:
    if bytes.fromhex(payload.id) in hidden:
        raise _NotOursError(f"experience {payload.id} was forgotten, and is still here")
    try:
        experience_of(payload)
    except CorruptObjectError as error:
        raise _NotOursError(str(error)) from error


def _note_temporaries(storage: ObjectStorage, findings: _Findings) -> None:
    if not isinstance(storage, FolderObjects):
        return
    for path in sorted(storage.root.rglob(f"{TEMPORARY_PREFIX}*")):
        name = path.relative_to(storage.root).as_posix()
        findings.notes.append(Fault(name, "is half-written; a later compaction removes it"))


def _note_damage(reader: StoreReader, state: State, keys: set[str]) -> None:
    for segment in state.present:
        if segment.key in keys:
            with contextlib.suppress(StoreChangedError):
                reader.is_whole(segment)


def _save(reader: StoreReader, state: State, keys: set[str]) -> None:
    """Write the readable rows of corrupt segments again."""
    for segment in state.segments:
        if segment.key in keys:
            tables = [without_ids(table, state.hidden) for table in reader.tables(segment)]
            write_segments(reader.storage, tables, generation=segment.generation + 1)


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


def _ignore(value: object) -> None:
    del value
