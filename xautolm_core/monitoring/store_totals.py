"""Counts a store again and again, reading only what is new: segments never change.

The same experience may be in several parts: in two segments after two compactors raced, in a
tombstone and in a segment that is yet to be rewritten. It counts where it comes first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from datetime import datetime
from typing import TYPE_CHECKING

from xautolm_core.errors import StoreError
from xautolm_core.experience.accounting import account_columns
from xautolm_core.experience.accounting import accounts_of
from xautolm_core.experience.keys import MANIFESTS
from xautolm_core.experience.manifest import SegmentEntry
from xautolm_core.experience.reader import StoreReader
from xautolm_core.experience.segment import fixed_bytes
from xautolm_core.experience.segment import join_tables
from xautolm_core.experience.state import State
from xautolm_core.experience.store import ObjectExperienceStore
from xautolm_core.experience.tombstone import MENDING
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

_SegmentKey = tuple[str, frozenset[int]]
"""Of a segment, without its row groups that cannot be read."""

_Part = str | _SegmentKey
"""A tombstone or a segment."""


def identities_of(table: pa.Table) -> Identities:
    """Return the ids of a table's rows."""
    import numpy as np

    rows: Identities = np.ascontiguousarray(fixed_bytes(table["id"])).view(np.uint64).reshape(-1, 2)
    return rows


def identities_in_segment(reader: StoreReader, entry: SegmentEntry) -> Identities:
    """Return the ids of a segment's readable rows, in their order.

    Raises:
        StoreChangedError: It is gone, or broken: look again.
        StoreError: The storage cannot be read.
    """
    import numpy as np

    segment = reader.open(entry)
    groups = reader.readable_groups(segment)
    parts = [identities_of(reader.read(segment, group, ["id"])) for group in groups]
    return np.concatenate(parts) if parts else np.empty((0, 2), np.uint64)


def tally_of_segment(reader: StoreReader, entry: SegmentEntry, repeated: Mask) -> Tally:
    """Return the totals of a segment, one row group in memory at a time.

    Args:
        reader: Of the store.
        entry: The segment.
        repeated: Which of its readable rows are counted elsewhere.

    Raises:
        StoreChangedError: It is gone, or broken: look again.
        StoreError: The storage cannot be read.
    """
    segment = reader.open(entry)
    columns = account_columns(segment.column_names)
    tally, start = Tally(), 0
    for group in reader.readable_groups(segment):
        table = reader.read(segment, group, columns)
        skipped = repeated[start : start + table.num_rows]
        start += table.num_rows
        tally.add(tally_of(accounts_of(table.filter(~skipped) if skipped.any() else table)))
    return tally


def tally_of_tombstone(accounts: pa.Table, repeated: Mask) -> Tally:
    """Return the totals of a tombstone.

    Args:
        accounts: Its rows.
        repeated: Which of them are counted elsewhere.
    """
    known = accounts.select(account_columns(accounts.column_names))
    return tally_of(known.filter(~repeated) if repeated.any() else known, nobody=FORGOTTEN_TENANT)


def repeated_rows(parts: Sequence[Identities]) -> list[Mask]:
    """Return for each part which of its ids have come before, in it or in an earlier part."""
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


class TailAccounts:
    """Keeps the accounts of a store's tail.

    Args:
        reader: Of the store.
    """

    def __init__(self, reader: StoreReader) -> None:
        self._reader = reader
        self._keys: list[str] = []
        self._accounts: pa.Table | None = None

    def read(self, state: State) -> pa.Table:
        """Return the accounts of what a state has in its tail, in order of its keys' times.

        Of two with the same id the first one counts, whichever of them was seen first.

        Raises:
            StoreChangedError: Some have vanished: look again.
            StoreError: The storage cannot be read.
        """
        self._keep_only(frozenset(state.tail))
        known = set(self._keys)
        tail = self._reader.tail([key for key in state.tail if key not in known], state)
        more = accounts_of(tail.table)
        by_id = {pin.id: pin.key for pin in tail.pins}
        keys = [by_id[identity.hex()] for identity in more["id"].to_pylist()]
        whole = _in_order(_joined(self._accounts, more), [*self._keys, *keys])
        # What is other than its name says is read again: whether it counts depends on the segments.
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


@dataclass(frozen=True)
class StoreTotals:
    """What a store held at one moment, and all that it ever held.

    Attributes:
        tally: Everything ever, each attempt once: what is there and what was forgotten.
        experiences: Experiences that are there, by tenant.
        tail: How many of them are in no segment.
        oldest_in_tail_at: When the oldest of these was written (UTC), by the storage's clock.
        snapshot_at: When the last compaction has ended (UTC), by the storage's clock.
        faults: How many faults were met so far.
        latest: Tenant and outcome to the id of the latest of them that is in no segment.
    """

    tally: Tally
    experiences: Counter[str]
    tail: int
    oldest_in_tail_at: datetime | None
    snapshot_at: datetime | None
    faults: int
    latest: Mapping[tuple[str, str], str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Base:
    """The immutable parts of one state, added up.

    Attributes:
        parts: Which they are.
        present: Totals of the segments.
        forgotten: Totals of the tombstones.
        identities: All their ids, in order of the first half.
    """

    parts: tuple[_Part, ...]
    present: Tally
    forgotten: Tally
    identities: Identities


class StoreCount:
    """Counts one store. One thread at a time may use it.

    Args:
        store: The store.
    """

    def __init__(self, store: ObjectExperienceStore) -> None:
        self._reader = store.reader
        self._tail = TailAccounts(store.reader)
        self._base: _Base | None = None
        self._identities: dict[_Part, Identities] = {}
        self._tallies: dict[tuple[_Part, bytes], Tally] = {}

    def totals(self) -> StoreTotals:
        """Return the totals of now.

        Raises:
            StoreError: The storage cannot be read, or changes all the time.
        """
        found = self._reader.settled(self._totals)
        # Once counted, a segment is not read again.
        self._reader.let_go()
        return found

    def _totals(self, state: State) -> StoreTotals:
        # Before the segments: an object that is compacted meanwhile is then found gone.
        tail = self._tail.read(state)
        base = self._base_of(state)
        tail = tail.filter(~_which_are_in(base.identities, tail)) if tail.num_rows else tail
        live = tally_of(tail)
        whole = Tally()
        for part in (base.forgotten, base.present, live):
            whole.add(part)
        in_tail = frozenset(state.tail)
        written = [info.modified_at for info in state.singles if info.key in in_tail]
        manifests = self._reader.storage.list(MANIFESTS)
        return StoreTotals(
            tally=whole,
            experiences=base.present.trials_by_tenant() + live.trials_by_tenant(),
            tail=tail.num_rows,
            oldest_in_tail_at=min(written, default=None),
            snapshot_at=max((info.modified_at for info in manifests), default=None),
            faults=len(self._reader.damage.faults),
            latest=_latest(tail),
        )

    def _base_of(self, state: State) -> _Base:
        tombstones = [key for key in state.tombstones if key in state.purgeable]
        segments = {(e.key, self._reader.damage.lost_row_groups(e.key)): e for e in state.segments}
        parts: tuple[_Part, ...] = (*tombstones, *segments)
        if self._base is None or self._base.parts != parts:
            self._base = self._new_base(tombstones, segments)
        return self._base

    def _new_base(self, tombstones: list[str], segments: dict[_SegmentKey, SegmentEntry]) -> _Base:
        import numpy as np

        parts: list[_Part] = [*tombstones, *segments]
        self._identities = {key: self._identities[key] for key in parts if key in self._identities}
        for part in parts:
            if part not in self._identities:
                entry = segments.get(part) if isinstance(part, tuple) else None
                self._identities[part] = (
                    identities_of(self._accounts(str(part)))
                    if entry is None
                    else identities_in_segment(self._reader, entry)
                )
        whole = [self._identities[part] for part in parts]
        masks = dict(zip(parts, repeated_rows(whole), strict=True))
        forgotten, present = Tally(), Tally()
        for key in tombstones:
            forgotten.add(self._tally(key, None, masks[key]))
        for part, entry in segments.items():
            present.add(self._tally(part, entry, masks[part]))
        used = {(part, _digest(mask)) for part, mask in masks.items()}
        self._tallies = {known: self._tallies[known] for known in used}
        identities = np.concatenate(whole) if whole else np.empty((0, 2), np.uint64)
        ordered = identities[np.argsort(identities[:, 0])]
        return _Base(tuple(parts), present, forgotten, ordered)

    def _tally(self, part: _Part, entry: SegmentEntry | None, repeated: Mask) -> Tally:
        """Return the totals of a part. They are kept at once: the next look may go on from here."""
        known = (part, _digest(repeated))
        if known not in self._tallies:
            self._tallies[known] = (
                tally_of_tombstone(self._accounts(str(part)), repeated)
                if entry is None
                else tally_of_segment(self._reader, entry, repeated)
            )
        return self._tallies[known]

    def _accounts(self, key: str) -> pa.Table:
        table = self._reader.tombstones.table(key)
        if table is None:
            raise StoreError(f"{key} cannot be read any more", hint=f"To mend it, {MENDING}")
        return table


def _latest(tail: pa.Table) -> dict[tuple[str, str], str]:
    """Return the last id of each tenant and outcome."""
    columns = (tail[name].to_pylist() for name in ("tenant", "outcome", "id"))
    rows = zip(*columns, strict=True)
    return {(tenant, outcome): identity.hex() for tenant, outcome, identity in rows}


def _digest(mask: Mask) -> bytes:
    import numpy as np

    return np.flatnonzero(mask).tobytes()


def _which_are_in(identities: Identities, table: pa.Table) -> Mask:
    """Return which rows' ids are among others, or have come before in the table."""
    import numpy as np

    asked = identities_of(table)
    first = np.searchsorted(identities[:, 0], asked[:, 0], side="left")
    end = np.searchsorted(identities[:, 0], asked[:, 0], side="right")
    mask: Mask = repeated_rows([asked])[0]
    for row in np.flatnonzero(end > first):
        mask[row] |= bool((identities[first[row] : end[row], 1] == asked[row, 1]).any())
    return mask
