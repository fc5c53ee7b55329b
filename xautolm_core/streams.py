"""Standard streams that take every character: what their encoding lacks is escaped."""

from __future__ import annotations

import codecs
import functools
import io
import sys

_ESCAPE = "xautolm.escape"
_ASCII = "xautolm_ascii"


def escape_unknown_characters() -> None:
    r"""Make standard output and error escape characters that their encoding lacks.

    The escapes are those of JSON (``\u00e9``), so that a JSON document stays one.
    """
    _register()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            is_ascii = codecs.lookup(stream.encoding).name == "ascii"
            # Typer takes streams of that name for misconfigured, and would write UTF-8 to them.
            stream.reconfigure(encoding=_ASCII if is_ascii else None, errors=_ESCAPE)


@functools.cache
def _register() -> None:
    codecs.register_error(_ESCAPE, _escaped)
    codecs.register(_codec)


def _escaped(error: UnicodeError) -> tuple[str, int]:
    """Return escapes for the characters that an encoding lacks, and the next position."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    digits = lacking.encode("utf-16-be", "surrogatepass").hex()
    return "".join(rf"\u{digits[i : i + 4]}" for i in range(0, len(digits), 4)), error.end


def _codec(name: str) -> codecs.CodecInfo | None:
    """Return ASCII under a name of its own."""
    if name != _ASCII:
        return None
    plain = codecs.lookup("ascii")
    return codecs.CodecInfo(
        name=_ASCII,
        encode=plain.encode,
        decode=plain.decode,
        incrementalencoder=plain.incrementalencoder,
        incrementaldecoder=plain.incrementaldecoder,
        streamreader=plain.streamreader,
        streamwriter=plain.streamwriter,
    )
