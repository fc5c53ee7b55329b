"""Counts what a store ever held, reading each segment once however often it is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xautolm_core.experience.accounting import Totals
from xautolm_core.experience.accounting import account_columns
from xautolm_core.experience.accounting import accounts_of
from xautolm_core.experience.accounting import total
from xautolm_core.experience.manifest import SegmentEntry
from xautolm_core.experience.reader import StoreReader
from xautolm_core.experience.segment import join_tables
from xautolm_core.experience.state import State

if TYPE_CHECKING:
    import pyarrow as pa


class Counter:
    """Counts one store. The accounts of each segment are kept in memory.

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
        wanted = {(e.key, self._reader.damage.lost_row_groups(e.key)): e for e in state.segments}
        self._accounts = {key: self._accounts[key] for key in wanted if key in self._accounts}
        for key, entry in wanted.items():
            if key not in self._accounts:
                self._accounts[key] = self._of_segment(entry)
        return total([*parts, *self._accounts.values(), accounts_of(tail)])

    def _of_segment(self, entry: SegmentEntry) -> pa.Table:
        segment = self._reader.open(entry)
        columns = account_columns(segment.column_names)
        groups = self._reader.readable_groups(segment)
        return accounts_of(
            join_tables([self._reader.read(segment, group, columns) for group in groups])
        )
