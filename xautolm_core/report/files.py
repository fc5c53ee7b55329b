"""Writing the files of a result folder: all or nothing."""

from __future__ import annotations

import contextlib
import json
import math
import os
import tempfile
from collections.abc import Iterator
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from typing import BinaryIO


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Give a file to write that becomes ``path`` at the end: whole, or not at all.

    Args:
        path: Its place; its folder must exist. A file that is there is replaced at the end.
    """
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes files private; a report is meant to be shared as the umask allows.
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file so that readers see the old one or the whole new one, never a part.

    Args:
        path: The file; its folder must exist.
        content: What it will hold.
    """
    with whole_file(path) as file:
        file.write(content)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file, all or nothing."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, document: Any) -> None:
    """Write an indented JSON file, all or nothing; numbers that are not finite become null."""
    write_text(path, to_json(document))


def to_json(document: Any) -> str:
    """Return strict JSON (no NaN, no Infinity), indented, with a line feed at the end."""
    return json.dumps(_finite(document), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_finite(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
