"""Text files: unpacked, and checked to be UTF-8."""

from __future__ import annotations

import codecs
import gzip
import io
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from typing import TextIO
from typing import cast

from xautolm_core.errors import DataError

CHUNK_BYTES = 1 << 24
_GZIP = b"\x1f\x8b"


def is_gzip(path: Path) -> bool:
    """Whether a file's content is packed by gzip, whatever its name says."""
    with path.open("rb") as file:
        return file.read(len(_GZIP)) == _GZIP


@dataclass(frozen=True)
class ByteCounts:
    """Counts of the bytes in a file that decide how its records are separated.

    Attributes:
        quotes: Double quotes.
        backslashes: Backslashes.
        lf: Line feeds, those of ``crlf`` included.
        cr: Carriage returns, those of ``crlf`` included.
        crlf: Carriage returns that a line feed follows.
    """

    quotes: int
    backslashes: int
    lf: int
    cr: int
    crlf: int


def open_bytes(path: Path) -> io.BufferedIOBase:
    """Open a file for reading bytes, unpacked if gzip has packed it."""
    return gzip.open(path, "rb") if is_gzip(path) else path.open("rb")


def open_text(path: Path, line_end: str = "") -> TextIO:
    r"""Open a file for reading its lines, unpacked and without a byte order mark.

    Args:
        path: A file of UTF-8 text.
        line_end: What ends a line: ``"\n"`` or ``"\r"`` alone, or any of these two and both
            together if empty. Line ends are returned as they stand.
    """
    file = cast(BinaryIO, open_bytes(path))
    return io.TextIOWrapper(file, encoding="utf-8-sig", newline=line_end)


def check_utf8(path: Path) -> ByteCounts:
    """Refuse a file that is not UTF-8, and say at which byte.

    Returns:
        Counts of the bytes that matter to CSV.

    Raises:
        DataError: The file is not UTF-8.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    offset = 0
    counts = dict.fromkeys((b'"', b"\\", b"\n", b"\r", b"\r\n"), 0)
    last = b""
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
                return ByteCounts(*counts.values())
            for value in counts:
                counts[value] += chunk.count(value)
            if last == b"\r" and chunk[:1] == b"\n":
                counts[b"\r\n"] += 1
            last = chunk[-1:]
            offset += len(chunk)


def _encoding_hint(path: Path) -> str:
    """Guess the encoding from the first bytes and say how to change it."""
    with open_bytes(path) as file:
        start = file.read(2)
    encoding = "UTF-16" if start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "WINDOWS-1252"
    return f"Re-encode it, for example: iconv -f {encoding} -t UTF-8 {path.name} > utf8-{path.name}"
