"""Where the objects of an experience store lie."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from typing import Any

from xautolm_core.errors import ConfigError
from xautolm_core.errors import StoreError
from xautolm_core.records.experience import Experience

EXPERIENCES = "experiences/"
SEGMENTS = "segments/"
FORGOTTEN = "forgotten/"
PLACES = (EXPERIENCES, SEGMENTS, FORGOTTEN)
"""Where there is an object, there is a store."""

CLOCK = "clock/now.json"
"""Written to learn the time by the storage's own clock."""

MARK_BYTES = 16
"""Of a ULID: 6 bytes of milliseconds since 1970, 10 bytes of the id."""

_TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")
_MAX_NAME = 100
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_CROCKFORD_VALUES = {character: value for value, character in enumerate(_CROCKFORD)}
_ULID_KEY = re.compile(
    rf"{EXPERIENCES}[^/]+/[^/]+/([0-7][{_CROCKFORD}]{{25}})-[^/]+-\d+-\d+(?:~[0-9a-f]+)?\.json"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def experience_key(experience: Experience) -> str:
    """Return ``experiences/<tenant>/<YYYY-MM-DD>/<ULID>-<search>-<trial>-<attempt>.json``.

    Date and ULID come from the end of the trial (UTC) and from the experience's id, so the same
    experience has the same key whenever it is written, and keys are in order of time.

    Raises:
        StoreError: The tenant's name cannot stand in a key.
    """
    check_tenant(experience.tenant)
    return _key(
        experience.tenant,
        experience.ended_at.astimezone(UTC),
        experience.id,
        f"{_safe(experience.search_id)}-{experience.trial_number}-{experience.attempt}",
    )


def derived_key(content: Mapping[str, Any]) -> str | None:
    """Return the same from an experience's plain JSON; None if that says too little."""
    try:
        return _key(
            check_tenant(content["tenant"]),
            datetime.fromisoformat(content["ended_at"]).astimezone(UTC),
            content["id"],
            f"{_safe(content['search_id'])}-{content['trial_number']}-{content['attempt']}",
        )
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError, StoreError):
        return None


def _key(tenant: str, ended_at: datetime, identity: str, name: str) -> str:
    return f"{EXPERIENCES}{tenant}/{ended_at.date()}/{ulid(ended_at, identity)}-{name}.json"


def ulid(time: datetime, identity: str) -> str:
    """Return a ULID (26 characters of Crockford's base 32) of a time and an id.

    The upper 48 bits are milliseconds since 1970, as in any ULID; the lower 80 are the beginning of
    the id instead of random ones.

    Args:
        time: With a time zone, 1970 or later.
        identity: At least 20 hexadecimal digits.
    """
    number = int.from_bytes(mark_of(time, bytes.fromhex(identity[:20])))
    return "".join(_CROCKFORD[(number >> shift) & 31] for shift in range(125, -1, -5))


def mark_of(time: datetime, identity: bytes) -> bytes:
    """Return the 16 bytes of the ULID of a time and an id: what a key says of its object."""
    milliseconds = max(0, (time - _EPOCH) // _MILLISECOND)
    return milliseconds.to_bytes(6) + identity[:10]


def mark_of_key(key: str) -> bytes | None:
    """Return the 16 bytes of the ULID in a key; None if it has none (keys of older versions)."""
    match = _ULID_KEY.fullmatch(key)
    if match is None:
        return None
    number = 0
    for character in match.group(1):
        number = (number << 5) | _CROCKFORD_VALUES[character]
    return number.to_bytes(MARK_BYTES)


def time_of_mark(mark: bytes) -> datetime | None:
    """Return the time of a ULID's 16 bytes; None if that is beyond the calendar."""
    try:
        return _EPOCH + _MILLISECOND * int.from_bytes(mark[:6])
    except OverflowError:
        return None


def spare_key(key: str, digest: str) -> str:
    """Return the key to use where the object at ``key`` is corrupt and has to stay as it is."""
    return f"{key.removesuffix('.json')}~{digest[:12]}.json"


def check_tenant(tenant: str) -> str:
    """Return the tenant's name if it can stand in a key.

    Raises:
        StoreError: It cannot.
    """
    if not _TENANT.fullmatch(tenant):
        raise StoreError(
            f"Tenant {tenant!r} is not a usable name",
            hint="Use up to 63 letters, digits, '.', '_' and '-', beginning with a letter or digit",
        )
    return tenant


def given_tenant(tenant: str, where: str) -> str:
    """Return a tenant's name as a user gave it, if it can stand in a key.

    Args:
        tenant: The name.
        where: What it was given by, such as ``--tenant``.

    Raises:
        ConfigError: It cannot.
    """
    try:
        return check_tenant(tenant)
    except StoreError as error:
        raise ConfigError(f"{where}: {error.problem}", hint=error.hint) from None


def _safe(name: str) -> str:
    """Return a name for a key; names that had to be changed stay distinct by a digest."""
    plain = _UNSAFE.sub("_", name)
    if plain == name and plain and len(plain) <= _MAX_NAME and not plain.startswith("."):
        return plain
    mark = hashlib.sha256(name.encode()).hexdigest()[:12]
    return f"{plain[:_MAX_NAME].lstrip('.')}_{mark}"
