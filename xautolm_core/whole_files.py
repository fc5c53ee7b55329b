"""Files and folders that are there whole or not at all, whatever happens while they are written."""

from __future__ import annotations

import contextlib
import json
import math
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from typing import BinaryIO

from pydantic import BaseModel


@contextlib.contextmanager
def whole_file(path: Path, *, durable: bool = True, private: bool = False) -> Iterator[BinaryIO]:
    """Give a file to write that becomes ``path`` at the end: whole, or not at all.

    Args:
        path: Its place; its folder must exist. A file that is there is replaced at the end.
        durable: Wait until the disk has it; what is only a cache does without.
        private: Only this user may read it (mode 0600), whatever the umask allows.

    Raises:
        OSError: It cannot be written. Nothing is left behind, and what was there stays.
    """
    temporary = path.with_name(f".{path.name[:200]}.{secrets.token_hex(8)}.tmp")
    mode = 0o600 if private else 0o666
    with open(temporary, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
        try:
            yield file
            file.flush()
            if durable:
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def write_bytes(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Write a file so that readers see the old one or the whole new one, never a part.

    Args:
        path: The file; its folder must exist.
        content: What it will hold.
        durable: As in ``whole_file``.

    Raises:
        OSError: It cannot be written.
    """
    with whole_file(path, durable=durable) as file:
        file.write(content)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file, all or nothing."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, document: object, *, durable: bool = True) -> None:
    """Write an indented JSON file, all or nothing.

    Args:
        path: The file; missing parent folders are made.
        document: A pydantic model, or what ``to_json`` takes.
        durable: As in ``whole_file``; a heartbeat does without.

    Raises:
        OSError: It cannot be written.
    """
    if isinstance(document, BaseModel):
        text = document.model_dump_json(indent=2)
    else:
        text = to_json(document)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, text.encode("utf-8"), durable=durable)


def to_json(document: object) -> str:
    """Return strict JSON, indented, with a line feed at the end.

    Numbers that are not finite become null; paths, and what JSON does not know, become strings.
    """
    plain = _finite(document)
    return json.dumps(plain, indent=2, ensure_ascii=False, allow_nan=False, default=str) + "\n"


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_finite(item) for item in value]
    return value


@contextlib.contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """Give a folder to fill that becomes ``target`` by a rename at the end, or not at all.

    Args:
        target: Its place; what is there is replaced.

    Raises:
        OSError: It cannot be written. Nothing is left behind.
    """
    temporary = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    try:
        temporary.chmod(0o755)
        yield temporary
        if target.exists():
            shutil.rmtree(target)
        temporary.rename(target)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
