"""Work that several trials want at once is done by one of them, under a lock."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def file_lock(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on a file; the kernel frees it if the holder dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def make_folder_once(folder: Path, fill: Callable[[Path], None]) -> bool:
    """Make a folder that appears whole or not at all; return whether this call made it.

    Args:
        folder: The folder; if it exists already nothing is done.
        fill: Writes the content into the temporary folder that it is given.
    """
    if folder.is_dir():
        return False
    with file_lock(folder.with_name(f"{folder.name}.lock")):
        if folder.is_dir():
            return False
        temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
        try:
            temporary.chmod(0o755)
            fill(temporary)
            temporary.rename(folder)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        return True
