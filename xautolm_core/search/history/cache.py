"""A local cache of segments in the history's columns, so that they can be memory-mapped.

A segment never changes, and its key names its content: what was once made of it stays right. The
cache is private to the user (mode 0700). Each file ends with the SHA-256 of all before it, so that
a torn, altered or foreign file is never used: it is made again. Nothing breaks if the cache cannot
be written, or is removed at any time.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import time
from pathlib import Path
from typing import TYPE_CHECKING

from xautolm_core.caches import folder_of_caches
from xautolm_core.search.history.layout import LAYOUT_VERSION
from xautolm_core.whole_files import whole_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Mapping

    import pyarrow as pa

DEFAULT_LIMIT_BYTES = 2_000_000_000

NOTE_SUFFIX = ".free"
_KEPT_NOTES = 8
_KEY = b"segment"
_DIGEST_BYTES = 32
_IN_USE_SECONDS = 3_600
_ABANDONED_SECONDS = 86_400


class HistoryCache:
    """Keeps history tables of segments in a folder.

    Args:
        folder: Created if it does not exist, together with its parents.
        limit_bytes: When a table is added, the least recently used files beyond this are removed;
            those of the last hour stay, since they may be mapped.
    """

    def __init__(self, folder: Path, *, limit_bytes: int = DEFAULT_LIMIT_BYTES) -> None:
        self.folder = folder
        self.limit_bytes = limit_bytes

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> HistoryCache | None:
        """Return the user's cache; None if it is switched off or there is no place for it.

        It is ``history`` below the folder of all caches (see ``folder_of_caches``).
        """
        folder = folder_of_caches(environment)
        return None if folder is None else cls(folder / "history")

    def get(self, key: str) -> pa.Table | None:
        """Return the table of a segment, memory-mapped, or None if it is not there or not whole."""
        path = self._path(key)
        try:
            table = self._read(path) if self._is_private() else None
        except OSError:
            return None
        if table is not None:
            with contextlib.suppress(OSError):
                os.utime(path)
        return table

    def put(self, key: str, table: pa.Table) -> None:
        """Keep the table of a segment, all or nothing; failures are ignored."""
        try:
            self._make_private_folder()
            self._write(key, table)
            self._remove_oldest()
        except OSError:
            return

    def drop_forgotten(self, hidden: frozenset[bytes]) -> None:
        """Remove the tables that still hold experiences that were forgotten, of any segment.

        A file that cannot be read is removed too: it is never used. Each table is read once for
        the same ids.

        Args:
            hidden: Ids (16 bytes) of what was forgotten.
        """
        with contextlib.suppress(OSError):
            if hidden and self._is_private():
                _drop_tables_with(self.folder, hidden, self._read)

    def _read(self, path: Path) -> pa.Table | None:
        """Return the table in a file, memory-mapped, or None if it is not what its name says."""
        import pyarrow as pa

        try:
            with pa.memory_map(str(path)) as file:
                whole = file.read_buffer()
            content = whole.slice(0, max(0, whole.size - _DIGEST_BYTES))
            if whole.slice(content.size).to_pybytes() != hashlib.sha256(content).digest():
                return None
            table = pa.ipc.open_file(pa.BufferReader(content)).read_all()
        except (OSError, pa.ArrowException):
            return None
        key = (table.schema.metadata or {}).get(_KEY, b"")
        return table if self._path(key.decode(errors="replace")) == path else None

    def _write(self, key: str, table: pa.Table) -> None:
        import pyarrow as pa

        metadata = {**(table.schema.metadata or {}), _KEY: key.encode()}
        sink = pa.BufferOutputStream()
        with pa.ipc.new_file(sink, table.schema.with_metadata(metadata)) as writer:
            writer.write_table(table)
        content = sink.getvalue()
        with whole_file(self._path(key), durable=False, private=True) as file:
            file.write(content)
            file.write(hashlib.sha256(content).digest())

    def _path(self, key: str) -> Path:
        # The key comes from a store: only its digest gets near the file system.
        name = hashlib.sha256(key.encode()).hexdigest()
        return self.folder / f"{name}-{LAYOUT_VERSION}.arrow"

    def _make_private_folder(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self._is_private():
            raise PermissionError(f"{self.folder} is open to others")

    def _is_private(self) -> bool:
        """Whether the folder is this user's own, and no other user may write to it."""
        found = self.folder.lstat()
        is_own = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
        return is_own and not found.st_mode & 0o077

    def _remove_oldest(self) -> None:
        now = time.time()
        kept: list[tuple[float, int, Path]] = []
        for path in self.folder.iterdir():
            with contextlib.suppress(OSError):
                found = path.lstat()
                if path.suffix == ".arrow":
                    kept.append((found.st_mtime, found.st_size, path))
                elif path.suffix == ".tmp" and now - found.st_mtime > _ABANDONED_SECONDS:
                    path.unlink()
        total = sum(size for _, size, _ in kept)
        for used_at, size, path in sorted(kept):
            if total <= self.limit_bytes or now - used_at < _IN_USE_SECONDS:
                return
            with contextlib.suppress(OSError):
                path.unlink()
                total -= size


def _drop_tables_with(
    folder: Path, ids: frozenset[bytes], read: Callable[[Path], pa.Table | None]
) -> None:
    """Remove the tables of a folder that hold some ids, and those that are not whole.

    A table's name says which segment it was made of, so that what one file under a name holds,
    every whole one does. Which names were found free of a set of ids is noted in a file that is
    named by the digest of the set: the ids themselves are not kept.

    Args:
        folder: Of the cache.
        ids: Ids (16 bytes each).
        read: Returns the table of a file, or None if it is not whole, or not what its name says.

    Raises:
        OSError: The folder cannot be read or written.
    """
    digest = hashlib.sha256(b"".join(sorted(ids))).hexdigest()
    note = folder / f"{digest}{NOTE_SUFFIX}"
    free = _noted(note)
    names = {path.name for path in folder.glob("*.arrow")}
    found: set[str] = set()
    for name in sorted(names - free):
        table = read(folder / name)
        if table is None or _holds(table, ids):
            with contextlib.suppress(OSError):
                (folder / name).unlink()
        else:
            found.add(name)
    if found:
        with whole_file(note, durable=False, private=True) as file:
            file.write("\n".join(sorted(found | (free & names))).encode())
        _remove_oldest_notes(folder)


def _holds(table: pa.Table, ids: frozenset[bytes]) -> bool:
    import pyarrow as pa
    import pyarrow.compute as pc

    column = table["id"]
    return bool(pc.any(pc.is_in(column, pa.array(list(ids), column.type))).as_py())


def _noted(note: Path) -> set[str]:
    try:
        return set(note.read_text("utf-8").split())
    except (OSError, ValueError):
        return set()


def _remove_oldest_notes(folder: Path) -> None:
    """Remove all notes but the newest: each thing that is forgotten makes another set of ids."""
    notes: list[tuple[float, Path]] = []
    for path in folder.glob(f"*{NOTE_SUFFIX}"):
        with contextlib.suppress(OSError):
            notes.append((path.stat().st_mtime, path))
    for _, path in sorted(notes)[:-_KEPT_NOTES]:
        with contextlib.suppress(OSError):
            path.unlink()
