"""What a reader found in a store at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xautolm_core.experience.frontier import Frontier
from xautolm_core.experience.keys import mark_of_key
from xautolm_core.experience.manifest import SegmentEntry
from xautolm_core.experience.snapshot import Pin
from xautolm_core.objects.contract import ObjectInfo

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class State:
    """What a store held at one moment.

    Attributes:
        singles: All single objects.
        frontier: The manifests.
        present: All segment files by key.
        segments: Those to be read.
        tail: Keys of the single objects that these do not cover.
        tombstones: Keys of all tombstones.
        purgeable: Those of them that can be read.
        hidden: Ids (16 bytes) of what was forgotten.
        is_troubled: Whether something is missing or broken, so that all segments are read.
        is_last: Whether this is the last look: what has vanished since is reported, instead of
            looked for again.
    """

    singles: tuple[ObjectInfo, ...]
    frontier: Frontier
    present: Mapping[str, ObjectInfo]
    segments: tuple[SegmentEntry, ...]
    tail: tuple[str, ...]
    tombstones: tuple[str, ...]
    purgeable: tuple[str, ...]
    hidden: frozenset[bytes]
    is_troubled: bool
    is_last: bool


@dataclass(frozen=True)
class Tail:
    """The experiences that are in no segment.

    Attributes:
        table: Their rows, sorted, in the layout of ``columns``.
        pins: The objects that they came from.
        odd: Keys whose objects are other than their names say (or have the names of older
            versions), with the mark of their content.
    """

    table: pa.Table
    pins: tuple[Pin, ...]
    odd: Mapping[str, bytes]

    @property
    def objects(self) -> dict[str, bytes]:
        """The valid objects that were read, with the mark of their content."""
        marks = {pin.key: mark_of_key(pin.key) for pin in self.pins}
        return {key: mark for key, mark in marks.items() if mark is not None} | dict(self.odd)
