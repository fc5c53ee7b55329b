"""Reads the single objects of a store."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING

from xautolm_core.errors import StoreError
from xautolm_core.experience.codec import CorruptObjectError
from xautolm_core.experience.codec import Payload
from xautolm_core.experience.codec import decode
from xautolm_core.experience.codec import experience_of
from xautolm_core.experience.columns import Row
from xautolm_core.experience.columns import to_table
from xautolm_core.experience.damage import GHOST
from xautolm_core.experience.damage import Damage
from xautolm_core.experience.damage import StoreChangedError
from xautolm_core.objects.contract import ObjectStorage
from xautolm_core.objects.contract import StorageUnavailableError

if TYPE_CHECKING:
    import pyarrow as pa

_CHUNK_ROWS = 5_000


def read_singles(
    storage: ObjectStorage, damage: Damage, keys: Sequence[str], *, is_last: bool
) -> Iterator[Row]:
    """Yield the valid experiences in single objects, in any order.

    Args:
        storage: Where they are.
        damage: Is told what cannot be read.
        keys: Which ones.
        is_last: Report what has vanished, instead of asking to look again.

    Raises:
        StoreChangedError: Some have vanished: look again.
        StoreError: The storage cannot be read.
    """
    left = set(keys)
    for key, data in storage.get_many(keys):
        left.discard(key)
        damage.find(key)
        payload = _payload(damage, key, data)
        if payload is not None:
            yield Row(key, payload)
    ghosts = {key for key in left if damage.miss(key)}
    if left != ghosts and not is_last:
        raise StoreChangedError
    for key in sorted(left):
        damage.report(key, GHOST)


def tables_of(rows: Iterable[Row]) -> Iterator[pa.Table]:
    """Yield the rows as tables of a few thousand each, in the layout of ``columns``."""
    remaining = iter(rows)
    while chunk := list(islice(remaining, _CHUNK_ROWS)):
        yield to_table(chunk)


def _payload(damage: Damage, key: str, data: bytes | StoreError) -> Payload | None:
    if isinstance(data, StorageUnavailableError):
        raise data
    try:
        if isinstance(data, StoreError):
            raise data
        payload = decode(data)
        experience_of(payload)
    except (CorruptObjectError, StoreError) as error:
        damage.report(key, str(error))
        return None
    return payload
