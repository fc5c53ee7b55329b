"""Count a store repeatedly, reading only new parts, as segments never change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from datetime import datetime
from typing import TYPE_CHECKING

from xautolm_core.errors import StoreError
from xautolm_core.experience.segment import Segment
from xautolm_core.experience.state import State
from xautolm_core.experience.store import ObjectExperienceStore
from xautolm_core.experience.tombstone import MENDING
from xautolm_core.monitoring.parts import identities_in_segment
from xautolm_core.monitoring.parts import identities_of
from xautolm_core.monitoring.parts import repeated_rows
from xautolm_core.monitoring.parts import tally_of_segment
from xautolm_core.monitoring.parts import tally_of_tombstone
from xautolm_core.monitoring.tail import TailAccounts
from xautolm_core.monitoring.tally import Tally
from xautolm_core.monitoring.tally import tally_of

if TYPE_CHECKING:
    import pyarrow as pa

    from xautolm_core.monitoring.parts import Identities
    from xautolm_core.monitoring.parts import Mask

_SegmentKey = tuple[str, frozenset[int]]
"""Part of a segment, without its unreadable row groups."""

_Part = str | _SegmentKey
"""A tombstone or a segment."""


@dataclass(frozen=True)
class StoreTotals:
    """The content of a store at one moment, and all that it ever held.

    Attributes:
        tally: All attempts ever, each once: present and forgotten ones.
        experiences: Number of experiences by tenant.
        tail: Number of experiences in no segment.
        oldest_in_tail_at: When the oldest of these was written (UTC), by the storage's clock.
        compacted_at: When the newest segment was written (UTC), by the storage's clock.
        faults: Number of faults so far.
        latest: Tenant and outcome to the id of the latest experience in no segment.
    """

    tally: Tally
    experiences: Counter[str]
    tail: int
    oldest_in_tail_at: datetime | None
    compacted_at: datetime | None
    faults: int
    latest: Mapping[tuple[str, str], str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Base:
    """The sums over the immutable parts of one state.

    Attributes:
        parts: The parts.
        present: Totals of the segments.
        forgotten: Totals of the tombstones.
        identities: All their ids, ordered by the first half.
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
        """Return the current totals.

        Raises:
            StoreError: The storage cannot be read, or changes all the time.
        """
        found = self._reader.settled(self._totals)
        # Once counted, a segment is not read again.
        self._reader.let_go()
        return found

    def _totals(self, state: State) -> StoreTotals:
        # Before the segments: an object that is compacted meanwhile is then noticed as missing.
        tail = self._tail.read(state)
        base = self._base_of(state)
        tail = tail.filter(~_which_are_in(base.identities, tail)) if tail.num_rows else tail
        live = tally_of(tail)
        whole = Tally()
        for part in (base.forgotten, base.present, live):
            whole.add(part)
        in_tail = frozenset(state.tail)
        written = [info.modified_at for info in state.singles if info.key in in_tail]
        return StoreTotals(
            tally=whole,
            experiences=base.present.trials_by_tenant() + live.trials_by_tenant(),
            tail=tail.num_rows,
            oldest_in_tail_at=min(written, default=None),
            compacted_at=max(state.written_at.values(), default=None),
            faults=len(self._reader.damage.faults),
            latest=_latest(tail),
        )

    def _base_of(self, state: State) -> _Base:
        tombstones = list(state.readable_tombstones)
        segments = {(s.key, self._reader.damage.lost_row_groups(s.key)): s for s in state.segments}
        parts: tuple[_Part, ...] = (*tombstones, *segments)
        if self._base is None or self._base.parts != parts:
            self._base = self._new_base(tombstones, segments)
        return self._base

    def _new_base(self, tombstones: list[str], segments: dict[_SegmentKey, Segment]) -> _Base:
        import numpy as np

        parts: list[_Part] = [*tombstones, *segments]
        self._identities = {key: self._identities[key] for key in parts if key in self._identities}
        for part in parts:
            if part not in self._identities:
                segment = segments.get(part) if isinstance(part, tuple) else None
                self._identities[part] = (
                    identities_of(self._accounts(str(part)))
                    if segment is None
                    else identities_in_segment(self._reader, segment)
                )
        whole = [self._identities[part] for part in parts]
        masks = dict(zip(parts, repeated_rows(whole), strict=True))
        forgotten, present = Tally(), Tally()
        for key in tombstones:
            forgotten.add(self._tally(key, None, masks[key]))
        for part, segment in segments.items():
            present.add(self._tally(part, segment, masks[part]))
        used = {(part, _digest(mask)) for part, mask in masks.items()}
        self._tallies = {known: self._tallies[known] for known in used}
        identities = np.concatenate(whole) if whole else np.empty((0, 2), np.uint64)
        ordered = identities[np.argsort(identities[:, 0])]
        return _Base(tuple(parts), present, forgotten, ordered)

    def _tally(self, part: _Part, segment: Segment | None, repeated: Mask) -> Tally:
        """Return the totals of a part, cached at once, so that the next count continues here."""
        known = (part, _digest(repeated))
        if known not in self._tallies:
            self._tallies[known] = (
                tally_of_tombstone(self._accounts(str(part)), repeated)
                if segment is None
                else tally_of_segment(self._reader, segment, repeated)
            )
        return self._tallies[known]

    def _accounts(self, key: str) -> pa.Table:
        table = self._reader.tombstones.table(key)
        if table is None:
            raise StoreError(f"{key} cannot be read any more", hint=f"To repair it, {MENDING}")
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
    """Return a mask of rows whose ids are among others, or occur before in the table."""
    import numpy as np

    asked = identities_of(table)
    first = np.searchsorted(identities[:, 0], asked[:, 0], side="left")
    end = np.searchsorted(identities[:, 0], asked[:, 0], side="right")
    mask: Mask = repeated_rows([asked])[0]
    for row in np.flatnonzero(end > first):
        mask[row] |= bool((identities[first[row] : end[row], 1] == asked[row, 1]).any())
    return mask
