"""Broken or missing objects that one reader has found, and how often it retries them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence

from xautolm_core.errors import StoreError
from xautolm_core.experience.contract import Fault

GHOST = "is listed, but is not there"
"""The note on a listed object that does not exist."""

MISSES_OF_A_GHOST = 8
"""So often an object is listed and not there, look after look, before it counts as damaged.

What was deleted meanwhile is not listed at the next look. An entry that stays may be a remnant, or
an object that a slow server has yet to show.
"""

ATTEMPTS = 30
"""How often a store is looked at before what is gone is reported, or before it is given up."""

FIRST_WAIT_SECONDS = 0.02
LONGEST_WAIT_SECONDS = 1.0


class StoreChangedError(Exception):
    """Something that was about to be read is elsewhere now, or broken: look at the store again."""


class Damage:
    """Collects faults, each once, and remembers which parts of segments cannot be read."""

    def __init__(self) -> None:
        self._faults: dict[tuple[str, str], Fault] = {}
        self._files: set[str] = set()
        self._impaired: set[str] = set()
        self._row_groups: dict[str, set[int]] = {}
        self._misses: Counter[str] = Counter()

    @property
    def faults(self) -> Sequence[Fault]:
        """All that was reported so far."""
        return tuple(self._faults.values())

    def extent(self) -> int:
        """Return how much damage is known by now: it never falls."""
        return len(self._faults)

    def report(self, key: str, problem: str) -> None:
        """Report a fault."""
        self._faults.setdefault((key, problem), Fault(key, problem))

    def lose_file(self, key: str, problem: str) -> None:
        """Report a segment of which nothing can be read."""
        self._files.add(key)
        self.report(key, problem)

    def lose_row_group(self, key: str, row_group: int, problem: str) -> None:
        """Report a part of a segment that cannot be read."""
        self._row_groups.setdefault(key, set()).add(row_group)
        self.report(key, problem)

    def miss(self, key: str) -> bool:
        """Note that an object that is listed was not there; return whether it counts as damaged."""
        self._misses[key] += 1
        return self._misses[key] >= MISSES_OF_A_GHOST

    def find(self, key: str) -> None:
        """Note that an object was there."""
        self._misses.pop(key, None)

    def miss_file(self, key: str) -> None:
        """Note that a segment that is listed was not there, and report it if it stays away."""
        if self.miss(key):
            self.lose_file(key, GHOST)

    def impair(self, key: str, problem: str) -> None:
        """Report a segment that is not what it should be, though its rows are."""
        self._impaired.add(key)
        self.report(key, problem)

    def is_lost(self, key: str) -> bool:
        """Whether nothing of a segment can be read."""
        return key in self._files

    def lost_row_groups(self, key: str) -> frozenset[int]:
        """Return the row groups of a segment that cannot be read."""
        return frozenset(self._row_groups.get(key, ()))

    def touches(self, key: str) -> bool:
        """Whether something is wrong with a segment."""
        return key in self._files or key in self._row_groups or key in self._impaired


def looks(damage_known: Callable[[], int]) -> Iterator[bool]:
    """Yield, for each time that a store may be looked at, whether that is the last one.

    Each wait is twice as long as the one before. A look that found new damage does not count, and
    is not waited after: the next one goes without what is damaged.

    Args:
        damage_known: Returns how much damage is known by now.
    """
    known = damage_known()
    left = ATTEMPTS
    wait = FIRST_WAIT_SECONDS
    while left:
        yield left == 1
        found, known = known, damage_known()
        if found < known:
            continue
        left -= 1
        if left:
            time.sleep(wait)
            wait = min(2 * wait, LONGEST_WAIT_SECONDS)


def changes_too_fast() -> StoreError:
    """Return the error of a reader that never saw the store at rest."""
    return StoreError(
        "The store changes faster than it can be read",
        hint="Let fewer processes compact it at once, or raise XAUTOLM_STORE_GRACE_SECONDS",
    )
