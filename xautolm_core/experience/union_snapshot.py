"""What a search read of several stores: the snapshot of one's own, and pins of the others.

It is kept in one's own store, as ``unions/<digest>.json``; nothing is written into the others. They
do not know of it: what they forget or retire is reported as gone when the snapshot is read again.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re

from pydantic import BaseModel
from pydantic import ConfigDict
from pydantic import Field
from pydantic import ValidationError

from xautolm_core.errors import StoreError
from xautolm_core.experience.codec import CorruptObjectError
from xautolm_core.experience.codec import canonical
from xautolm_core.experience.contract import SnapshotId
from xautolm_core.objects.contract import ObjectStorage

UNIONS = "unions/"
_PREFIX = "union-"
_UNION_ID = re.compile(rf"{_PREFIX}[0-9a-f]{{64}}")


class ForeignPin(BaseModel):
    """What was read of one other store.

    Attributes:
        name: Name of the store.
        pin: What ``pin`` of the store gave, in base 64.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    name: str
    pin: str

    @property
    def content(self) -> bytes:
        """The pin itself."""
        return base64.b64decode(self.pin)


class UnionSnapshot(BaseModel):
    """What was read of several stores.

    Attributes:
        own: Id of the snapshot of one's own store.
        others: The other stores, without those that could not be reached.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    own: str
    others: tuple[ForeignPin, ...] = Field(min_length=1)


def foreign_pin(name: str, pin: bytes) -> ForeignPin:
    """Return a pin of another store as it is kept."""
    return ForeignPin(name=name, pin=base64.b64encode(pin).decode())


def is_union_id(snapshot: SnapshotId) -> bool:
    """Whether a snapshot is one of several stores."""
    return _UNION_ID.fullmatch(snapshot.value) is not None


def keep_union(storage: ObjectStorage, snapshot: UnionSnapshot) -> SnapshotId:
    """Write what was read of several stores; return its id, which is the digest of it.

    Raises:
        StoreError: It cannot be written.
    """
    data = canonical(snapshot.model_dump(mode="json")).encode()
    digest = hashlib.sha256(data).hexdigest()
    storage.put(f"{UNIONS}{digest}.json", data)
    return SnapshotId(f"{_PREFIX}{digest}")


def decode_union(key: str, data: bytes) -> UnionSnapshot:
    """Return what the object at a key says was read of several stores.

    Raises:
        CorruptObjectError: It is not what its name says.
    """
    if f"{UNIONS}{hashlib.sha256(data).hexdigest()}.json" != key:
        raise CorruptObjectError("its content does not match its name")
    try:
        return UnionSnapshot.model_validate(json.loads(data))
    except (ValueError, ValidationError, RecursionError) as error:
        raise CorruptObjectError("is no snapshot of several stores") from error


def read_union(storage: ObjectStorage, snapshot: SnapshotId) -> UnionSnapshot:
    """Return what was read of several stores.

    Raises:
        StoreError: There is no such snapshot, or it is corrupt.
    """
    digest = snapshot.value.removeprefix(_PREFIX)
    key = f"{UNIONS}{digest}.json"
    hint = "Use the store that the search was started with, or start a new search"
    try:
        return decode_union(key, storage.get(key))
    except KeyError:
        raise StoreError(f"The store holds no snapshot {digest[:12]}", hint=hint) from None
    except CorruptObjectError as error:
        raise StoreError(
            f"Snapshot {digest[:12]} of several stores is corrupt", hint=hint
        ) from error
