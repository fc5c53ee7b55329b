"""Checks single objects and segments against their digests, their names and the schema."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xautolm_core.experience.codec import CorruptObjectError
from xautolm_core.experience.codec import Payload
from xautolm_core.experience.codec import decode
from xautolm_core.experience.codec import experience_of
from xautolm_core.experience.columns import from_table
from xautolm_core.experience.frontier import Frontier
from xautolm_core.experience.keys import mark_of
from xautolm_core.experience.keys import mark_of_key
from xautolm_core.experience.legacy import legacy_table
from xautolm_core.experience.segment import is_whole
from xautolm_core.experience.segment_reader import NEWER
from xautolm_core.experience.segment_reader import NewerLayoutError
from xautolm_core.experience.segment_reader import SegmentReader

if TYPE_CHECKING:
    import pyarrow as pa

_SHOWN_PROBLEMS = 3


class NotOursError(Exception):
    """An object is whole, but this version cannot use it, or must not: it is no evidence."""


@dataclass
class CheckContext:
    """What the checks of one object need to know of the others.

    Attributes:
        hidden: Ids (16 bytes) of what was forgotten.
        wanted_pins: Id and digest of what snapshots pin; what is found is taken out.
    """

    hidden: set[bytes]
    wanted_pins: set[tuple[str, str]]


def check_object(key: str, data: bytes, context: CheckContext) -> None:
    """Check a single object.

    Raises:
        CorruptObjectError: It is not what was written there.
        NotOursError: It is whole, but of no use.
    """
    payload = decode(data)
    context.wanted_pins.discard((payload.id, payload.digest))
    mark = mark_of(payload.ended_at, bytes.fromhex(payload.id))
    if mark_of_key(key) not in (None, mark):
        raise CorruptObjectError("its name belongs to another experience")
    _check_use(payload, context)


def check_segment(key: str, data: bytes, frontier: Frontier, context: CheckContext) -> None:
    """Check a segment, row by row.

    Raises:
        CorruptObjectError: It is not what was written.
        NotOursError: It is whole, but some of it is of no use, or a newer version wrote it.
    """
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
    except NewerLayoutError as error:
        raise NotOursError("; ".join([*problems, str(error)])) from error
    except CorruptObjectError as error:
        raise CorruptObjectError("; ".join([*problems, str(error)])) from error
    for problem, is_corruption in _row_problems(reader, buffer, context):
        problems.append(problem)
        is_sound = is_sound and not is_corruption
    if problems and reader.is_newer:
        # Broken or not, this version could not save what only a newer one can read.
        problems.insert(0, NEWER)
        is_sound = True
    if problems:
        more = len(problems) - _SHOWN_PROBLEMS
        shown = "; ".join(problems[:_SHOWN_PROBLEMS]) + (f"; and {more} more" if more > 0 else "")
        raise NotOursError(shown) if is_sound else CorruptObjectError(shown)


def _row_problems(
    reader: SegmentReader, buffer: pa.Buffer, context: CheckContext
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
                except NotOursError as error:
                    yield str(error), False
        except CorruptObjectError as error:
            yield str(error), True
        if lost := reader.unreadable_rows(group):
            yield f"{lost} rows of row group {group + 1} cannot be read by this version", False


def _check_use(payload: Payload, context: CheckContext) -> None:
    if bytes.fromhex(payload.id) in context.hidden:
        raise NotOursError(f"experience {payload.id} was forgotten, and is still here")
    try:
        experience_of(payload)
    except CorruptObjectError as error:
        raise NotOursError(str(error)) from error
