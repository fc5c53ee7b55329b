"""Manifests say which segments belong together; they are written last."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import UTC
from datetime import datetime
from typing import Annotated

from pydantic import AwareDatetime
from pydantic import BaseModel
from pydantic import ConfigDict
from pydantic import Field
from pydantic import ValidationError

from xautolm_core.experience.codec import CorruptObjectError
from xautolm_core.experience.codec import canonical
from xautolm_core.experience.keys import FORGOTTEN
from xautolm_core.experience.keys import MANIFESTS
from xautolm_core.experience.keys import SEGMENTS

_MANIFEST_NAME = re.compile(rf"{MANIFESTS}(\d{{12}})-([0-9a-f]{{32}})\.json")

# What a manifest names is read and deleted: nothing but the store's own files.
_SEGMENT_KEY = rf"^{SEGMENTS}[0-9a-f]{{64}}\.parquet$"
SegmentKey = Annotated[str, Field(pattern=_SEGMENT_KEY)]
_ManifestKey = Annotated[str, Field(pattern=rf"^{MANIFESTS}\d{{12}}-[0-9a-f]{{32}}\.json$")]
_TombstoneKey = Annotated[str, Field(pattern=rf"^{FORGOTTEN}[0-9a-f]{{64}}\.parquet$")]


class SegmentEntry(BaseModel):
    """What a manifest says of a segment. Older manifests give key and rows alone.

    Attributes:
        key: Its key.
        rows: Its number of rows.
        size_bytes: Its size.
        footer: SHA-256 of its Parquet footer (hex).
        first_ended_at: Of its first row (UTC).
        last_ended_at: Of its last row (UTC).
        covered_since: Since when its rows have been in segments, by the storage's clock; None means
            since it was written.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    key: SegmentKey
    rows: int = Field(ge=0)
    size_bytes: int | None = None
    footer: str | None = None
    first_ended_at: AwareDatetime | None = None
    last_ended_at: AwareDatetime | None = None
    covered_since: AwareDatetime | None = None


class Manifest(BaseModel):
    """A set of segments that was complete when it was written.

    Attributes:
        version: 1 for manifests of the first layout, which names nothing but segments.
        parents: Every manifest that its writer saw and took in.
        segments: Its segments.
        replaced: Segments whose rows are in these segments now, the latest last; not all for ever.
        purged: Tombstones none of whose experiences is in these segments.
        created_at: By its writer's clock.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    version: int = 1
    parents: tuple[_ManifestKey, ...] = ()
    segments: tuple[SegmentEntry, ...]
    replaced: tuple[SegmentKey, ...] = ()
    purged: tuple[_TombstoneKey, ...] = ()
    created_at: AwareDatetime | None = None


def is_segment_key(key: str) -> bool:
    """Whether a key is one of a segment."""
    return re.fullmatch(_SEGMENT_KEY, key) is not None


def new_manifest(
    *,
    parents: list[str],
    segments: list[SegmentEntry],
    replaced: list[str],
    purged: list[str],
) -> tuple[str, bytes]:
    """Return key and content of a manifest of now; its sequence is above those of its parents."""
    manifest = Manifest(
        version=2,
        parents=tuple(parents),
        segments=tuple(sorted(segments, key=lambda entry: entry.key)),
        replaced=tuple(replaced),
        purged=tuple(sorted(purged)),
        created_at=datetime.now(UTC),
    )
    data = canonical(manifest.model_dump(mode="json", exclude_none=True)).encode()
    digest = hashlib.sha256(data).hexdigest()
    return f"{MANIFESTS}{_next_sequence(parents):012d}-{digest[:32]}.json", data


def decode_manifest(key: str, data: bytes) -> Manifest:
    """Return the manifest that an object holds.

    Raises:
        CorruptObjectError: It is not what its name says.
    """
    match = _MANIFEST_NAME.fullmatch(key)
    if match is None:
        raise CorruptObjectError("is not named like a manifest")
    if hashlib.sha256(data).hexdigest()[:32] != match.group(2):
        raise CorruptObjectError("its content does not match its name")
    try:
        return Manifest.model_validate(json.loads(data))
    except (ValueError, ValidationError, RecursionError) as error:
        raise CorruptObjectError("is no manifest") from error


def _next_sequence(keys: list[str]) -> int:
    numbers = [int(m.group(1)) for m in map(_MANIFEST_NAME.fullmatch, keys) if m]
    return max(numbers, default=0) + 1
