"""Which experiences a store hides: those whose ids stand in its tombstones.

A tombstone that cannot be read ends what is being done, unless it is corrupt for good: what was
forgotten is better not read at all than shown again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from xautolm_core.errors import StoreError
from xautolm_core.experience.codec import CorruptObjectError
from xautolm_core.experience.damage import GHOST
from xautolm_core.experience.damage import Damage
from xautolm_core.experience.damage import StoreChangedError
from xautolm_core.experience.tombstone import MENDING
from xautolm_core.experience.tombstone import decode_tombstone
from xautolm_core.experience.tombstone import ids_of
from xautolm_core.objects.contract import ObjectStorage
from xautolm_core.objects.contract import StorageUnavailableError

if TYPE_CHECKING:
    import pyarrow as pa


class Tombstones:
    """Reads the tombstones of a store; the ids of each once.

    Args:
        storage: Where they are.
        damage: Is told which are corrupt.
    """

    def __init__(self, storage: ObjectStorage, damage: Damage) -> None:
        self._storage = storage
        self._damage = damage
        self._ids: dict[str, frozenset[bytes]] = {}

    def ids(self, keys: Sequence[str]) -> dict[str, frozenset[bytes]]:
        """Return the ids (16 bytes each) that tombstones hide, without those that are corrupt.

        Raises:
            StoreChangedError: One has vanished: look again.
            StoreError: One cannot be read.
        """
        for key in keys:
            if key not in self._ids:
                table = self.table(key)
                if table is not None:
                    self._ids[key] = ids_of(table)
        return {key: self._ids[key] for key in keys if key in self._ids}

    def table(self, key: str) -> pa.Table | None:
        """Return the rows of a tombstone; None, and a fault, if it is corrupt.

        Raises:
            StoreChangedError: It has vanished: look again.
            StoreError: It cannot be read.
        """
        try:
            return decode_tombstone(key, self._storage.get(key))
        except KeyError:
            if self._damage.miss(key):
                raise _unreadable(key, GHOST) from None
            raise StoreChangedError from None
        except CorruptObjectError as error:
            self._damage.report(key, str(error))
            return None
        except StorageUnavailableError:
            raise
        except StoreError as error:
            raise _unreadable(key, error.problem) from error


def _unreadable(key: str, problem: str) -> StoreError:
    return StoreError(
        f"{key}, which says what was forgotten, cannot be read: {problem}",
        hint=f"Make it readable again; if that is not possible, {MENDING}",
    )
