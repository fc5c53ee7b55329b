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
from typing import Any

import numpy as np

from xautolm_core.errors import StoreError
from xautolm_core.experience.marks import among
from xautolm_core.search.history.arrays import History
from xautolm_core.search.history.coded import NONE
from xautolm_core.search.history.coded import Coded
from xautolm_core.search.history.relevance import DropReason
from xautolm_core.search.history.rows import HistoryRows
from xautolm_core.whole_files import write_bytes

if TYPE_CHECKING:
    import pyarrow as pa

_LEFT_OUT = b"xautolm.left_out"
"""In the file's metadata: reason to count of the experiences that were left out, JSON."""

_REST_OF = b"xautolm.rest_of"
"""In the file's metadata: digest of the file that this one is the rest of."""

_MICROSECONDS = "us"
_DICTIONARY_PAGE_BYTES = 8 * 1024 * 1024
_HINT = "Restore the file from a copy of the run folder, or begin a new search"


def keep_history(
    path: Path, rows: HistoryRows, left_out: Mapping[DropReason, int]
) -> tuple[History, str]:
    """Write the rows that a search learns from; return their history, and the digest of the file.

    Args:
        path: Replaced when everything is written.
        rows: Each experience once, in order of time.
        left_out: How many experiences were left out, by reason.

    Raises:
        OSError: It cannot be written.
    """
    rows = _compact(rows)
    data = _encode(rows, {_LEFT_OUT: json.dumps(left_out).encode()})
    write_bytes(path, data)
    return History.of_joined(rows).counting(left_out), hashlib.sha256(data).hexdigest()


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
    lost = among(rows.ids, forgotten)
    if lost.any():
        rows = rows.take(~lost)
        write_bytes(path, _encode(_compact(rows), {**metadata, _REST_OF: digest.encode()}))
    left_out = json.loads(metadata.get(_LEFT_OUT, b"{}"))
    counts = {DropReason(reason): count for reason, count in left_out.items()}
    return History.of_joined(_compact(rows)).counting(counts)


def _compact(rows: HistoryRows) -> HistoryRows:
    """Return the same rows; each value has the same code then, wherever the rows come from."""
    coded = {name: column.compact() for name, column in sorted(rows.coded.items())}
    numbers = dict(sorted(rows.numbers.items()))
    return HistoryRows(rows.ids, rows.ended_at, rows.trust, coded, numbers)


def _encode(rows: HistoryRows, metadata: Mapping[bytes, bytes]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    ended_at = pa.array(rows.ended_at, pa.int64())
    columns = {
        "id": pa.FixedSizeBinaryArray.from_buffers(
            pa.binary(16), len(rows), [None, pa.py_buffer(np.ascontiguousarray(rows.ids))]
        ),
        "ended_at": ended_at.cast(pa.timestamp(_MICROSECONDS, tz="UTC")),
        "trust": pa.array(rows.trust, pa.float64()),
    }
    for name, column in rows.coded.items():
        codes = pa.array(column.codes, pa.int32(), mask=column.codes == NONE)
        values = pa.array(column.values, pa.string())
        columns[name] = pa.DictionaryArray.from_arrays(codes, values)
    for name, numbers in rows.numbers.items():
        columns[name] = pa.array(numbers, pa.float64(), from_pandas=True)
    sink = pa.BufferOutputStream()
    pq.write_table(
        pa.table(columns).replace_schema_metadata(dict(metadata)),
        sink,
        compression="zstd",
        compression_level=1,
        use_dictionary=list(rows.coded),
        dictionary_pagesize_limit=_DICTIONARY_PAGE_BYTES,
        write_page_checksum=True,
    )
    data: bytes = sink.getvalue().to_pybytes()
    return data


def _read(path: Path, digest: str) -> tuple[HistoryRows, dict[bytes, bytes]]:
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
        return _rows_of(table), metadata
    except FileNotFoundError as error:
        raise StoreError(
            f"{path} is gone, with what the search has learnt from", hint=_HINT
        ) from error
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        raise StoreError(f"{path} cannot be read: {type(error).__name__}", hint=_HINT) from error


def _rows_of(table: pa.Table) -> HistoryRows:
    import pyarrow as pa

    whole = table.unify_dictionaries().combine_chunks()
    columns: dict[str, Any] = {}
    for name in whole.column_names:
        column = whole.column(name)
        columns[name] = column.chunk(0) if column.num_chunks else pa.array([], column.type)
    identities = np.frombuffer(columns.pop("id").buffers()[1] or b"", dtype=np.uint8)
    ended_at = columns.pop("ended_at").cast(pa.int64()).to_numpy()
    trust = columns.pop("trust").to_numpy()
    coded, numbers = {}, {}
    for name, column in columns.items():
        if pa.types.is_dictionary(column.type):
            codes = column.indices.fill_null(NONE).to_numpy().astype(np.int32)
            coded[name] = Coded(codes, tuple(column.dictionary.to_pylist()))
        else:
            numbers[name] = column.fill_null(np.nan).to_numpy()
    ids = identities[: len(ended_at) * 16].reshape(-1, 16)
    return HistoryRows(ids, ended_at, trust, coded, numbers)
