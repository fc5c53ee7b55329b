"""Writes manifests that take in all that are there."""

from __future__ import annotations

from collections.abc import Iterable

from xautolm_core.experience.damage import StoreChangedError
from xautolm_core.experience.looking import changes_too_fast
from xautolm_core.experience.looking import looks
from xautolm_core.experience.manifest import SegmentEntry
from xautolm_core.experience.manifest import new_manifest
from xautolm_core.experience.reader import StoreReader
from xautolm_core.experience.state import State
from xautolm_core.objects.contract import ObjectStorage

_REMEMBERED_REPLACED = 500


def still_named(state: State) -> dict[str, SegmentEntry]:
    """Return what the heads name, but for what is gone because others hold its rows."""
    replaced = set(state.frontier.replaced)
    return {
        key: entry
        for key, entry in state.frontier.segments.items()
        if key in state.present or key not in replaced
    }


def write_manifest(
    storage: ObjectStorage,
    state: State,
    segments: Iterable[SegmentEntry],
    *,
    replaced: Iterable[str] = (),
    purged: Iterable[str] = (),
) -> None:
    """Write a manifest that takes the place of all that a state knows.

    Args:
        storage: Where.
        state: What was there.
        segments: What it names.
        replaced: Segments whose rows are in these, besides those that are known.
        purged: Tombstones none of whose experiences is in these segments.

    Raises:
        StoreError: It cannot be written.
    """
    entries = list(segments)
    named = {entry.key for entry in entries}
    storage.put(
        *new_manifest(
            parents=state.frontier.readable,
            segments=entries,
            replaced=_remembered(state, replaced, named),
            purged=sorted(purged),
        )
    )


def add_segments(reader: StoreReader, entries: list[SegmentEntry]) -> None:
    """Make segments that were written part of the store.

    Raises:
        StoreError: The storage cannot be read or written.
    """
    for _ in looks(reader.damage.extent):
        try:
            state = reader.look()
        except StoreChangedError:
            continue
        # No tombstone is declared purged: the next compaction looks whether one concerns them.
        write_manifest(reader.storage, state, [*still_named(state).values(), *entries])
        return
    raise changes_too_fast()


def _remembered(state: State, more: Iterable[str], named: set[str]) -> list[str]:
    """Return the replaced segments that a manifest remembers, the latest last.

    All that are still there, and some more: a slow compactor may yet name one of them.
    """
    known = [key for key in dict.fromkeys([*state.frontier.replaced, *more]) if key not in named]
    recent = set(known[-_REMEMBERED_REPLACED:])
    return [key for key in known if key in recent or key in state.present]
