"""Snapshots: exactly which experiences a search read, so that it can read them again.

A snapshot names segments, which are kept for as long as it is there, and the single objects that
lay beside them. Its id is the digest of these. ``forget`` may rewrite its content; therefore that
has a digest of its own.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from datetime import datetime

from pydantic import AwareDatetime
from pydantic import BaseModel
from pydantic import ConfigDict
from pydantic import Field
from pydantic import ValidationError

from xautolm_core.experience.codec import CorruptObjectError
from xautolm_core.experience.codec import canonical
from xautolm_core.experience.keys import SNAPSHOTS
from xautolm_core.experience.manifest import SegmentKey

SNAPSHOT_VERSION = 3
"""Of the layout that is written."""

_SNAPSHOT_ID = re.compile(r"[0-9a-f]{64}")


class Pin(BaseModel):
    """One single object of a snapshot: which experience, where, with which content.

    Attributes:
        id: Id of the experience.
        key: Key of its object. It is found by its id and digest too, if it lies elsewhere now.
        digest: SHA-256 of the experience's canonical JSON (hex).
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    id: str = Field(pattern=r"^[0-9a-f]{32}$")
    key: str
    digest: str = Field(pattern=r"^[0-9a-f]{64}$")


class Snapshot(BaseModel):
    """What a search read.

    Attributes:
        version: Of the layout that it was read in: 1 for pins alone, 2 for the objects that do not
            say it. What is written always has the present one.
        id: Digest of the segments and single objects that were pinned at first (hex).
        segments: Keys of the segments.
        tail: The single objects.
        forgotten: How many of its experiences were forgotten since.
        created_at: When it was written first, by the storage's clock; None as long as it was not
            written again, so that the time of its object says it.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    version: int = Field(default=2, ge=1)
    id: str
    segments: tuple[SegmentKey, ...] = ()
    tail: tuple[Pin, ...] = ()
    forgotten: int = Field(default=0, ge=0)
    created_at: AwareDatetime | None = None


class _FirstLayout(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    pins: tuple[Pin, ...]


def is_snapshot_id(text: str) -> bool:
    """Whether a text can be the id of a snapshot."""
    return _SNAPSHOT_ID.fullmatch(text) is not None


def snapshot_key(identity: str) -> str:
    """Return the key of a snapshot."""
    return f"{SNAPSHOTS}{identity}.json"


def new_snapshot(segments: Iterable[str], tail: Iterable[Pin]) -> Snapshot:
    """Return a snapshot of segments and single objects."""
    names = sorted(set(segments))
    pins = sorted(set(tail), key=lambda pin: (pin.id, pin.digest, pin.key))
    content = {"segments": names, "tail": [pin.model_dump() for pin in pins]}
    identity = hashlib.sha256(canonical(content).encode()).hexdigest()
    return Snapshot(version=SNAPSHOT_VERSION, id=identity, segments=tuple(names), tail=tuple(pins))


def keep_age(snapshot: Snapshot, modified_at: datetime) -> Snapshot:
    """Return a snapshot that is to be written again, with the time when it was written first.

    Args:
        snapshot: As it is now.
        modified_at: When its object was written last.
    """
    return snapshot.model_copy(update={"created_at": snapshot.created_at or modified_at})


def encode_snapshot(snapshot: Snapshot) -> bytes:
    """Return the content of a snapshot's object: one line of JSON with its own digest."""
    content = snapshot.model_dump(mode="json", exclude_none=True) | {"version": SNAPSHOT_VERSION}
    digest = hashlib.sha256(canonical(content).encode()).hexdigest()
    return canonical({"digest": digest, "snapshot": content}).encode()


def decode_snapshot(data: bytes) -> Snapshot:
    """Return the snapshot that an object holds. The first layout (``pins`` alone) is read too.

    Raises:
        CorruptObjectError: It is none, or was altered.
    """
    try:
        content = json.loads(data)
        if isinstance(content, dict) and "pins" in content:
            pins = _FirstLayout.model_validate(content).pins
            return Snapshot(version=1, id=hashlib.sha256(data).hexdigest(), tail=pins)
        digest = hashlib.sha256(canonical(content["snapshot"]).encode()).hexdigest()
        if digest != content["digest"]:
            raise CorruptObjectError("its content does not match its digest")
        return Snapshot.model_validate(content["snapshot"])
    except (ValueError, KeyError, TypeError, RecursionError, ValidationError) as error:
        raise CorruptObjectError("is no snapshot") from error


def decode_snapshot_at(key: str, data: bytes) -> Snapshot:
    """Return the snapshot at a key.

    Raises:
        CorruptObjectError: It is none, was altered, or belongs elsewhere.
    """
    snapshot = decode_snapshot(data)
    if snapshot_key(snapshot.id) != key:
        raise CorruptObjectError("its content does not match its name")
    return snapshot
