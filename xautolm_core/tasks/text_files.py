"""Text files as bytes: unpacked, and checked to be UTF-8."""

from __future__ import annotations

import codecs
import gzip
import io
from pathlib import Path

from xautolm_core.errors import DataError

CHUNK_BYTES = 1 << 24
_GZIP = b"\x1f\x8b"


def is_gzip(path: Path) -> bool:
    """Whether a file's content is packed by gzip, whatever its name says."""
    with path.open("rb") as file:
        return file.read(len(_GZIP)) == _GZIP


def open_bytes(path: Path) -> io.BufferedIOBase:
    """Open a file for reading bytes, unpacked if gzip has packed it."""
    return gzip.open(path, "rb") if is_gzip(path) else path.open("rb")


def check_utf8(path: Path) -> None:
    """Refuse a file that is not UTF-8, and say at which byte."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    offset = 0
    with open_bytes(path) as file:
        while True:
            chunk = file.read(CHUNK_BYTES)
            pending = len(decoder.getstate()[0])
            try:
                decoder.decode(chunk, final=not chunk)
            except UnicodeDecodeError as error:
                place = offset - pending + error.start
                raise DataError(
                    f"{path} is not UTF-8: byte {place} is 0x{error.object[error.start]:02x}",
                    hint=_encoding_hint(path),
                ) from error
            if not chunk:
                return
            offset += len(chunk)


def _encoding_hint(path: Path) -> str:
    """Guess the encoding from the first bytes and say how to change it."""
    with open_bytes(path) as file:
        start = file.read(2)
    encoding = "UTF-16" if start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "WINDOWS-1252"
    return f"Re-encode it, for example: iconv -f {encoding} -t UTF-8 {path.name} > utf8-{path.name}"
