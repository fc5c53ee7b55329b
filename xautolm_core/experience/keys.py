"""Where the objects of an experience store lie."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC

from xautolm_core.errors import StoreError
from xautolm_core.experience.schema import Experience

EXPERIENCES = "experiences/"
SEGMENTS = "segments/"
MANIFESTS = "manifests/"
SNAPSHOTS = "snapshots/"

_TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")
_MAX_NAME = 100


def experience_key(experience: Experience) -> str:
    """Return ``experiences/<tenant>/<YYYY-MM-DD>/<search>-<trial>-<attempt>.json``.

    The date is that of the end of the trial in UTC, so the same experience has the same key
    whenever it is written.

    Raises:
        StoreError: The tenant's name cannot stand in a key.
    """
    tenant = check_tenant(experience.tenant)
    day = experience.ended_at.astimezone(UTC).date().isoformat()
    name = f"{_safe(experience.search_id)}-{experience.trial_number}-{experience.attempt}"
    return f"{EXPERIENCES}{tenant}/{day}/{name}.json"


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
            f"Tenant {tenant!r} is no usable name",
            hint="Use up to 63 letters, digits, '.', '_' and '-', beginning with a letter or digit",
        )
    return tenant


def _safe(name: str) -> str:
    """Return a name for a key; names that had to be changed stay distinct by a digest."""
    plain = _UNSAFE.sub("_", name)
    if plain == name and plain and len(plain) <= _MAX_NAME and not plain.startswith("."):
        return plain
    mark = hashlib.sha256(name.encode()).hexdigest()[:12]
    return f"{plain[:_MAX_NAME].lstrip('.')}_{mark}"
