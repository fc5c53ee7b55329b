"""One's own experience store, and others that are only read and trusted less.

What is written goes to one's own store alone. Another store that cannot be reached is left out with
a warning; one's own has to be there.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from xautolm_core.errors import ConfigError
from xautolm_core.errors import StoreError
from xautolm_core.experience.contract import Fault
from xautolm_core.experience.store import ObjectExperienceStore
from xautolm_core.records.experience import Experience

OWN = "own"
"""What one's own store is called beside the others."""

T = TypeVar("T")


@dataclass(frozen=True)
class TrustedStore:
    """A store that is only read.

    Attributes:
        store: The store.
        name: Its name in notes and reports.
        trust: Weight of its experiences, in (0, 1]; one's own store has 1.
    """

    store: ObjectExperienceStore
    name: str
    trust: float


class UnionStore:
    """One's own store, and others that are read besides.

    Args:
        own: Takes what is written; has trust 1.
        others: Their names differ.

    Attributes:
        own: See above.
        others: The most trusted first.
        left_out: Why, by name, stores could not be read.

    Raises:
        ConfigError: Two stores have the same name.
    """

    def __init__(self, own: ObjectExperienceStore, others: Sequence[TrustedStore]) -> None:
        self.own = own
        self.others = tuple(sorted(others, key=lambda other: -other.trust))
        self.left_out: dict[str, str] = {}
        names = [other.name for other in self.others]
        if len(set(names)) < len(names):
            raise ConfigError("Two stores have the same name", hint="Give each a name of its own")

    def append(self, experience: Experience) -> str:
        """Keep an experience in one's own store. Return its id.

        Raises:
            StoreError: It cannot be written.
        """
        return self.own.append(experience)

    @property
    def faults(self) -> Sequence[Fault]:
        """What the reads have skipped so far; keys of other stores begin with their names."""
        found = list(self.own.faults)
        for other in self.others:
            found += [Fault(f"{other.name}:{f.key}", f.problem) for f in other.store.faults]
        return found

    @property
    def trusts(self) -> Mapping[str, float]:
        """Trust by name of the stores, one's own included; without those left out."""
        return {OWN: 1.0, **{o.name: o.trust for o in self.others if o.name not in self.left_out}}

    def leave_out(self, name: str, problem: str) -> None:
        """Stop reading a store, because of the first problem that it had."""
        self.left_out.setdefault(name, problem)

    def of_others(self, read: Callable[[TrustedStore], T]) -> Iterator[T]:
        """Yield what is read of each other store; one that cannot be read is left out.

        Args:
            read: Reads one of them.
        """
        for other in self.others:
            if other.name in self.left_out:
                continue
            try:
                found = read(other)
            except StoreError as error:
                self.leave_out(other.name, error.problem)
                continue
            yield found

    def forgotten(self) -> frozenset[bytes]:
        """Return the ids (16 bytes) of what any of the stores has forgotten.

        Raises:
            StoreError: One's own store cannot be read.
        """
        others = self.of_others(lambda other: other.store.forgotten())
        return self.own.forgotten().union(*others)
