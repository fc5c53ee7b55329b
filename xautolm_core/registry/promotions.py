"""Promotions: which version of a task's model is the champion, without locks.

Every promotion is an object of its own with a number, one more than the highest that its writer
saw (Lamport, Time, clocks, and the ordering of events in a distributed system, 1978). Two writers
at once may take the same number; the rest of the key then decides, for all readers alike.
"""

from __future__ import annotations

import re
import secrets
from datetime import UTC
from datetime import datetime

from xautolm_core.objects.contract import ObjectStorage
from xautolm_core.registry.documents import Promotion
from xautolm_core.registry.documents import damaged
from xautolm_core.registry.documents import seal
from xautolm_core.registry.documents import unseal
from xautolm_core.registry.layout import PROMOTIONS
from xautolm_core.registry.layout import task_key
from xautolm_core.registry.layout import timestamp

_KEY = re.compile(r"(\d{8})-\d{8}T\d{6}Z-[0-9a-f]{16}\.json")


def write_promotion(
    storage: ObjectStorage, task_name: str, version: str, *, replaces: str | None, reason: str
) -> Promotion:
    """Make a version the champion.

    Raises:
        StoreError: The promotion cannot be written.
    """
    known = _keys(storage, task_name)
    promotion = Promotion(
        number=1 + (_number(known[-1]) if known else 0),
        version=version,
        task_name=task_name,
        replaces=replaces,
        promoted_at=datetime.now(UTC),
        reason=reason,
    )
    name = f"{promotion.number:08d}-{timestamp(promotion.promoted_at)}-{secrets.token_hex(8)}.json"
    storage.put(f"{PROMOTIONS}/{task_key(task_name)}/{name}", seal(promotion))
    return promotion


def newest_promotion(storage: ObjectStorage, task_name: str) -> Promotion | None:
    """Return the promotion with the highest number, or None if there is none.

    Raises:
        DamagedVersionError: It is damaged. There is no fallback to an older one, as a replaced
            model must not come back unnoticed; a new promotion overrides the damaged one.
        StoreError: It cannot be read.
    """
    known = _keys(storage, task_name)
    if not known:
        return None
    return _read(storage, known[-1], task_name)


def all_promotions(storage: ObjectStorage, task_name: str) -> list[Promotion]:
    """Return all promotions of a task, oldest first.

    Raises:
        DamagedVersionError: One of them is damaged.
        StoreError: One cannot be read.
    """
    return [_read(storage, key, task_name) for key in _keys(storage, task_name)]


def _read(storage: ObjectStorage, key: str, task_name: str) -> Promotion:
    try:
        data = storage.get(key)
    except KeyError:
        raise damaged(f"Promotion {key}", "it has vanished") from None
    promotion = unseal(data, Promotion, f"Promotion {key}")
    if promotion.task_name != task_name or promotion.number != _number(key):
        raise damaged(f"Promotion {key}", "it belongs to another key")
    return promotion


def _keys(storage: ObjectStorage, task_name: str) -> list[str]:
    prefix = f"{PROMOTIONS}/{task_key(task_name)}/"
    keys = (info.key for info in storage.list(prefix))
    return sorted(key for key in keys if _KEY.fullmatch(key.removeprefix(prefix)))


def _number(key: str) -> int:
    match = _KEY.fullmatch(key.rpartition("/")[2])
    assert match is not None
    return int(match[1])
