"""Experiences as bytes: one JSON object with the digest of its payload beside it."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from datetime import UTC
from datetime import datetime
from typing import Any

from pydantic import ValidationError
from pydantic_core import from_json

from xautolm_core.records.configuration import Configuration
from xautolm_core.records.experience import SCHEMA_VERSION
from xautolm_core.records.experience import Experience
from xautolm_core.validation import first_problem

_IDENTITY = re.compile(r"[0-9a-f]{32}")
_ENVELOPE = re.compile(rb'\{"digest":"([0-9a-f]{64})","experience":(\{.*\})\}\n', re.DOTALL)
_ENCODER = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
)


class CorruptObjectError(Exception):
    """An object is not what it says it is. The message names the fault in one line."""


@dataclass(frozen=True)
class Payload:
    """The verified content of one object, not yet read as an experience.

    Attributes:
        text: Canonical JSON of the experience.
        digest: SHA-256 of it (hex).
        id: Id of the experience.
        ended_at: When it ended (UTC).
    """

    text: str
    digest: str
    id: str
    ended_at: datetime


def encode(experience: Experience) -> bytes:
    """Return the object of an experience: ``{"digest": ..., "experience": {...}}``, one line.

    The digest is SHA-256 over the canonical JSON (sorted keys, no spaces, UTF-8) of the payload.

    Raises:
        ValueError: A number in it is not finite.
    """
    text = canonical(experience.model_dump(mode="json"))
    return f'{{"digest":"{digest_of(text)}","experience":{text}}}\n'.encode()


def decode(data: bytes) -> Payload:
    """Return the payload of an object, checked against its digest.

    Raises:
        CorruptObjectError: It is cut off, altered, or no object of ours.
    """
    match = _ENVELOPE.fullmatch(data)
    if match is not None and hashlib.sha256(match.group(2)).hexdigest().encode() == match.group(1):
        return _payload(match.group(2).decode(), match.group(1).decode())
    return _decode_freely(data)


def _decode_freely(data: bytes) -> Payload:
    """Return the payload of an object that is not written quite as ``encode`` does."""
    try:
        envelope = json.loads(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise CorruptObjectError(f"not UTF-8 at byte {error.start}") from error
    except (ValueError, RecursionError) as error:
        raise CorruptObjectError(f"no complete JSON ({len(data)} bytes)") from error
    if not isinstance(envelope, dict) or not isinstance(envelope.get("experience"), dict):
        raise CorruptObjectError("has no experience in it")
    try:
        text = canonical(envelope["experience"])
    except ValueError as error:
        raise CorruptObjectError("holds a number that is not finite") from error
    return check_payload(text, envelope.get("digest"))


def check_payload(text: str, digest: object) -> Payload:
    """Return the payload if its digest is right and it says what it is.

    Raises:
        CorruptObjectError: It does not.
    """
    found = digest_of(text)
    if found != digest:
        raise CorruptObjectError(f"digest is {found[:12]}..., should be {str(digest)[:12]}...")
    return _payload(text, found)


def _payload(text: str, digest: str) -> Payload:
    try:
        content = from_json(text)
    except ValueError as error:
        raise CorruptObjectError("is no JSON that can be read") from error
    identity = content.get("id") if isinstance(content, dict) else None
    if not isinstance(identity, str) or not is_identity(identity):
        raise CorruptObjectError("has no id of an experience")
    return Payload(text=text, digest=digest, id=identity, ended_at=_end_of(content))


def is_identity(text: str) -> bool:
    """Whether a text is an id of an experience: 32 hexadecimal digits, in lower case."""
    return _IDENTITY.fullmatch(text) is not None


def experience_of(payload: Payload) -> Experience:
    """Return the experience of a payload.

    What a newer writer added is ignored.

    Raises:
        CorruptObjectError: It does not fit the schema.
    """
    try:
        return Experience.model_validate_json(payload.text)
    except ValidationError:
        pass  # perhaps only because of what a newer version added
    content = from_json(payload.text)
    _drop_unknown_configuration_fields(content)
    try:
        return Experience.model_validate_json(canonical(content))
    except ValidationError as error:
        version = content.get("schema_version")
        newer = isinstance(version, int) and version > SCHEMA_VERSION
        origin = f" (written with schema version {version})" if newer else ""
        raise CorruptObjectError(f"{first_problem(error)}{origin}") from error


def canonical(content: Any) -> str:
    """Return the canonical JSON of plain data.

    Raises:
        ValueError: A number in it is not finite.
    """
    return _ENCODER.encode(content)


def digest_of(text: str) -> str:
    """Return the SHA-256 of a text (hex).

    Raises:
        CorruptObjectError: It is not valid Unicode, and cannot be written.
    """
    try:
        return hashlib.sha256(text.encode()).hexdigest()
    except UnicodeEncodeError as error:
        raise CorruptObjectError("holds text that is not valid Unicode") from error


def _end_of(content: dict[str, Any]) -> datetime:
    try:
        ended_at = datetime.fromisoformat(content["ended_at"])
        if ended_at.tzinfo is None:
            raise CorruptObjectError("its ended_at has no time zone")
        return ended_at.astimezone(UTC)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise CorruptObjectError("has no readable ended_at") from error


def _drop_unknown_configuration_fields(content: dict[str, Any]) -> None:
    """A configuration forbids what it does not know, which is right everywhere but here."""
    configuration = content.get("configuration")
    if isinstance(configuration, dict):
        known = Configuration.model_fields
        content["configuration"] = {k: v for k, v in configuration.items() if k in known}
