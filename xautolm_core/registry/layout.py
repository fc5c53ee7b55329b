"""The keys of the objects in a registry, and the form of a version's id.

``records/<task>/<version>.json`` is written last: a version with a record is whole.
``models/<task>/files-<digest>/`` is a bundle, ``rows/<task>/<version>-<digest>.bin`` the digests
of the rows that the model has seen, ``promotions/<task>/<number>-<time>-<nonce>.json`` a promotion.
"""

from __future__ import annotations

import hashlib
import json
import re
from datetime import UTC
from datetime import datetime

from xautolm_core.errors import ConfigError

RECORDS = "records"
MODELS = "models"
ROWS = "rows"
PROMOTIONS = "promotions"

_PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")
_VERSION = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{16}")
_MAX_SLUG = 60


def task_key(task_name: str) -> str:
    """Return the key of a task: its name if that is plain, else its plain characters and a digest.

    The ``~`` before the digest keeps the keys of both kinds apart.

    Raises:
        ConfigError: The name is empty.
    """
    if not task_name.strip():
        raise ConfigError("The name of the task is empty", hint="Give the task a name")
    if _PLAIN_NAME.fullmatch(task_name):
        return task_name
    slug = re.sub(r"[^A-Za-z0-9._-]+", "-", task_name).strip("-.")[:_MAX_SLUG] or "task"
    digest = hashlib.sha256(task_name.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{slug}~{digest[:16]}"


def model_identity(search_id: str, trial: int, bundle_digest: str) -> str:
    """Return 16 hexadecimal digits that name one content of one trial of one search."""
    content = json.dumps([search_id, trial, bundle_digest]).encode()
    return hashlib.sha256(content).hexdigest()[:16]


def version_id(created_at: datetime, identity: str) -> str:
    """Return a version's id: the time of training, and the model's identity."""
    return f"{timestamp(created_at)}-{identity}"


def timestamp(moment: datetime) -> str:
    """Return a moment as it is written in keys, in seconds, UTC."""
    return moment.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def check_version(version: str) -> str:
    """Return a version's id if it is one.

    Raises:
        ConfigError: It is not valid; it may come from outside, and becomes part of a key.
    """
    if not _VERSION.fullmatch(version):
        raise ConfigError(
            f"{version!r} is not a version of a model",
            hint="Versions look like 20260131T120000Z-0123456789abcdef",
        )
    return version


def is_version(version: str) -> bool:
    """Whether this is a version's id."""
    return _VERSION.fullmatch(version) is not None


def record_key(task_name: str, version: str) -> str:
    """Return the key of a version's record."""
    return f"{RECORDS}/{task_key(task_name)}/{check_version(version)}.json"


def rows_key(task_name: str, version: str, sha256: str) -> str:
    """Return the key of a version's row digests; each content has a key of its own."""
    return f"{ROWS}/{task_key(task_name)}/{check_version(version)}-{sha256[:16]}.bin"


def models_place(task_name: str) -> str:
    """Return the common prefix of a task's bundles."""
    return f"{MODELS}/{task_key(task_name)}/files"
