"""The footer of a Parquet file: its digest tells a segment from one with a flipped bit."""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any

from xautolm_core.experience.codec import CorruptObjectError

if TYPE_CHECKING:
    import pyarrow as pa

_TAIL_BYTES = 8
_MAGIC = b"PAR1"


def footer_at_end(file: Any) -> pa.Buffer:
    """Return the footer of a native Arrow file.

    Raises:
        CorruptObjectError: It does not end like a Parquet file.
    """
    size = file.size()
    if size < _TAIL_BYTES:
        raise CorruptObjectError(f"no complete Parquet file ({size} bytes)")
    file.seek(size - _TAIL_BYTES)
    length = _footer_length(file.read(_TAIL_BYTES), size)
    file.seek(size - length)
    return file.read_buffer(length)


def footer_of(data: pa.Buffer) -> pa.Buffer:
    """Return the footer of a file's content.

    Raises:
        CorruptObjectError: It does not end like a Parquet file.
    """
    length = _footer_length(data.slice(data.size - _TAIL_BYTES).to_pybytes(), data.size)
    return data.slice(data.size - length)


def _footer_length(tail: bytes, size: int) -> int:
    """Return the bytes of the footer with its length and the magic word behind it."""
    length = int.from_bytes(tail[:4], "little") + _TAIL_BYTES
    if tail[4:] != _MAGIC or length > size:
        raise CorruptObjectError("does not end like a Parquet file")
    return length
