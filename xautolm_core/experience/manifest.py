"""Manifests say which segments belong together; snapshots say which experiences were read."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass

from pydantic import BaseModel
from pydantic import ConfigDict
from pydantic import ValidationError

from xautolm_core.experience.codec import CorruptObjectError
from xautolm_core.experience.codec import canonical
from xautolm_core.experience.keys import MANIFESTS
from xautolm_core.experience.keys import SNAPSHOTS

_MANIFEST_NAME = re.compile(rf"{MANIFESTS}(\d{{12}})-([0-9a-f]{{32}})\.json")
SNAPSHOT_ID = re.compile(r"[0-9a-f]{64}")


class SegmentEntry(BaseModel):
    """One segment of a manifest: its key and its number of rows."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    key: str
    rows: int


class _ManifestContent(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    segments: tuple[SegmentEntry, ...]


class Pin(BaseModel):
    """One experience of a snapshot: which object, with which content."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    id: str
    key: str
    digest: str


class _SnapshotContent(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    pins: tuple[Pin, ...]


@dataclass(frozen=True)
class Manifest:
    """A set of segments that was complete when it was written.

    Attributes:
        sequence: Greater than that of every manifest that its writer saw.
        segments: Its segments.
    """

    sequence: int
    segments: tuple[SegmentEntry, ...]


def encode_manifest(manifest: Manifest) -> tuple[str, bytes]:
    """Return key and content of a manifest; the key holds its sequence and its digest."""
    segments = [entry.model_dump() for entry in manifest.segments]
    data = canonical({"segments": segments}).encode()
    digest = hashlib.sha256(data).hexdigest()
    return f"{MANIFESTS}{manifest.sequence:012d}-{digest[:32]}.json", data


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
        content = _ManifestContent.model_validate(json.loads(data))
    except (ValueError, ValidationError) as error:
        raise CorruptObjectError("is no manifest") from error
    return Manifest(sequence=int(match.group(1)), segments=content.segments)


def next_sequence(keys: list[str]) -> int:
    """Return a sequence above those of the manifests with these keys."""
    numbers = [int(m.group(1)) for m in map(_MANIFEST_NAME.fullmatch, keys) if m]
    return max(numbers, default=0) + 1


def encode_snapshot(pins: list[Pin]) -> tuple[str, bytes]:
    """Return id and content of a snapshot; the id is the digest of the content."""
    ordered = sorted(pins, key=lambda pin: pin.id)
    data = canonical({"pins": [pin.model_dump() for pin in ordered]}).encode()
    return hashlib.sha256(data).hexdigest(), data


def snapshot_key(identity: str) -> str:
    """Return the key of a snapshot."""
    return f"{SNAPSHOTS}{identity}.json"


def decode_snapshot(identity: str, data: bytes) -> tuple[Pin, ...]:
    """Return what a snapshot pins.

    Raises:
        CorruptObjectError: It is not what its name says.
    """
    if hashlib.sha256(data).hexdigest() != identity:
        raise CorruptObjectError("its content does not match its name")
    try:
        return _SnapshotContent.model_validate(json.loads(data)).pins
    except (ValueError, ValidationError) as error:
        raise CorruptObjectError("is no snapshot") from error
