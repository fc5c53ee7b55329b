"""Tombstones: the ids of what was forgotten, and what remains of it, which is anonymous.

One Parquet file for each time that something was forgotten, named by its content. Readers never
show an experience whose id stands in one. Without it what was forgotten could come back: therefore
a corrupt one is reported and stays where it is. One that cannot be read ends what is being done:
what was forgotten must not be shown again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from xautolm_core.errors import StoreError
from xautolm_core.experience.codec import CorruptObjectError
from xautolm_core.experience.damage import GHOST
from xautolm_core.experience.damage import Damage
from xautolm_core.experience.damage import StoreChangedError
from xautolm_core.experience.keys import FORGOTTEN
from xautolm_core.experience.segment import fixed_bytes
from xautolm_core.experience.segment import tight
from xautolm_core.objects.contract import ObjectStorage
from xautolm_core.objects.contract import StorageUnavailableError

if TYPE_CHECKING:
    import pyarrow as pa


MENDING = (
    "put it back from a backup, or forget the same task or tenant again and then delete it by hand"
)
"""How to repair a tombstone that cannot be read."""

_TENANT = "tenant_to_forget"


class Tombstones:
    """Reads the tombstones of a store; the ids of each once.

    Args:
        storage: Where they are.
        damage: Receives the corrupt ones.
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


def tombstone_key(data: bytes) -> str:
    """Return the key of a tombstone: it is named by its content."""
    return f"{FORGOTTEN}{hashlib.sha256(data).hexdigest()}.parquet"


def encode_tombstone(table: pa.Table, *, tenant: str | None = None) -> tuple[str, bytes]:
    """Return key and content of a tombstone.

    Args:
        table: Its rows (see ``accounting.accounts_of``).
        tenant: Whose name is yet to be forgotten (see ``anonymity``).
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    rows = tight(table.sort_by("id")).replace_schema_metadata(
        None if tenant is None else {_TENANT: tenant}
    )
    pq.write_table(rows, sink, compression="zstd", write_page_checksum=True)
    data: bytes = sink.getvalue().to_pybytes()
    return tombstone_key(data), data


def decode_tombstone(key: str, data: bytes) -> pa.Table:
    """Return the rows of a tombstone; what else it says is in ``read_tombstone``.

    Raises:
        CorruptObjectError: It is not what its name says.
    """
    return read_tombstone(key, data)[0]


def read_tombstone(key: str, data: bytes) -> tuple[pa.Table, str | None]:
    """Return the rows of a tombstone, and the tenant whose name is yet to be forgotten, if any.

    Raises:
        CorruptObjectError: It is not what its name says.
    """
    try:
        return _read(key, data)
    except CorruptObjectError as error:
        raise CorruptObjectError(f"{error}; {MENDING}") from error


def ids_of(table: pa.Table) -> frozenset[bytes]:
    """Return the ids (16 bytes each) in a tombstone."""
    return frozenset(row.tobytes() for row in fixed_bytes(table["id"]))


def _read(key: str, data: bytes) -> tuple[pa.Table, str | None]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if tombstone_key(data) != key:
        raise CorruptObjectError("its content does not match its name")
    try:
        with pq.ParquetFile(pa.BufferReader(data), pre_buffer=False) as file:
            table = file.read(use_threads=False)
        if table.schema.field("id").type != pa.binary(16):
            raise CorruptObjectError("is not a list of what was forgotten")
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise CorruptObjectError(f"not a readable Parquet file: {type(error).__name__}") from error
    tenant = (table.schema.metadata or {}).get(_TENANT.encode())
    return table.replace_schema_metadata(None), None if tenant is None else tenant.decode()


def _unreadable(key: str, problem: str) -> StoreError:
    return StoreError(
        f"{key}, which says what was forgotten, cannot be read: {problem}",
        hint=f"Make it readable again; if that is not possible, {MENDING}",
    )
