"""The small object interface: everything shared outside the process goes through it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True)
class ObjectInfo:
    """What a listing says of an object.

    Attributes:
        key: Its key, ``/``-separated, without a leading slash.
        size_bytes: Its size.
        modified_at: When it was last written (UTC), by the server's clock.
    """

    key: str
    size_bytes: int
    modified_at: datetime


class ObjectStorage(Protocol):
    """Whole objects under keys. A put is all or nothing, and visible to all once it is done."""

    def put(self, key: str, data: bytes) -> None:
        """Write an object, replacing what was there.

        Raises:
            StoreError: It cannot be written.
        """
        ...

    def get(self, key: str) -> bytes:
        """Return an object's content.

        Raises:
            KeyError: There is no such object.
            StoreError: It cannot be read.
        """
        ...

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Yield the objects whose key begins with the prefix, ordered by key."""
        ...

    def delete(self, key: str) -> None:
        """Remove an object; removing one that is not there is no error."""
        ...
