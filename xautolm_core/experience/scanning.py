"""Reads experiences one by one, in order, without holding more than a few row groups at once."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC
from datetime import datetime
from typing import TYPE_CHECKING
from typing import Any

from xautolm_core.experience.codec import CorruptObjectError
from xautolm_core.experience.codec import experience_of
from xautolm_core.experience.columns import Row
from xautolm_core.experience.columns import from_table
from xautolm_core.experience.contract import ExperienceFilter
from xautolm_core.experience.damage import StoreChangedError
from xautolm_core.experience.looking import changes_too_fast
from xautolm_core.experience.looking import looks
from xautolm_core.experience.manifest import SegmentEntry
from xautolm_core.experience.merging import RowStream
from xautolm_core.experience.merging import merge_streams
from xautolm_core.experience.merging import order_of
from xautolm_core.experience.reader import StoreReader
from xautolm_core.records.experience import Experience

if TYPE_CHECKING:
    import pyarrow as pa

EVERYTHING = ExperienceFilter()

_BEGINNING = datetime.min.replace(tzinfo=UTC)
_LOOK_AHEAD_ROWS = 1_000


@dataclass(frozen=True)
class Source:
    """Where rows come from: segments, a sorted table beside them, and ids that stay hidden."""

    segments: Iterable[SegmentEntry]
    table: pa.Table
    hidden: frozenset[bytes]


def scan_experiences(
    reader: StoreReader, look: Callable[[bool], Source], wanted: ExperienceFilter = EVERYTHING
) -> Iterator[Experience]:
    """Yield the experiences asked for: those of ``scan_rows``."""
    return (experience for _, experience in scan_rows(reader, look, wanted))


def scan_rows(
    reader: StoreReader, look: Callable[[bool], Source], wanted: ExperienceFilter = EVERYTHING
) -> Iterator[tuple[Row, Experience]]:
    """Yield the experiences asked for, each once, ordered by end time and id, with their rows.

    Args:
        reader: Reader of the store.
        look: Returns where the rows are now; called again whenever something of it has vanished or
            proves to be broken. Told whether it is the last time.
        wanted: Which ones.

    Raises:
        StoreError: The storage cannot be read, or changes all the time.
    """
    seen: set[bytes] = set()
    last: tuple[datetime, str, str] | None = None
    for is_last in looks(reader.damage.extent):
        try:
            source = look(is_last)
            for row in merge_streams(_streams(reader, source, wanted)):
                order = order_of(row)
                if last is not None and order <= last:
                    continue  # yielded before something changed
                last = order
                identity = bytes.fromhex(row.payload.id)
                if identity in seen or identity in source.hidden:
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


def matching_rows(table: pa.Table, wanted: ExperienceFilter) -> pa.Table:
    """Return the rows that may be asked for: where a column is null, only the whole row can say."""
    mask = _mask(table, wanted)
    return table if mask is None else table.filter(mask)


def _streams(reader: StoreReader, source: Source, wanted: ExperienceFilter) -> Iterator[RowStream]:
    for entry in source.segments:
        first = entry.first_ended_at or _BEGINNING
        if wanted.ended_before is None or first < wanted.ended_before:
            yield RowStream(first, lambda entry=entry: _segment_rows(reader, entry, wanted))  # type: ignore[misc]
    table = matching_rows(source.table, wanted)
    if table.num_rows:
        yield RowStream(table["ended_at"][0].as_py(), lambda: from_table(table))


def _segment_rows(
    reader: StoreReader, entry: SegmentEntry, wanted: ExperienceFilter
) -> Iterator[Row]:
    segment = reader.open(entry)
    columns = _columns_of(wanted)
    for group in reader.readable_groups(segment):
        first = segment.first_ended_at(group)
        if wanted.ended_before is not None and first is not None and first >= wanted.ended_before:
            return
        if columns and not _any(_mask(reader.read(segment, group, columns), wanted)):
            continue
        table = matching_rows(reader.read(segment, group), wanted)
        yield from reader.rows(segment, group, table)


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
    for name in ("tenant", "task_name", "task_fingerprint", "search_id"):
        value = getattr(wanted, name)
        if value is not None:
            found.append((name, one_of(value)))
    if wanted.exclude_search_id is not None:
        is_excluded = one_of(wanted.exclude_search_id)
        found.append(("search_id", lambda column: pc.invert(is_excluded(column))))
    if wanted.search_ids:
        found.append(("search_id", one_of(*wanted.search_ids)))
    if wanted.task_types:
        found.append(("task_type", one_of(*wanted.task_types)))
    if wanted.outcomes:
        found.append(("outcome", one_of(*(outcome.value for outcome in wanted.outcomes))))
    if wanted.ended_from is not None:
        begin = pa.scalar(wanted.ended_from, pa.timestamp("us", tz="UTC"))
        found.append(("ended_at", lambda column: pc.greater_equal(column, begin)))
    if wanted.ended_before is not None:
        end = pa.scalar(wanted.ended_before, pa.timestamp("us", tz="UTC"))
        found.append(("ended_at", lambda column: pc.less(column, end)))
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
