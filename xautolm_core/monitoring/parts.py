"""Ids and totals of the immutable parts of a store: segments and tombstones.

The same experience may be in several parts: in two segments after two compactors raced, in a
tombstone and in a segment that is not rewritten yet. Its first occurrence counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from xautolm_core.experience.accounting import account_columns
from xautolm_core.experience.accounting import accounts_of
from xautolm_core.experience.reader import StoreReader
from xautolm_core.experience.segment import Segment
from xautolm_core.experience.segment import fixed_bytes
from xautolm_core.monitoring.tally import FORGOTTEN_TENANT
from xautolm_core.monitoring.tally import Tally
from xautolm_core.monitoring.tally import tally_of

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    Identities = NDArray[np.uint64]
    """Ids as rows of two numbers of 64 bits."""

    Mask = NDArray[np.bool_]


def identities_of(table: pa.Table) -> Identities:
    """Return the ids of a table's rows."""
    import numpy as np

    rows: Identities = np.ascontiguousarray(fixed_bytes(table["id"])).view(np.uint64).reshape(-1, 2)
    return rows


def identities_in_segment(reader: StoreReader, segment: Segment) -> Identities:
    """Return the ids of a segment's readable rows, in their order.

    Raises:
        StoreChangedError: It is gone or damaged: read the store again.
        StoreError: The storage cannot be read.
    """
    import numpy as np

    parts = [identities_of(table) for table in reader.tables(segment, lambda _: ["id"])]
    return np.concatenate(parts) if parts else np.empty((0, 2), np.uint64)


def tally_of_segment(reader: StoreReader, segment: Segment, repeated: Mask) -> Tally:
    """Return the totals of a segment, one row group in memory at a time.

    Args:
        reader: Reader of the store.
        segment: The segment.
        repeated: Mask of its readable rows that are counted elsewhere.

    Raises:
        StoreChangedError: It is gone or damaged: read the store again.
        StoreError: The storage cannot be read.
    """
    tally, start = Tally(), 0
    for table in reader.tables(segment, lambda opened: account_columns(opened.column_names)):
        skipped = repeated[start : start + table.num_rows]
        start += table.num_rows
        tally.add(tally_of(accounts_of(table.filter(~skipped) if skipped.any() else table)))
    return tally


def tally_of_tombstone(accounts: pa.Table, repeated: Mask) -> Tally:
    """Return the totals of a tombstone.

    Args:
        accounts: Its rows.
        repeated: Mask of the rows that are counted elsewhere.
    """
    known = accounts.select(account_columns(accounts.column_names))
    return tally_of(known.filter(~repeated) if repeated.any() else known, nobody=FORGOTTEN_TENANT)


def repeated_rows(parts: Sequence[Identities]) -> list[Mask]:
    """Return for each part a mask of ids that occur before, in it or in an earlier part."""
    import numpy as np

    sizes = [len(part) for part in parts]
    masks = [np.zeros(size, bool) for size in sizes]
    if not sum(sizes):
        return masks
    whole = np.concatenate(parts)
    order = np.argsort(whole[:, 0], kind="stable")
    same = whole[order[1:], 0] == whole[order[:-1], 0]
    if not same.any():
        return masks
    # Few are left to be compared exactly, in the order of the parts.
    suspects = np.zeros(len(whole), bool)
    suspects[order[1:]] |= same
    suspects[order[:-1]] |= same
    seen: set[bytes] = set()
    flat = np.zeros(len(whole), bool)
    for row in np.flatnonzero(suspects):
        identity = whole[row].tobytes()
        flat[row] = identity in seen
        seen.add(identity)
    return np.split(flat, np.cumsum(sizes)[:-1])
