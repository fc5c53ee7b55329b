"""The accounts of the single objects that no segment covers, each object read once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xautolm_core.experience.accounting import accounts_of
from xautolm_core.experience.reader import StoreReader
from xautolm_core.experience.segment import join_tables
from xautolm_core.experience.state import State

if TYPE_CHECKING:
    import pyarrow as pa


class TailAccounts:
    """Caches the accounts of a store's tail.

    Args:
        reader: Reader of the store.
    """

    def __init__(self, reader: StoreReader) -> None:
        self._reader = reader
        self._keys: list[str] = []
        self._accounts: pa.Table | None = None

    def read(self, state: State) -> pa.Table:
        """Return the accounts of a state's tail, in order of its keys' times.

        Of two with the same id the first one in this order counts.

        Raises:
            StoreChangedError: Some have vanished: read the store again.
            StoreError: The storage cannot be read.
        """
        self._keep_only(frozenset(state.tail))
        known = set(self._keys)
        tail = self._reader.tail([key for key in state.tail if key not in known], state)
        more = accounts_of(tail.table)
        keys = [tail.keys[identity.hex()] for identity in more["id"].to_pylist()]
        whole = _in_order(_joined(self._accounts, more), [*self._keys, *keys])
        # An object that does not match its name is read again: segments decide whether it counts.
        kept = [key not in tail.odd for key in keys]
        self._accounts = _joined(self._accounts, more.filter(_mask(kept)))
        self._keys += [key for key, is_kept in zip(keys, kept, strict=True) if is_kept]
        return whole

    def _keep_only(self, keys: frozenset[str]) -> None:
        if self._accounts is None:
            return
        kept = [key in keys for key in self._keys]
        if not all(kept):
            self._accounts = self._accounts.filter(_mask(kept))
            self._keys = [key for key in self._keys if key in keys]


def _in_order(accounts: pa.Table, keys: list[str]) -> pa.Table:
    """Return the accounts in the order of the last parts of their keys, which begin with a time."""
    names = [key.rpartition("/")[2] for key in keys]
    order = sorted(range(len(names)), key=names.__getitem__)
    return accounts if order == list(range(len(names))) else accounts.take(order)


def _mask(kept: list[bool]) -> pa.Array:
    import pyarrow as pa

    return pa.array(kept, pa.bool_())


def _joined(accounts: pa.Table | None, more: pa.Table) -> pa.Table:
    if accounts is None or not accounts.num_rows:
        return more
    return join_tables([accounts, more]).combine_chunks() if more.num_rows else accounts
