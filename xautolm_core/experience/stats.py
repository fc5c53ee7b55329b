"""How much a store holds, of what, and where."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from xautolm_core.experience.calibration import Calibration
from xautolm_core.experience.calibration import calibration_columns
from xautolm_core.experience.calibration import calibration_of
from xautolm_core.experience.calibration import predicted_rows
from xautolm_core.experience.contract import Fault
from xautolm_core.experience.keys import MANIFESTS
from xautolm_core.experience.reader import StoreReader
from xautolm_core.experience.segment import fixed_bytes
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
        segments: Number of segments that hold now.
        tail: Single objects that no segment covers.
        covered_objects: Single objects that a segment covers: deleted after the grace period.
        forgotten: Experiences that were forgotten.
        snapshots: Number of snapshots.
        objects_by_kind: Number of objects by the folder that they lie in (``experiences``,
            ``segments``, ``tenants``, ...).
        bytes_by_kind: Their bytes.
        newest_manifest_at: When the store was last changed by a compaction (UTC).
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
    covered_objects: int
    forgotten: int
    snapshots: int
    objects_by_kind: Mapping[str, int]
    bytes_by_kind: Mapping[str, int]
    newest_manifest_at: datetime | None
    predictions: Calibration
    faults: Sequence[Fault]


def store_stats(reader: StoreReader) -> StoreStats:
    """Return how much a store holds.

    Raises:
        StoreError: The storage cannot be read.
    """
    objects: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    newest: datetime | None = None
    for info in reader.storage.list(""):
        kind, _, _ = info.key.partition("/")
        objects[kind] += 1
        sizes[kind] += info.size_bytes
        if info.key.startswith(MANIFESTS):
            newest = max(newest or info.modified_at, info.modified_at)
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
        covered_objects=len(state.singles) - len(state.tail),
        forgotten=len(state.hidden),
        snapshots=objects["snapshots"],
        objects_by_kind=dict(objects),
        bytes_by_kind=dict(sizes),
        newest_manifest_at=newest,
        predictions=calibration_of(predicted),
        faults=reader.damage.faults,
    )


def _tables(reader: StoreReader, state: State) -> tuple[pa.Table, pa.Table]:
    """Return a few columns of all experiences, and more of those that were predicted."""
    tail = reader.tail(state.tail, state).table
    tables = [tail.select(_COLUMNS)]
    columns = calibration_columns(tail.column_names)
    predicted = [predicted_rows(tail.select(columns))] if columns else []
    for entry in state.segments:
        segment = reader.open(entry)
        columns = calibration_columns(segment.column_names)
        for group in reader.readable_groups(segment):
            tables.append(without_ids(reader.read(segment, group, _COLUMNS), state.hidden))
            if columns:
                found = predicted_rows(reader.read(segment, group, columns))
                predicted.append(without_ids(found, state.hidden))
    return _each_once(join_tables(tables)), _each_once(join_tables(predicted))


def _each_once(table: pa.Table) -> pa.Table:
    """Return the rows of different ids."""
    import numpy as np

    identities = fixed_bytes(table["id"]).view(np.dtype("V16")).ravel()
    _, first = np.unique(identities, return_index=True)
    return table if len(first) == table.num_rows else table.take(first)


def _counts(table: pa.Table, name: str) -> dict[str, int]:
    import pyarrow.compute as pc

    column = pc.fill_null(table[name].cast("string"), "")
    counted = column.value_counts().to_pylist()
    return dict(sorted((entry["values"], entry["counts"]) for entry in counted))


def _extreme(column: pa.ChunkedArray, which: str) -> datetime | None:
    import pyarrow.compute as pc

    found: datetime | None = pc.min_max(column)[which].as_py()
    return found
