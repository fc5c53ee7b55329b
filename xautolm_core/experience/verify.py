"""Checks every object of a store against its digest, its name and the schema."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import field

from xautolm_core.errors import StoreError
from xautolm_core.experience.codec import CorruptObjectError
from xautolm_core.experience.codec import Payload
from xautolm_core.experience.codec import decode
from xautolm_core.experience.codec import experience_of
from xautolm_core.experience.columns import from_table
from xautolm_core.experience.contract import Fault
from xautolm_core.experience.contract import VerifyReport
from xautolm_core.experience.damage import GHOST
from xautolm_core.experience.keys import EXPERIENCES
from xautolm_core.experience.keys import FORGOTTEN
from xautolm_core.experience.keys import SEGMENTS
from xautolm_core.experience.keys import mark_of
from xautolm_core.experience.keys import mark_of_key
from xautolm_core.experience.policy import TENANTS
from xautolm_core.experience.policy import decode_policy
from xautolm_core.experience.reader import NO_SEGMENT
from xautolm_core.experience.segment import segment_of
from xautolm_core.experience.segment_reader import NEWER
from xautolm_core.experience.segment_reader import SegmentReader
from xautolm_core.experience.tombstone import decode_tombstone
from xautolm_core.experience.tombstone import ids_of
from xautolm_core.objects.contract import ObjectStorage
from xautolm_core.objects.contract import StorageUnavailableError
from xautolm_core.objects.folder import FolderObjects
from xautolm_core.objects.keys import TEMPORARY_PREFIX

_SHOWN_PROBLEMS = 3


@dataclass
class _Findings:
    """Findings of the verification of a store.

    Attributes:
        objects: How many objects were checked.
        faults: What is wrong.
        notes: What is left over and does no harm.
        hidden: Ids (16 bytes) of what was forgotten.
    """

    objects: int = 0
    faults: list[Fault] = field(default_factory=list)
    notes: list[Fault] = field(default_factory=list)
    hidden: set[bytes] = field(default_factory=set)


def verify_store(storage: ObjectStorage) -> VerifyReport:
    """Check every object; change nothing.

    Raises:
        StoreError: The storage cannot be read.
    """
    findings = _Findings()

    def check_tombstone(key: str, data: bytes) -> None:
        findings.hidden |= ids_of(decode_tombstone(key, data))

    _check(storage, FORGOTTEN, check_tombstone, findings)
    # A policy is written by hand: whoever wrote it corrects it, and until then it allows nothing.
    _check(storage, TENANTS, lambda k, d: _ignore(decode_policy(k, d)), findings)
    _check(storage, EXPERIENCES, lambda k, d: _check_object(k, d, findings.hidden), findings)
    _check(storage, SEGMENTS, lambda k, d: _check_segment(k, d, findings.hidden), findings)
    _note_temporaries(storage, findings)
    return VerifyReport(findings.objects, tuple(findings.faults), tuple(findings.notes))


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
        except StorageUnavailableError:
            raise
        except (CorruptObjectError, StoreError) as error:
            findings.faults.append(Fault(key, str(error)))
    if left:
        still_listed = left.intersection(info.key for info in storage.list(prefix))
        findings.faults += [Fault(key, GHOST) for key in sorted(still_listed)]


def _check_object(key: str, data: bytes, hidden: set[bytes]) -> None:
    """Check a single object.

    Raises:
        CorruptObjectError: It is not what was written there, or is of no use.
    """
    payload = decode(data)
    mark = mark_of(payload.ended_at, bytes.fromhex(payload.id))
    if mark_of_key(key) not in (None, mark):
        raise CorruptObjectError("its name belongs to another experience")
    _check_use(payload, hidden)


def _check_segment(key: str, data: bytes, hidden: set[bytes]) -> None:
    """Check a segment, row by row.

    Raises:
        CorruptObjectError: It is not what was written, some of it is of no use, or a newer version
            wrote it.
    """
    import pyarrow as pa

    segment = segment_of(key)
    if segment is None:
        raise CorruptObjectError(NO_SEGMENT)
    problems: list[str] = []
    if not segment.is_whole(data):
        problems.append("its content does not match its name")
    try:
        reader = SegmentReader(segment, pa.py_buffer(data))
    except CorruptObjectError as error:
        raise CorruptObjectError("; ".join([*problems, str(error)])) from error
    problems += _row_problems(reader, hidden)
    if problems and reader.is_newer:
        problems.insert(0, NEWER)
    if problems:
        more = len(problems) - _SHOWN_PROBLEMS
        shown = "; ".join(problems[:_SHOWN_PROBLEMS]) + (f"; and {more} more" if more > 0 else "")
        raise CorruptObjectError(shown)


def _row_problems(reader: SegmentReader, hidden: set[bytes]) -> Iterator[str]:
    """Yield what is wrong with rows."""
    for group in range(reader.row_groups):
        try:
            for row in from_table(reader.read(group)):
                try:
                    _check_use(row.payload, hidden)
                except CorruptObjectError as error:
                    yield str(error)
        except CorruptObjectError as error:
            yield str(error)
        if lost := reader.unreadable_rows(group):
            yield f"{lost} rows of row group {group + 1} cannot be read by this version"


def _check_use(payload: Payload, hidden: set[bytes]) -> None:
    if bytes.fromhex(payload.id) in hidden:
        raise CorruptObjectError(f"experience {payload.id} was forgotten, and is still here")
    experience_of(payload)


def _note_temporaries(storage: ObjectStorage, findings: _Findings) -> None:
    if not isinstance(storage, FolderObjects):
        return
    for path in sorted(storage.root.rglob(f"{TEMPORARY_PREFIX}*")):
        name = path.relative_to(storage.root).as_posix()
        findings.notes.append(Fault(name, "is half-written; a later compaction removes it"))


def _ignore(value: object) -> None:
    del value
