"""A store that is read besides one's own, and how it is read: without writing anything into it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from xautolm_core.errors import ConfigError
from xautolm_core.errors import StoreError
from xautolm_core.experience.codec import CorruptObjectError
from xautolm_core.experience.contract import ExperienceStore
from xautolm_core.experience.pinned import find_pinned
from xautolm_core.experience.snapshot import decode_snapshot
from xautolm_core.experience.state import State
from xautolm_core.experience.store import ObjectExperienceStore
from xautolm_core.experience.view import StoreView
from xautolm_core.experience.view import segment_file
from xautolm_core.records.experience import Experience

OWN = "own"
"""What one's own store is called beside the others."""

_STORE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,31}")


class PinnableStore(ExperienceStore, Protocol):
    """A store of which it can be said what it holds without writing into it."""

    def pin(self) -> bytes:
        """Return what pins exactly what the store holds now."""
        ...

    def read_pin(self, pin: bytes) -> Iterator[Experience]:
        """Yield exactly the experiences of a pin."""
        ...


@dataclass(frozen=True)
class TrustedStore:
    """A store that is only read.

    Attributes:
        store: The store.
        name: What it is called in notes and reports.
        trust: Weight of what it tells, in (0, 1]; one's own store has 1.
    """

    store: PinnableStore
    name: str
    trust: float

    def __post_init__(self) -> None:
        check_store_name(self.name)
        check_trust(self.trust)


def check_store_name(name: str) -> str:
    """Return the name of a store that is read if it is usable.

    Raises:
        ConfigError: It is not.
    """
    if not _STORE_NAME.fullmatch(name) or name == OWN:
        raise ConfigError(
            f"A store cannot be called {name[:40]!r}",
            hint="Use up to 32 letters, digits, '_' and '-', beginning with a letter; not 'own'",
        )
    return name


def check_trust(trust: float) -> float:
    """Return the trust in a store if it is in (0, 1].

    Raises:
        ConfigError: It is not.
    """
    if not 0 < trust <= 1:
        raise ConfigError(
            f"Trust {trust} in a store is out of range",
            hint="Give more than 0 and at most 1; leave a store out that is not trusted",
        )
    return trust


def view_of_pin(store: PinnableStore, pin: bytes) -> StoreView:
    """Return what a pin of a store pins, as columns; nothing is written.

    Raises:
        StoreError: It is no pin, the store is of another kind, or cannot be read.
    """
    if not isinstance(store, ObjectExperienceStore):
        raise StoreError("A store of this kind cannot be read as columns")
    try:
        snapshot = decode_snapshot(pin)
    except CorruptObjectError as error:
        raise StoreError(f"A pin of a store {error}", hint="Start a new search") from error

    def look(state: State) -> StoreView:
        found = find_pinned(store.reader, snapshot, state)
        return StoreView(
            segments=tuple(segment_file(store.reader, entry) for entry in found.segments),
            tail=found.table,
            hidden=found.hidden,
            snapshot_pin=pin,
        )

    return store.reader.settled(look)
