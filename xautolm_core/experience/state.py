"""What a reader found in a store at one moment, and how it reads single objects."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
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
from xautolm_core.experience.segment import Segment
from xautolm_core.objects.contract import ObjectInfo
from xautolm_core.objects.contract import ObjectStorage
from xautolm_core.objects.contract import StorageUnavailableError

if TYPE_CHECKING:
    import pyarrow as pa

_CHUNK_ROWS = 5_000


@dataclass(frozen=True)
class State:
    """What a store held at one moment.

    Attributes:
        singles: All single objects.
        present: All segments, those that cannot be read as well.
        written_at: When each of these was written, by key (UTC, by the storage's clock).
        segments: Those that can be read as far as is known, by the end of their first row.
        tail: Keys of the single objects that no segment holds.
        tombstones: Keys of all tombstones.
        readable_tombstones: Keys of those that can be read.
        hidden: Ids (16 bytes) of what was forgotten.
        is_last: Whether this is the last look: what has vanished since is reported, instead of
            looked for again.
    """

    singles: tuple[ObjectInfo, ...]
    present: tuple[Segment, ...]
    written_at: Mapping[str, datetime]
    segments: tuple[Segment, ...]
    tail: tuple[str, ...]
    tombstones: tuple[str, ...]
    readable_tombstones: tuple[str, ...]
    hidden: frozenset[bytes]
    is_last: bool


@dataclass(frozen=True)
class Tail:
    """The experiences that are in no segment.

    Attributes:
        table: Their rows, sorted, in the layout of ``columns``.
        keys: Id (hex) to the key of the object, of each row.
        marks: Key to the mark of the content, of all valid objects that were read.
        odd: Keys of those whose objects are other than their names say, or that are not named like
            today's.
    """

    table: pa.Table
    keys: Mapping[str, str]
    marks: Mapping[str, bytes]
    odd: frozenset[str]


def read_singles(
    storage: ObjectStorage, damage: Damage, keys: Sequence[str], *, is_last: bool
) -> Iterator[Row]:
    """Yield the valid experiences in single objects, in any order.

    Args:
        storage: Where they are.
        damage: Receives what cannot be read.
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
