"""Several experience stores read as one: one's own, and others that are trusted less.

Writing goes to one's own store alone. The same experience counts once: that of the most trusted
store. Another store that cannot be reached is left out with a warning; one's own has to be there.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
from functools import partial
from typing import TypeVar

from xautolm_core.errors import ConfigError
from xautolm_core.errors import StoreError
from xautolm_core.experience.contract import ExperienceFilter
from xautolm_core.experience.contract import Fault
from xautolm_core.experience.contract import SnapshotId
from xautolm_core.experience.contract import VerifyReport
from xautolm_core.experience.scanning import EVERYTHING
from xautolm_core.experience.store import ObjectExperienceStore
from xautolm_core.experience.trusted import OWN
from xautolm_core.experience.trusted import TrustedStore
from xautolm_core.experience.trusted import view_of_pin
from xautolm_core.experience.union_snapshot import UnionSnapshot
from xautolm_core.experience.union_snapshot import foreign_pin
from xautolm_core.experience.union_snapshot import is_union_id
from xautolm_core.experience.union_snapshot import keep_union
from xautolm_core.experience.union_snapshot import read_union
from xautolm_core.experience.view import SegmentFile
from xautolm_core.experience.view import SegmentGoneError
from xautolm_core.experience.view import StoreView
from xautolm_core.objects.contract import StorageUnavailableError
from xautolm_core.records.experience import Experience

T = TypeVar("T")


class StoreLeftOutError(StoreError):
    """Another store could not be read, and is left out from now on: begin again without it."""


@dataclass(frozen=True)
class PartView:
    """What one of several stores holds.

    Attributes:
        name: Name of the store; ``own`` for one's own.
        trust: Weight of its experiences, in (0, 1].
        view: What it holds.
    """

    name: str
    trust: float
    view: StoreView


class UnionStore:
    """``ExperienceStore`` over one's own store and others that are only read.

    Args:
        own: Takes what is written; has trust 1.
        others: Their names differ.
        warn: Is told which store could not be read, and why; each store once.

    Raises:
        ConfigError: Two stores have the same name.
    """

    def __init__(
        self,
        own: ObjectExperienceStore,
        others: Sequence[TrustedStore],
        *,
        warn: Callable[[str], None] | None = None,
    ) -> None:
        self.own = own
        self.others = tuple(sorted(others, key=lambda other: -other.trust))
        names = [other.name for other in self.others]
        if len(set(names)) < len(names):
            raise ConfigError("Two stores have the same name", hint="Give each a name of its own")
        self._warn = warn
        self._left_out: dict[str, str] = {}

    # Writing: one's own store alone

    def append(self, experience: Experience) -> str:
        """Keep an experience in one's own store. Return its id.

        Raises:
            StoreError: It cannot be written.
        """
        return self.own.append(experience)

    def compact(self) -> int:
        """Compact one's own store."""
        return self.own.compact()

    def verify(self) -> VerifyReport:
        """Check one's own store; the others are for those to check who own them."""
        return self.own.verify()

    # Reading

    @property
    def trusts(self) -> Mapping[str, float]:
        """Trust by name of the stores, one's own included; without those left out."""
        return {OWN: 1.0, **{other.name: other.trust for other in self._present()}}

    @property
    def left_out(self) -> Mapping[str, str]:
        """Why, by name, stores could not be read."""
        return self._left_out

    @property
    def faults(self) -> Sequence[Fault]:
        """What the reads have skipped so far; keys of other stores begin with their names."""
        found = list(self.own.faults)
        for other in self.others:
            found += [Fault(f"{other.name}:{f.key}", f.problem) for f in other.store.faults]
        return found

    def scan(self, wanted: ExperienceFilter = EVERYTHING) -> Iterator[Experience]:
        """Yield the experiences asked for, each once, ordered by end time and id.

        Raises:
            StoreError: One's own store cannot be read.
        """
        return self._merged(
            partial(self.own.scan, wanted),
            {other.name: partial(other.store.scan, wanted) for other in self._present()},
        )

    def get(self, experience_id: str) -> Experience | None:
        """Return one experience, that of the most trusted store that has it, or None.

        Raises:
            StoreError: Several ids in a store begin so, or one's own cannot be read.
        """
        found = self._find(experience_id)
        return None if found is None else found[0]

    def trust_of(self, experience_id: str) -> float | None:
        """Return the trust in the store that an experience comes from; None if none has it.

        Raises:
            StoreError: See ``get``.
        """
        found = self._find(experience_id)
        return None if found is None else found[1]

    def snapshot(self) -> SnapshotId:
        """Pin what all stores hold now. It is kept in one's own store.

        Raises:
            StoreError: One's own store cannot be read or written.
        """
        own = self.own.snapshot()
        pins = [(o.name, self._tried(o, o.store.pin)) for o in self._present()]
        kept = tuple(foreign_pin(name, pin) for name, pin in pins if pin is not None)
        if not kept:
            return own
        return keep_union(self.own.storage, UnionSnapshot(own=own.value, others=kept))

    def read(self, snapshot: SnapshotId) -> Iterator[Experience]:
        """Return exactly the experiences that a snapshot pins, each once, ordered by end and id.

        What a store that cannot be reached any more gave is left out with a warning.

        Raises:
            StoreError: There is no such snapshot, or one's own store cannot be read.
        """
        if not is_union_id(snapshot):
            return self.own.read(snapshot)
        union = read_union(self.own.storage, snapshot)
        return self._merged(
            partial(self.own.read, SnapshotId(union.own)),
            {other.name: partial(other.store.read_pin, pin) for other, pin in self._pinned(union)},
        )

    def views(self, snapshot: SnapshotId) -> list[PartView]:
        """Return what a snapshot pins as columns, one's own store first, then by trust.

        An experience may be in several of them: the first counts. A store that turns out to be
        unreachable while its view is read is left out: then ``StoreLeftOutError`` asks to begin
        again.

        Raises:
            StoreError: There is no such snapshot, or one's own store cannot be read.
        """
        if not is_union_id(snapshot):
            return [PartView(OWN, 1.0, self.own.view(snapshot))]
        union = read_union(self.own.storage, snapshot)
        parts = [PartView(OWN, 1.0, self.own.view(SnapshotId(union.own)))]
        for other, pin in self._pinned(union):
            view = self._tried(other, partial(view_of_pin, other.store, pin))
            if view is not None:
                parts.append(PartView(other.name, other.trust, self._guarded(other, view)))
        return parts

    def leave_out(self, name: str, problem: str) -> None:
        """Read a store no more, and say why; once."""
        if name in self._left_out:
            return
        self._left_out[name] = problem
        if self._warn is not None:
            self._warn(f"Store {name} is left out: {problem}")

    # Parts

    def _present(self) -> list[TrustedStore]:
        return [other for other in self.others if other.name not in self._left_out]

    def _pinned(self, union: UnionSnapshot) -> Iterator[tuple[TrustedStore, bytes]]:
        pins = {pin.name: pin.content for pin in union.others}
        for name in pins.keys() - {other.name for other in self.others}:
            self.leave_out(name, "it is not among the stores that are read")
        for other in self._present():
            if other.name in pins:
                yield other, pins[other.name]

    def _merged(
        self,
        read_own: Callable[[], Iterable[Experience]],
        read_others: Mapping[str, Callable[[], Iterable[Experience]]],
    ) -> Iterator[Experience]:
        """Yield in order, each id once: a copy in a less trusted store must not stand before it.

        All stores but the least trusted are read twice, so that ids alone are held in memory.
        """
        if not read_others:
            yield from read_own()
            return
        others = {o.name: o for o in self._present() if o.name in read_others}
        seen = _ids(read_own)
        streams: list[Iterable[Experience]] = [read_own()]
        for number, (name, other) in enumerate(others.items(), start=1):
            is_last = number == len(others)
            known = frozenset(seen)
            if not is_last:
                ids = self._tried(other, partial(_ids, read_others[name]))
                if ids is None:
                    continue
                seen |= ids
            streams.append(self._without(known, self._until_lost(other, read_others[name])))
        told: set[str] = set()
        for experience in heapq.merge(*streams, key=lambda e: (e.ended_at, e.id)):
            # Something may have been appended between the two times.
            if experience.id not in told:
                told.add(experience.id)
                yield experience

    @staticmethod
    def _without(known: frozenset[str], experiences: Iterable[Experience]) -> Iterator[Experience]:
        return (experience for experience in experiences if experience.id not in known)

    def _until_lost(
        self, other: TrustedStore, read: Callable[[], Iterable[Experience]]
    ) -> Iterator[Experience]:
        try:
            yield from read()
        except StoreError as error:
            self.leave_out(other.name, error.problem)

    def _find(self, experience_id: str) -> tuple[Experience, float] | None:
        own = self.own.get(experience_id)
        if own is not None:
            return own, 1.0
        for other in self._present():
            try:
                found = other.store.get(experience_id)
            except StorageUnavailableError as error:
                self.leave_out(other.name, error.problem)
                continue
            if found is not None:
                return found, other.trust
        return None

    def _tried(self, other: TrustedStore, act: Callable[[], T]) -> T | None:
        try:
            return act()
        except StoreError as error:
            self.leave_out(other.name, error.problem)
            return None

    def _guarded(self, other: TrustedStore, view: StoreView) -> StoreView:
        """Return the same view, of which a failing read leaves out the store."""

        def guarded(act: Callable[[], T]) -> Callable[[], T]:
            def tried() -> T:
                try:
                    return act()
                except SegmentGoneError:
                    raise
                except StoreError as error:
                    self.leave_out(other.name, error.problem)
                    raise StoreLeftOutError(f"Store {other.name} cannot be read") from error

            return tried

        def guarded_segment(segment: SegmentFile) -> SegmentFile:
            return replace(segment, read=guarded(segment.read), open=guarded(segment.open))

        return replace(view, segments=tuple(map(guarded_segment, view.segments)))


def _ids(read: Callable[[], Iterable[Experience]]) -> set[str]:
    return {experience.id for experience in read()}
