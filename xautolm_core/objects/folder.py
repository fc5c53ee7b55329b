"""Objects as files below one folder."""

from __future__ import annotations

import contextlib
import itertools
import os
import secrets
import stat
from collections.abc import Iterable
from collections.abc import Iterator
from datetime import UTC
from datetime import datetime
from operator import itemgetter
from pathlib import Path

from xautolm_core.errors import StoreError
from xautolm_core.objects.contract import ObjectInfo
from xautolm_core.objects.contract import read_each
from xautolm_core.objects.keys import TEMPORARY_PREFIX
from xautolm_core.objects.keys import check_key
from xautolm_core.objects.keys import check_prefix


class FolderObjects:
    """``ObjectStorage`` over a folder of this machine (or a shared POSIX file system).

    A put writes a temporary file beside the target, flushes it to the disk and renames it: other
    processes see the old object or the new one, whatever happens. New folders are flushed to the
    disk as well.

    Args:
        root: The folder. It is created by the first put.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root)
        self._root = str(self.root)
        self._made: set[Path] = set()

    def __repr__(self) -> str:
        return f"FolderObjects({str(self.root)!r})"

    def put(self, key: str, data: bytes) -> None:
        """Write an object, replacing an existing one.

        Raises:
            StoreError: It cannot be written; nothing of it is left.
        """
        target = self._path(key)
        temporary = target.with_name(f"{TEMPORARY_PREFIX}{os.getpid()}-{secrets.token_hex(8)}")
        try:
            self._make_folder(target.parent)
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
        path = f"{self._root}/{check_key(key)}"
        try:
            with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - a path object costs as much as the read
                return file.readall()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            raise KeyError(key) from None
        except OSError as error:
            raise StoreError(
                f"Cannot read {path}: {error.strerror or error}",
                hint="Check that this user may read the folder",
            ) from error

    def get_many(self, keys: Iterable[str]) -> Iterator[tuple[str, bytes | StoreError]]:
        """Yield key and content of many objects, in any order; absent ones are left out."""
        # One after the other: on a local disk threads do not help.
        return read_each(self.get, keys)

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Yield the objects whose key begins with the prefix, ordered by key.

        Raises:
            StoreError: The folder exists but cannot be listed.
        """
        folder, _, start = check_prefix(prefix).rpartition("/")
        yield from _walk(str(self.root / folder), f"{folder}/" if folder else "", start)

    def delete(self, key: str) -> None:
        """Remove an object; removing a missing one is not an error.

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

    def delete_many(self, keys: Iterable[str]) -> None:
        """Remove many objects; missing ones are not an error.

        Raises:
            StoreError: Some could not be removed; the others are gone.
        """
        first_error: StoreError | None = None
        for key in [check_key(key) for key in keys]:
            try:
                self.delete(key)
            except StoreError as error:
                first_error = first_error or error
        if first_error is not None:
            raise first_error

    def remove_stale_temporaries(self, older_than_seconds: float) -> int:
        """Remove temporary files of killed writers; return their number.

        Args:
            older_than_seconds: Longer than any put takes: one whose file is removed fails. Ages are
                measured by the clock of the file system.

        Raises:
            StoreError: The folder cannot be read or written.
        """
        if not self.root.is_dir():
            return 0
        probe = self.root / f"{TEMPORARY_PREFIX}{os.getpid()}-{secrets.token_hex(8)}"
        removed = 0
        try:
            probe.touch(exist_ok=False)
            oldest = probe.stat().st_mtime - older_than_seconds
            probe.unlink()
            for folder, _, names in os.walk(self.root):
                for name in names:
                    if name.startswith(TEMPORARY_PREFIX):
                        removed += _unlink_if_older(Path(folder, name), oldest)
        except OSError as error:
            raise StoreError(
                f"Cannot tidy up {self.root}: {error.strerror or error}",
                hint=_write_hint(self.root),
            ) from error
        return removed

    def require_writable(self) -> None:
        """Create the root, and check that objects can be written to it.

        Raises:
            StoreError: They cannot.
        """
        probe = self.root / f"{TEMPORARY_PREFIX}{os.getpid()}-{secrets.token_hex(8)}"
        try:
            self._make_folder(self.root)
            probe.touch(exist_ok=False)
            probe.unlink()
        except OSError as error:
            raise StoreError(
                f"Cannot write to {self.root}: {error.strerror or error}",
                hint="Choose a folder that this user may write to",
            ) from error

    def _path(self, key: str) -> Path:
        return self.root / check_key(key)

    def _make_folder(self, folder: Path) -> None:
        """Create the root or a folder below it, so that it survives a power cut."""
        if folder in self._made and folder.is_dir():
            return
        above = list(itertools.takewhile(lambda parent: not parent.exists(), folder.parents))
        folder.mkdir(parents=True, exist_ok=True)
        # Existing ones too: another process may have created them just now.
        below = itertools.takewhile(lambda parent: parent != self.root.parent, folder.parents)
        for made in {folder, *above, *below}:
            _flush_folder(made.parent)
        self._made.add(folder)


def _walk(folder: str, base: str, start: str) -> Iterator[ObjectInfo]:
    """Yield the objects below a folder, ordered by key.

    Args:
        folder: Path of the folder.
        base: The folder's part of the keys; empty or ending in ``/``.
        start: Prefix of names in this folder (not below it).
    """
    # Remaining entries, the next one last: quicker than nested generators.
    waiting = _entries(folder, base, start)
    while waiting:
        key, entry = waiting.pop()
        if key.endswith("/"):
            waiting += _entries(entry.path, key)
            continue
        try:
            status = entry.stat()
        except OSError as error:
            if isinstance(error, FileNotFoundError) or entry.is_symlink():
                continue  # deleted while we list, or a link to nowhere
            raise _list_fault(entry.path, error) from error
        if stat.S_ISREG(status.st_mode):  # neither a link to a folder nor a pipe
            yield ObjectInfo(key, status.st_size, datetime.fromtimestamp(status.st_mtime, UTC))


def _entries(folder: str, base: str, start: str = "") -> list[tuple[str, os.DirEntry[str]]]:
    """Return the entries of a folder by their key, the last one first."""
    try:
        with os.scandir(folder) as entries:
            found = [
                # A folder sorts as its keys do: by its name and the slash behind it.
                (f"{base}{name}/" if entry.is_dir(follow_symlinks=False) else base + name, entry)
                for entry in entries
                if (name := entry.name).startswith(start) and not name.startswith(TEMPORARY_PREFIX)
            ]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise _list_fault(folder, error) from error
    found.sort(key=itemgetter(0), reverse=True)
    return found


def _write_durably(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    """Make the entries of a folder survive a power cut."""
    # Some network file systems refuse to flush a folder, and not every folder above the root may be
    # read: the rename itself has succeeded.
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _unlink_if_older(path: Path, oldest: float) -> bool:
    try:
        if path.lstat().st_mtime >= oldest:
            return False
        path.unlink()
    except FileNotFoundError:  # its writer has finished, or another process cleans up
        return False
    return True


def _list_fault(path: str, error: OSError) -> StoreError:
    return StoreError(
        f"Cannot list {path}: {error.strerror or error}",
        hint="Check that this user may read the folder",
    )


def _write_hint(root: Path) -> str:
    return f"Choose a folder that this user may write to, with space left (now {root})"
