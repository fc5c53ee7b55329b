"""Objects as files below one folder."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from datetime import UTC
from datetime import datetime
from pathlib import Path

from xautolm_core.errors import StoreError
from xautolm_core.objects.contract import ObjectInfo
from xautolm_core.objects.keys import TEMPORARY_PREFIX
from xautolm_core.objects.keys import check_key
from xautolm_core.objects.keys import check_prefix


class FolderObjects:
    """``ObjectStorage`` over a folder of this machine (or a shared POSIX file system).

    A put writes a temporary file beside the target, flushes it to the disk and renames it: other
    processes see the old object or the new one, whatever happens in between.

    Args:
        root: The folder. It is created by the first put.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root)

    def __repr__(self) -> str:
        return f"FolderObjects({str(self.root)!r})"

    def put(self, key: str, data: bytes) -> None:
        """Write an object, replacing what was there.

        Raises:
            StoreError: It cannot be written; nothing is left of it then.
        """
        target = self._path(key)
        temporary = target.with_name(f"{TEMPORARY_PREFIX}{os.getpid()}-{secrets.token_hex(8)}")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            _write_durably(temporary, data)
            temporary.replace(target)
            _flush_folder(target.parent)
        except OSError as error:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise StoreError(
                f"Cannot write {target}: {error.strerror or error}", hint=_write_hint(self.root)
            ) from error

    def get(self, key: str) -> bytes:
        """Return an object's content.

        Raises:
            KeyError: There is no such object.
            StoreError: It cannot be read.
        """
        path = self._path(key)
        try:
            return path.read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            raise KeyError(key) from None
        except OSError as error:
            raise StoreError(
                f"Cannot read {path}: {error.strerror or error}",
                hint="Check that this user may read the folder",
            ) from error

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Yield the objects whose key begins with the prefix, ordered by key.

        Raises:
            StoreError: The folder exists but cannot be listed.
        """
        check_prefix(prefix)
        found = [info for info in self._walk(prefix) if info.key.startswith(prefix)]
        yield from sorted(found, key=lambda info: info.key)

    def delete(self, key: str) -> None:
        """Remove an object; removing one that is not there is no error.

        Raises:
            StoreError: It cannot be removed.
        """
        path = self._path(key)
        try:
            path.unlink(missing_ok=True)
        except NotADirectoryError:
            return
        except OSError as error:
            raise StoreError(
                f"Cannot delete {path}: {error.strerror or error}", hint=_write_hint(self.root)
            ) from error

    def require_writable(self) -> None:
        """Create the root, and make sure that objects can be written to it.

        Raises:
            StoreError: They cannot.
        """
        probe = self.root / f"{TEMPORARY_PREFIX}{os.getpid()}-{secrets.token_hex(8)}"
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            probe.touch(exist_ok=False)
            probe.unlink()
        except OSError as error:
            raise StoreError(
                f"Cannot write to {self.root}: {error.strerror or error}",
                hint="Choose a folder that this user may write to",
            ) from error

    def _path(self, key: str) -> Path:
        return self.root.joinpath(*check_key(key).split("/"))

    def _walk(self, prefix: str) -> Iterator[ObjectInfo]:
        base = self.root.joinpath(*prefix.split("/")[:-1])
        for folder, _, names in os.walk(base, onerror=_raise_unless_missing):
            for name in names:
                if name.startswith(TEMPORARY_PREFIX):
                    continue
                path = Path(folder, name)
                try:
                    status = path.stat()
                except FileNotFoundError:  # deleted while we list
                    continue
                yield ObjectInfo(
                    key=path.relative_to(self.root).as_posix(),
                    size_bytes=status.st_size,
                    modified_at=datetime.fromtimestamp(status.st_mtime, UTC),
                )


def _write_durably(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    """Make a rename survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        # Some network file systems refuse to flush a folder: the rename itself has succeeded.
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _raise_unless_missing(error: OSError) -> None:
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        return
    raise StoreError(
        f"Cannot list {error.filename}: {error.strerror or error}",
        hint="Check that this user may read the folder",
    ) from error


def _write_hint(root: Path) -> str:
    return f"Choose a folder that this user may write to, with space left (now {root})"
