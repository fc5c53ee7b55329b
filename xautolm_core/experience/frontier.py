"""The frontier: the manifests that hold now, and the segments that they name.

A manifest names as parents all manifests that its writer saw and took in. Those that no present
manifest names are the heads: normally one, two after two compactors raced. Readers take the union
of their segments.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from xautolm_core.errors import StoreError
from xautolm_core.experience.codec import CorruptObjectError
from xautolm_core.experience.contract import Fault
from xautolm_core.experience.damage import GHOST
from xautolm_core.experience.damage import Damage
from xautolm_core.experience.damage import StoreChangedError
from xautolm_core.experience.keys import MANIFESTS
from xautolm_core.experience.looking import looks
from xautolm_core.experience.manifest import Manifest
from xautolm_core.experience.manifest import SegmentEntry
from xautolm_core.experience.manifest import decode_manifest
from xautolm_core.objects.contract import ObjectInfo
from xautolm_core.objects.contract import ObjectStorage
from xautolm_core.objects.contract import StorageUnavailableError


@dataclass(frozen=True)
class Frontier:
    """The manifests of one moment.

    Attributes:
        heads: The manifests that no other names, by key.
        superseded: The other readable ones, oldest first.
        faults: The unreadable ones. They are nobody's parents, and stay.
        segments: What the heads name, each once, by key.
        replaced: Segments whose rows are in others now, the latest last.
        purged: Tombstones none of whose experiences is in a segment that the heads name.
    """

    heads: Mapping[str, Manifest]
    superseded: tuple[str, ...]
    faults: tuple[Fault, ...]
    segments: Mapping[str, SegmentEntry]
    replaced: tuple[str, ...]
    purged: frozenset[str]

    @property
    def readable(self) -> list[str]:
        """The keys of all manifests that a new one takes in."""
        return [*self.superseded, *self.heads]


def read_frontier(storage: ObjectStorage, damage: Damage) -> Frontier:
    """Return the frontier of this moment.

    A manifest that is listed and is not there, look after look, counts as unreadable.

    Args:
        storage: Where the manifests are.
        damage: Knows which of them were not there before.

    Raises:
        StoreError: The storage cannot be read.
    """
    for _ in looks(damage.extent):
        listed = [info.key for info in storage.list(MANIFESTS)]
        try:
            return _frontier_of(storage, damage, listed)
        except StoreChangedError:
            # A head was retired between listing and reading: its successor must be there by now.
            continue
    raise StoreError(
        "The store's manifests change faster than they can be read",
        hint="Let fewer processes compact the store at once",
    )


def list_manifests(storage: ObjectStorage) -> list[ObjectInfo]:
    """Return the present manifests, oldest first."""
    return list(storage.list(MANIFESTS))


def _frontier_of(storage: ObjectStorage, damage: Damage, listed: list[str]) -> Frontier:
    heads: dict[str, Manifest] = {}
    named: set[str] = set()
    faults: list[Fault] = []
    has_first_layout = False
    # The latest first: whatever it names needs not be read.
    for key in reversed(listed):
        if key in named:
            continue
        try:
            manifest = decode_manifest(key, storage.get(key))
        except KeyError:
            if not damage.miss(key):
                raise StoreChangedError from None
            faults.append(Fault(key, GHOST))
            continue
        except StorageUnavailableError:
            raise
        except (CorruptObjectError, StoreError) as error:
            faults.append(Fault(key, str(error)))
            continue
        named.update(manifest.parents)
        if manifest.version == 1 and has_first_layout:
            # In the first layout each manifest named everything, and the latest one held.
            named.add(key)
            continue
        has_first_layout = has_first_layout or manifest.version == 1
        heads[key] = manifest
    return Frontier(
        heads=heads,
        superseded=tuple(key for key in listed if key in named),
        faults=tuple(faults),
        segments=_union(heads),
        replaced=tuple(dict.fromkeys(key for m in reversed(heads.values()) for key in m.replaced)),
        purged=_purged(heads),
    )


def _union(heads: Mapping[str, Manifest]) -> dict[str, SegmentEntry]:
    entries: dict[str, SegmentEntry] = {}
    for manifest in heads.values():
        for entry in manifest.segments:
            known = entries.get(entry.key)
            if known is None or known.footer is None:
                entries[entry.key] = entry
    return dict(sorted(entries.items()))


def _purged(heads: Mapping[str, Manifest]) -> frozenset[str]:
    found = [frozenset(manifest.purged) for manifest in heads.values()]
    return frozenset.intersection(*found) if found else frozenset()
