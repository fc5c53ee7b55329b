"""The small object interface: everything shared outside the process goes through it."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from xautolm_core.errors import StoreError


class StorageUnavailableError(StoreError):
    """The storage as a whole cannot be used (server gone, credentials refused, no such bucket).

    It is not a fault of a single object: code that skips unreadable objects must not skip them for
    this.
    """


@dataclass(frozen=True)
class ObjectInfo:
    """An entry of a listing.

    Attributes:
        key: Its key, ``/``-separated, without a leading slash.
        size_bytes: Its size.
        modified_at: When it was last written (UTC), by the server's clock.
    """

    key: str
    size_bytes: int
    modified_at: datetime


class ObjectStorage(Protocol):
    """Whole objects under keys. A put is atomic, and visible to all once it returns."""

    def put(self, key: str, data: bytes) -> None:
        """Write an object, replacing an existing one.

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

    def get_many(self, keys: Iterable[str]) -> Iterator[tuple[str, bytes | StoreError]]:
        """Yield key and content of many objects, in any order; absent ones are left out.

        Much quicker than one ``get`` after the other where the storage is far away. Only a few
        dozen contents are held at once, however many keys there are. An object that cannot be read
        comes with its error.

        Raises:
            StorageUnavailableError: The storage as a whole cannot be read.
        """
        ...

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Yield the objects whose key begins with the prefix, ordered by key."""
        ...

    def delete(self, key: str) -> None:
        """Remove an object; removing a missing one is not an error."""
        ...

    def delete_many(self, keys: Iterable[str]) -> None:
        """Remove many objects; missing ones are not an error.

        Raises:
            StoreError: Some could not be removed; the others are gone.
        """
        ...


def read_each(
    get: Callable[[str], bytes], keys: Iterable[str]
) -> Iterator[tuple[str, bytes | StoreError]]:
    """Implement ``ObjectStorage.get_many`` by one ``get`` after the other.

    Args:
        get: ``get`` of a storage where requests are cheap.
        keys: Keys to read.

    Raises:
        StorageUnavailableError: The storage as a whole cannot be read.
    """
    for key in keys:
        try:
            yield key, get(key)
        except KeyError:
            continue
        except StorageUnavailableError:
            raise
        except StoreError as error:
            yield key, error
