"""Compaction: writes segments and manifests, and retires the ones that nobody needs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import timedelta
from itertools import pairwise

from xautolm_core.experience.codec import CorruptObjectError
from xautolm_core.experience.codec import Payload
from xautolm_core.experience.keys import MANIFESTS
from xautolm_core.experience.keys import SEGMENTS
from xautolm_core.experience.manifest import Manifest
from xautolm_core.experience.manifest import SegmentEntry
from xautolm_core.experience.manifest import decode_manifest
from xautolm_core.experience.manifest import encode_manifest
from xautolm_core.experience.manifest import next_sequence
from xautolm_core.experience.segment import encode_segment
from xautolm_core.experience.segment import segment_key
from xautolm_core.objects.contract import ObjectInfo
from xautolm_core.objects.contract import ObjectStorage

GRACE = timedelta(hours=1)
"""How long a retired file stays, for readers and compactors that are still at work with it."""


def compact(
    storage: ObjectStorage, covered: Mapping[str, Payload], tail: Mapping[str, Payload]
) -> int:
    """Write a segment of everything and a manifest that names it; return the number of new rows.

    The order of the steps makes it safe to be killed at any of them: before the manifest is there
    (written last) readers use the old one; a segment that no manifest names is never read.

    Args:
        storage: The store's objects.
        covered: Key to payload of what the newest complete manifest covers.
        tail: Key to payload of the valid objects that it does not cover.
    """
    if not tail:
        return 0
    rows = {**covered, **tail}
    data = encode_segment(rows)
    key = segment_key(data)
    storage.put(key, data)
    known = [info.key for info in storage.list(MANIFESTS)]
    manifest = Manifest(next_sequence(known), (SegmentEntry(key=key, rows=len(rows)),))
    storage.put(*encode_manifest(manifest))
    retire(storage)
    return len(tail)


def retire(storage: ObjectStorage) -> None:
    """Delete manifests that were superseded, and segments that no manifest names any more.

    A manifest stays for ``GRACE`` after its successor was written, a segment for ``GRACE`` after
    it was written itself (its manifest may be under way), both by the storage's own clock. Nothing
    corrupt is touched. Snapshots pin single objects, which are never deleted here.
    """
    manifests = list(storage.list(MANIFESTS))
    if not manifests:
        return
    now = max(info.modified_at for info in manifests)
    named: set[str] = set()
    for info, successor in pairwise(manifests):
        if now - successor.modified_at > GRACE and _is_whole_manifest(storage, info):
            storage.delete(info.key)
    for info in storage.list(MANIFESTS):
        named.update(_segments_of(storage, info))
    for info in list(storage.list(SEGMENTS)):
        is_old = now - info.modified_at > GRACE
        if is_old and info.key not in named and _is_whole_segment(storage, info):
            storage.delete(info.key)


def _is_whole_manifest(storage: ObjectStorage, info: ObjectInfo) -> bool:
    try:
        decode_manifest(info.key, storage.get(info.key))
    except (CorruptObjectError, KeyError):
        return False
    return True


def _segments_of(storage: ObjectStorage, info: ObjectInfo) -> list[str]:
    try:
        return [entry.key for entry in decode_manifest(info.key, storage.get(info.key)).segments]
    except (CorruptObjectError, KeyError):
        return []


def _is_whole_segment(storage: ObjectStorage, info: ObjectInfo) -> bool:
    try:
        data = storage.get(info.key)
    except KeyError:
        return False
    return info.key == f"{SEGMENTS}{hashlib.sha256(data).hexdigest()}.parquet"
