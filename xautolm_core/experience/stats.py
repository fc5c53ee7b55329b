"""How much a store holds, of what, and where; and what it ever held."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from xautolm_core.experience.accounting import Totals
from xautolm_core.experience.accounting import account_columns
from xautolm_core.experience.accounting import accounts_of
from xautolm_core.experience.accounting import total
from xautolm_core.experience.calibration import Calibration
from xautolm_core.experience.calibration import calibration_columns
from xautolm_core.experience.calibration import calibration_of
from xautolm_core.experience.calibration import predicted_rows
from xautolm_core.experience.contract import Fault
from xautolm_core.experience.marks import each_id_once
from xautolm_core.experience.reader import StoreReader
from xautolm_core.experience.segment import Segment
from xautolm_core.experience.segment import join_tables
from xautolm_core.experience.state import State
from xautolm_core.experience.writing import without_ids

if TYPE_CHECKING:
    import pyarrow as pa

_COLUMNS = ("id", "tenant", "task_name", "outcome", "ended_at")


@dataclass(frozen=True)
class StoreStats:
    """How much a store holds.

    Attributes:
        experiences: How many there are, each counted once.
        by_tenant: By tenant.
        by_task: By the task's name.
        by_outcome: By outcome.
        first_ended_at: End of the first one (UTC).
        last_ended_at: End of the last one (UTC).
        segments: Number of segments.
        tail: Single objects that no segment holds.
        held_objects: Single objects that a segment holds too: deleted after the grace period.
        forgotten: Experiences that were forgotten.
        objects_by_kind: Number of objects by the folder that they lie in (``experiences``,
            ``segments``, ``tenants``, ...).
        bytes_by_kind: Their bytes.
        compacted_at: When the newest segment was written (UTC); None if there is none.
        predictions: How well the trials were predicted, over all searches.
        faults: What could not be read.
    """

    experiences: int
    by_tenant: Mapping[str, int]
    by_task: Mapping[str, int]
    by_outcome: Mapping[str, int]
    first_ended_at: datetime | None
    last_ended_at: datetime | None
    segments: int
    tail: int
    held_objects: int
    forgotten: int
    objects_by_kind: Mapping[str, int]
    bytes_by_kind: Mapping[str, int]
    compacted_at: datetime | None
    predictions: Calibration
    faults: Sequence[Fault]


def store_stats(reader: StoreReader) -> StoreStats:
    """Return how much a store holds.

    Raises:
        StoreError: The storage cannot be read.
    """
    objects: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for info in reader.storage.list(""):
        kind, _, _ = info.key.partition("/")
        objects[kind] += 1
        sizes[kind] += info.size_bytes
    state, (table, predicted) = reader.settled(lambda state: (state, _tables(reader, state)))
    ends = table["ended_at"]
    return StoreStats(
        experiences=table.num_rows,
        by_tenant=_counts(table, "tenant"),
        by_task=_counts(table, "task_name"),
        by_outcome=_counts(table, "outcome"),
        first_ended_at=_extreme(ends, "min"),
        last_ended_at=_extreme(ends, "max"),
        segments=len(state.segments),
        tail=len(state.tail),
        held_objects=len(state.singles) - len(state.tail),
        forgotten=len(state.hidden),
        objects_by_kind=dict(objects),
        bytes_by_kind=dict(sizes),
        compacted_at=max(state.written_at.values(), default=None),
        predictions=calibration_of(predicted),
        faults=reader.damage.faults,
    )


class StoreCounter:
    """Counts what a store ever held. Each segment is read once, its accounts are kept in memory.

    Args:
        reader: Of the store.
    """

    def __init__(self, reader: StoreReader) -> None:
        self._reader = reader
        self._accounts: dict[tuple[str, frozenset[int]], pa.Table] = {}

    def totals(self) -> Totals:
        """Return the totals of what is there and what was forgotten, each experience once.

        Raises:
            StoreError: The storage cannot be read.
        """
        return self._reader.settled(self._totals)

    def _totals(self, state: State) -> Totals:
        tail = self._reader.tail(state.tail, state).table
        # What was forgotten comes first: rows of it that are still there must not be counted.
        read = (self._reader.tombstones.table(key) for key in state.tombstones)
        parts = [table for table in read if table is not None]
        wanted = {(s.key, self._reader.damage.lost_row_groups(s.key)): s for s in state.segments}
        self._accounts = {key: self._accounts[key] for key in wanted if key in self._accounts}
        for key, segment in wanted.items():
            if key not in self._accounts:
                self._accounts[key] = self._of_segment(segment)
        return total([*parts, *self._accounts.values(), accounts_of(tail)])

    def _of_segment(self, segment: Segment) -> pa.Table:
        tables = self._reader.tables(segment, lambda opened: account_columns(opened.column_names))
        return accounts_of(join_tables(list(tables)))


def _tables(reader: StoreReader, state: State) -> tuple[pa.Table, pa.Table]:
    """Return a few columns of all experiences, and more of those that were predicted."""
    tail = reader.tail(state.tail, state).table
    tables = [tail.select(_COLUMNS)]
    columns = calibration_columns(tail.column_names)
    predicted = [predicted_rows(tail.select(columns))] if columns else []
    for segment in state.segments:
        opened = reader.open(segment)
        columns = calibration_columns(opened.column_names)
        for group in reader.readable_groups(opened):
            tables.append(without_ids(reader.read(opened, group, _COLUMNS), state.hidden))
            if columns:
                found = predicted_rows(reader.read(opened, group, columns))
                predicted.append(without_ids(found, state.hidden))
    return each_id_once(join_tables(tables)), each_id_once(join_tables(predicted))


def _counts(table: pa.Table, name: str) -> dict[str, int]:
    import pyarrow.compute as pc

    column = pc.fill_null(table[name].cast("string"), "")
    counted = column.value_counts().to_pylist()
    return dict(sorted((entry["values"], entry["counts"]) for entry in counted))


def _extreme(column: pa.ChunkedArray, which: str) -> datetime | None:
    import pyarrow.compute as pc

    found: datetime | None = pc.min_max(column)[which].as_py()
    return found
