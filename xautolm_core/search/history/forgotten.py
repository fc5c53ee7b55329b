"""Takes what was forgotten out of a cache of histories, reading each table once.

A table's name says which segment it was made of, so that what one file under a name holds, every
whole one does. Which names were found free of a set of ids is noted in a file that is named by the
digest of the set: the ids themselves are not kept.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Callable
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

NOTE_SUFFIX = ".free"

_KEPT_NOTES = 8


def drop_tables_with(
    folder: Path, ids: frozenset[bytes], read: Callable[[Path], pa.Table | None]
) -> None:
    """Remove the tables of a folder that hold some ids, and those that are not whole.

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
        _write(note, found | (free & names))
        _remove_oldest(folder)


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


def _write(note: Path, names: Iterable[str]) -> None:
    handle, draft = tempfile.mkstemp(prefix=".", suffix=".tmp", dir=note.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.writelines(f"{name}\n" for name in sorted(names))
        Path(draft).replace(note)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise


def _remove_oldest(folder: Path) -> None:
    """Remove all notes but the newest: each thing that is forgotten makes another set of ids."""
    notes: list[tuple[float, Path]] = []
    for path in folder.glob(f"*{NOTE_SUFFIX}"):
        with contextlib.suppress(OSError):
            notes.append((path.stat().st_mtime, path))
    for _, path in sorted(notes)[:-_KEPT_NOTES]:
        with contextlib.suppress(OSError):
            path.unlink()
