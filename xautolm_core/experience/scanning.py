"""Reads experiences one by one, in order, and finds one by its id.

Nothing more than a few row groups is held in memory at once.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING
from typing import Any

from xautolm_core.errors import StoreError
from xautolm_core.experience.codec import CorruptObjectError
from xautolm_core.experience.codec import experience_of
from xautolm_core.experience.columns import Row
from xautolm_core.experience.columns import from_table
from xautolm_core.experience.contract import ExperienceFilter
from xautolm_core.experience.damage import StoreChangedError
from xautolm_core.experience.damage import changes_too_fast
from xautolm_core.experience.damage import looks
from xautolm_core.experience.keys import mark_of_key
from xautolm_core.experience.reader import StoreReader
from xautolm_core.experience.segment import Segment
from xautolm_core.experience.segment import fixed_bytes
from xautolm_core.experience.state import State
from xautolm_core.records.experience import Experience

if TYPE_CHECKING:
    import pyarrow as pa

EVERYTHING = ExperienceFilter()

SHORTEST_PREFIX = 4
_HEXADECIMAL = re.compile(r"[0-9a-f]{1,32}")
_DIGITS_IN_MARK = 20


def scan_rows(
    reader: StoreReader, wanted: ExperienceFilter = EVERYTHING
) -> Iterator[tuple[Row, Experience]]:
    """Yield the experiences asked for, each once, ordered by end time and id, with their rows.

    Args:
        reader: Reader of the store. It is looked at again whenever something has vanished or proves
            to be broken.
        wanted: Which ones.

    Raises:
        StoreError: The storage cannot be read, or changes all the time.
    """
    seen: set[bytes] = set()
    last: tuple[datetime, str, str] | None = None
    for is_last in looks(reader.damage.extent):
        try:
            state = reader.look(is_last=is_last)
            for row in _merged(_streams(reader, state, wanted)):
                order = _order_of(row)
                if last is not None and order <= last:
                    continue  # yielded before something changed
                last = order
                identity = bytes.fromhex(row.payload.id)
                if identity in seen or identity in state.hidden:
                    continue
                experience = _experience(reader, row)
                if experience is not None:
                    seen.add(identity)
                    if wanted.matches(experience):
                        yield row, experience
        except StoreChangedError:
            continue
        return
    raise changes_too_fast()


def find_experience(reader: StoreReader, prefix: str) -> Experience | None:
    """Return the experience whose id is or begins with a text; None if there is none.

    Raises:
        StoreError: Several ids begin so, or the storage cannot be read.
    """
    if len(prefix) < SHORTEST_PREFIX or not _HEXADECIMAL.fullmatch(prefix):
        return None

    def find(state: State) -> list[Row]:
        return [*_in_segments(reader, state, prefix), *_in_tail(reader, state, prefix)]

    found: dict[str, Experience] = {}
    for row in sorted(reader.settled(find), key=_order_of):
        try:
            found.setdefault(row.payload.id, experience_of(row.payload))
        except CorruptObjectError as error:
            reader.damage.report(row.key, str(error))
    if len(found) > 1:
        some = ", ".join(sorted(found)[:3])
        raise StoreError(
            f"{len(found)} experiences begin with {prefix!r}: {some}",
            hint="Give more characters of the id",
        )
    return next(iter(found.values()), None)


def matching_rows(table: pa.Table, wanted: ExperienceFilter) -> pa.Table:
    """Return the rows that may be asked for: where a column is null, only the whole row can say."""
    mask = _mask(table, wanted)
    return table if mask is None else table.filter(mask)


@dataclass(frozen=True)
class _Stream:
    """Rows in order of (ended_at, id).

    Attributes:
        first_ended_at: No row of it ended earlier (UTC).
        open: Opens it.
    """

    first_ended_at: datetime
    open: Callable[[], Iterator[Row]]


def _streams(reader: StoreReader, state: State, wanted: ExperienceFilter) -> Iterator[_Stream]:
    for segment in state.segments:
        rows = partial(_segment_rows, reader, segment, wanted)
        yield _Stream(segment.first_ended_at, rows)
    table = matching_rows(reader.tail(state.tail, state).table, wanted)
    if table.num_rows:
        yield _Stream(table["ended_at"][0].as_py(), lambda: from_table(table))


def _segment_rows(reader: StoreReader, segment: Segment, wanted: ExperienceFilter) -> Iterator[Row]:
    opened = reader.open(segment)
    columns = _columns_of(wanted)
    for group in reader.readable_groups(opened):
        if columns and not _any(_mask(reader.read(opened, group, columns), wanted)):
            continue
        table = matching_rows(reader.read(opened, group), wanted)
        yield from reader.rows(opened, group, table)


def _order_of(row: Row) -> tuple[datetime, str, str]:
    """Return what rows are ordered by: end, id, and digest where these are the same."""
    return row.payload.ended_at, row.payload.id, row.payload.digest


def _merged(streams: Iterable[_Stream]) -> Iterator[Row]:
    """Yield the rows of all streams in order, opening each no earlier than it is needed."""
    waiting = sorted(streams, key=lambda stream: stream.first_ended_at, reverse=True)
    # The number keeps rows and iterators out of the comparison.
    heads: list[tuple[tuple[datetime, str, str], int, Row, Iterator[Row]]] = []
    count = 0
    while waiting or heads:
        while waiting and (not heads or waiting[-1].first_ended_at <= heads[0][2].payload.ended_at):
            count += 1
            rows = waiting.pop().open()
            row = next(rows, None)
            if row is not None:
                heapq.heappush(heads, (_order_of(row), count, row, rows))
        if not heads:
            continue
        _, number, row, rows = heads[0]
        yield row
        following = next(rows, None)
        if following is None:
            heapq.heappop(heads)
        else:
            heapq.heapreplace(heads, (_order_of(following), number, following, rows))


def _experience(reader: StoreReader, row: Row) -> Experience | None:
    try:
        return experience_of(row.payload)
    except CorruptObjectError as error:
        reader.damage.report(row.key, str(error))
        return None


def _columns_of(wanted: ExperienceFilter) -> list[str]:
    """Return the columns that can tell which rows are asked for."""
    return [name for name, _ in _conditions(wanted)]


def _conditions(wanted: ExperienceFilter) -> list[tuple[str, Callable[[Any], Any]]]:
    """Return column and test for each thing that a filter asks and a column can tell."""
    import pyarrow as pa
    import pyarrow.compute as pc

    def one_of(*values: str) -> Callable[[Any], Any]:
        return lambda column: pc.is_in(column, pa.array(values, pa.string()))

    found: list[tuple[str, Callable[[Any], Any]]] = []
    for name in ("tenant", "task_name", "task_fingerprint"):
        value = getattr(wanted, name)
        if value is not None:
            found.append((name, one_of(value)))
    if wanted.search_ids:
        found.append(("search_id", one_of(*wanted.search_ids)))
    if wanted.outcomes:
        found.append(("outcome", one_of(*(outcome.value for outcome in wanted.outcomes))))
    if wanted.ended_from is not None:
        begin = pa.scalar(wanted.ended_from, pa.timestamp("us", tz="UTC"))
        found.append(("ended_at", lambda column: pc.greater_equal(column, begin)))
    return found


def _mask(table: pa.Table, wanted: ExperienceFilter) -> Any:
    """Return a mask of the rows that may be asked for; None for all."""
    import pyarrow.compute as pc

    mask = None
    for name, test in _conditions(wanted):
        column = table[name]
        passed = pc.or_(pc.fill_null(test(column), False), pc.is_null(column))
        mask = passed if mask is None else pc.and_(mask, passed)
    return mask


def _any(mask: Any) -> bool:
    import pyarrow.compute as pc

    return mask is None or bool(pc.any(mask).as_py())


def _in_segments(reader: StoreReader, state: State, prefix: str) -> Iterator[Row]:
    """Yield the rows with such an id; nothing but ids is read of the other row groups."""
    import numpy as np

    whole = bytes.fromhex(prefix[: len(prefix) // 2 * 2])
    for segment in state.segments:
        opened = reader.open(segment)
        for group in reader.readable_groups(opened):
            identities = fixed_bytes(reader.read(opened, group, ["id"])["id"])
            begin_so = (identities[:, : len(whole)] == np.frombuffer(whole, np.uint8)).all(axis=1)
            rows = [
                i
                for i in np.flatnonzero(begin_so)
                if identities[i].tobytes().hex().startswith(prefix)
                and identities[i].tobytes() not in state.hidden
            ]
            if rows:
                table = reader.read(opened, group).take(rows)
                yield from reader.rows(opened, group, table)


def _in_tail(reader: StoreReader, state: State, prefix: str) -> Iterator[Row]:
    keys = [key for key in state.tail if _may_begin(key, prefix)]
    for row in from_table(reader.tail(keys, state).table):
        if row.payload.id.startswith(prefix):
            yield row


def _may_begin(key: str, prefix: str) -> bool:
    mark = mark_of_key(key)
    if mark is None:
        return True
    shared = min(len(prefix), _DIGITS_IN_MARK)
    return mark[6:].hex()[:shared] == prefix[:shared]
