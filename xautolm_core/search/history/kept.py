"""The rows that a search learnt from, in its run folder: a resume learns from the same.

They are a Parquet file with a row for each experience and the columns of ``layout``, and ``trust``,
the weight of the store that the row comes from. ``search.json`` names the digest of the file as it
was first written. Rows that were forgotten since are taken out when the search is resumed; the file
then says of which one it is the rest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from xautolm_core.errors import StoreError
from xautolm_core.experience.marks import among
from xautolm_core.experience.segment import fixed_bytes
from xautolm_core.search.history.arrays import History
from xautolm_core.search.history.relevance import DropReason
from xautolm_core.search.history.table import compacted
from xautolm_core.search.history.table import joined
from xautolm_core.whole_files import write_bytes

if TYPE_CHECKING:
    import pyarrow as pa

_LEFT_OUT = b"xautolm.left_out"
"""In the file's metadata: reason to count of the experiences that were left out, JSON."""

_REST_OF = b"xautolm.rest_of"
"""In the file's metadata: digest of the file that this one is the rest of."""

_TIME = "ended_at"
_MICROSECONDS = "us"
_DICTIONARY_PAGE_BYTES = 8 * 1024 * 1024
_HINT = "Restore the file from a copy of the run folder, or begin a new search"


def keep_history(
    path: Path, rows: pa.Table, left_out: Mapping[DropReason, int]
) -> tuple[History, str]:
    """Write the rows that a search learns from; return their history, and the digest of the file.

    Args:
        path: Replaced when everything is written.
        rows: Each experience once, in order of time (see ``read_rows``).
        left_out: How many experiences were left out, by reason.

    Raises:
        OSError: It cannot be written.
    """
    rows = compacted(rows)
    data = _encode(rows, {_LEFT_OUT: json.dumps(left_out).encode()})
    write_bytes(path, data)
    return History(rows, left_out), hashlib.sha256(data).hexdigest()


def kept_history(path: Path, digest: str, forgotten: frozenset[bytes]) -> History:
    """Return the history that a search has learnt from, but for what was forgotten since.

    That is taken out of the file as well.

    Args:
        path: The file.
        digest: Of the file as it was first written (hex).
        forgotten: Ids (16 bytes) of all that the stores have forgotten.

    Raises:
        StoreError: It is gone, or not the file that was written.
        OSError: It cannot be written.
    """
    rows, metadata = _read(path, digest)
    lost = among(fixed_bytes(rows["id"]), forgotten)
    if lost.any():
        rows = rows.filter(~lost)
        write_bytes(path, _encode(compacted(rows), {**metadata, _REST_OF: digest.encode()}))
    left_out = json.loads(metadata.get(_LEFT_OUT, b"{}"))
    counts = {DropReason(reason): count for reason, count in left_out.items()}
    return History(compacted(rows), counts)


def _encode(rows: pa.Table, metadata: Mapping[bytes, bytes]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    place = rows.schema.get_field_index(_TIME)
    ended_at = rows.column(place).cast(pa.timestamp(_MICROSECONDS, tz="UTC"))
    table = rows.set_column(place, _TIME, ended_at)
    sink = pa.BufferOutputStream()
    pq.write_table(
        table.replace_schema_metadata(dict(metadata)),
        sink,
        compression="zstd",
        compression_level=1,
        use_dictionary=[f.name for f in table.schema if pa.types.is_dictionary(f.type)],
        dictionary_pagesize_limit=_DICTIONARY_PAGE_BYTES,
        write_page_checksum=True,
    )
    data: bytes = sink.getvalue().to_pybytes()
    return data


def _read(path: Path, digest: str) -> tuple[pa.Table, dict[bytes, bytes]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        data = path.read_bytes()
        is_same = hashlib.sha256(data).hexdigest() == digest
        with pq.ParquetFile(
            pa.BufferReader(data), pre_buffer=False, page_checksum_verification=True
        ) as file:
            table = file.read(use_threads=False)
        metadata: dict[bytes, bytes] = table.schema.metadata or {}
        if not is_same and metadata.get(_REST_OF) != digest.encode():
            raise StoreError(f"{path} is not what the search has learnt from", hint=_HINT)
        place = table.schema.get_field_index(_TIME)
        ended_at = table.column(place).cast(pa.int64())
        return joined([table.set_column(place, _TIME, ended_at)]), metadata
    except FileNotFoundError as error:
        raise StoreError(
            f"{path} is gone, with what the search has learnt from", hint=_HINT
        ) from error
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        raise StoreError(f"{path} cannot be read: {type(error).__name__}", hint=_HINT) from error
