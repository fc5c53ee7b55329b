"""The fixtures of the contract, and small helpers of its parts."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from xautolm_core.experience.codec import canonical
from xautolm_core.experience.codec import digest_of
from xautolm_core.experience.store import ObjectExperienceStore
from xautolm_core.objects.contract import ObjectStorage


class StoreFixtures:
    """Subclasses give the fixtures ``storage`` (empty) and ``address`` (of the same storage)."""

    @pytest.fixture
    def storage(self) -> ObjectStorage:
        raise NotImplementedError

    @pytest.fixture
    def address(self) -> str:
        raise NotImplementedError

    @pytest.fixture
    def store(self, storage: ObjectStorage) -> ObjectExperienceStore:
        return ObjectExperienceStore(storage)


def key_of(storage: ObjectStorage, search: str) -> str:
    """Return the key of the single object of a search's experience."""
    return next(i.key for i in storage.list("experiences/") if f"-{search}-" in i.key)


def keys(storage: ObjectStorage, prefix: str) -> list[str]:
    """Return the keys that begin so."""
    return [info.key for info in storage.list(prefix)]


def sealed(content: dict[str, object]) -> bytes:
    """Return the object of an experience with its right digest."""
    text = canonical(content)
    return f'{{"digest":"{digest_of(text)}","experience":{text}}}'.encode()


def flip(storage: ObjectStorage, key: str, position: int, bit: int = 3) -> None:
    """Flip one bit of an object; a negative position counts from its end."""
    data = bytearray(storage.get(key))
    data[position] ^= 1 << bit
    storage.put(key, bytes(data))


def position_in_row_group(storage: ObjectStorage, key: str, row_group: int) -> int:
    """Return where the values of a column of a row group lie: those of ``digest``."""
    file = pq.ParquetFile(pa.BufferReader(storage.get(key)))
    index = file.schema_arrow.get_field_index("digest")
    column = file.metadata.row_group(row_group).column(index)
    return int(column.data_page_offset + column.total_compressed_size - 3)
