"""Copies experiences from one store to another, and to files that other tools read."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable
from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from xautolm_core.errors import ConfigError
from xautolm_core.errors import StoreError
from xautolm_core.experience.columns import Row
from xautolm_core.experience.columns import column_type
from xautolm_core.experience.columns import to_table
from xautolm_core.experience.contract import ExperienceFilter
from xautolm_core.experience.keys import mark_of
from xautolm_core.experience.manifest import SegmentEntry
from xautolm_core.experience.naming import add_segments
from xautolm_core.experience.scanning import EVERYTHING
from xautolm_core.experience.segment import SEGMENT_ROWS
from xautolm_core.experience.segment import join_tables
from xautolm_core.experience.segment import sort_rows
from xautolm_core.experience.writing import exact_rows
from xautolm_core.experience.writing import write_segment

if TYPE_CHECKING:
    import pyarrow as pa

    from xautolm_core.experience.state import State
    from xautolm_core.experience.store import ObjectExperienceStore

_CHUNK_ROWS = 5_000


def copy_store(source: ObjectExperienceStore, target: ObjectExperienceStore) -> int:
    """Copy every experience that the target lacks, byte for byte; return how many.

    Copying again adds nothing. What was forgotten in the target stays forgotten. The rows go into
    segments of the target; they become visible at the end, all at once.

    Raises:
        StoreError: A store cannot be read or written.
    """
    waiting: list[pa.Table] = []
    written: list[SegmentEntry] = []
    count = 0
    for rows in _chunks(row for row, _ in source.rows()):
        table = target.reader.settled(partial(_lacking, target, rows))
        count += table.num_rows
        waiting.append(table)
        if sum(part.num_rows for part in waiting) >= SEGMENT_ROWS - _CHUNK_ROWS:
            written += _write(target, waiting)
            waiting = []
    written += _write(target, waiting)
    if written:
        add_segments(target.reader, written)
    return count


def export_experiences(
    store: ObjectExperienceStore, path: Path, wanted: ExperienceFilter = EVERYTHING
) -> int:
    """Write experiences to a file, ordered by end time and id; return how many.

    Args:
        store: Where they are.
        path: ``*.jsonl`` gets a line of JSON for each; ``*.parquet`` the columns of ``columns``.
            What was there is replaced when everything is written, not before.
        wanted: Which ones.

    Raises:
        ConfigError: The path ends otherwise.
        StoreError: The store cannot be read, or the file not be written.
    """
    writers: dict[str, Callable[[Path, Iterator[Row]], int]] = {
        ".jsonl": _write_lines,
        ".parquet": _write_parquet,
    }
    if path.suffix not in writers:
        raise ConfigError(
            f"Experiences cannot be exported to {path.name}",
            hint="Give a name that ends in .jsonl or .parquet",
        )
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}")
    try:
        count = writers[path.suffix](temporary, (row for row, _ in store.rows(wanted)))
        temporary.replace(path)
    except OSError as error:
        raise StoreError(
            f"Cannot write {path}: {error.strerror or error}",
            hint="Choose a folder that exists and that this user may write to",
        ) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
    return count


def _chunks(rows: Iterator[Row]) -> Iterator[list[Row]]:
    while chunk := list(islice(rows, _CHUNK_ROWS)):
        yield chunk


def _lacking(target: ObjectExperienceStore, rows: list[Row], state: State) -> pa.Table:
    """Return those rows that a store has neither in segments nor in single objects."""
    marks = {
        mark_of(row.payload.ended_at, bytes.fromhex(row.payload.id)): row
        for row in rows
        if bytes.fromhex(row.payload.id) not in state.hidden
    }
    held = target.reader.which_are_in(state.segments, set(marks))
    held |= set(target.reader.tail(state.tail, state).objects.values())
    return to_table(row for mark, row in marks.items() if mark not in held)


def _write(target: ObjectExperienceStore, tables: list[pa.Table]) -> list[SegmentEntry]:
    table, inexact = exact_rows(sort_rows(join_tables(tables)))
    if inexact:
        raise StoreError(f"Experience {inexact[0]} cannot be kept in columns")
    return [write_segment(target.storage, table)] if table.num_rows else []


def _write_lines(path: Path, rows: Iterator[Row]) -> int:
    count = 0
    with path.open("x", encoding="utf-8") as file:
        for row in rows:
            file.write(f"{row.payload.text}\n")
            count += 1
    return count


def _write_parquet(path: Path, rows: Iterator[Row]) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    # Which columns there are is known at the end only. As columns, the rows need little memory.
    chunks = [to_table(chunk) for chunk in _chunks(rows)]
    names = sorted({name for table in chunks for name in table.column_names} or {"id"})
    schema = pa.schema([(name, column_type(name)) for name in names])
    with pq.ParquetWriter(str(path), schema, compression="zstd") as writer:
        for table in chunks:
            writer.write_table(join_tables([table, schema.empty_table()]).select(names))
    return sum(table.num_rows for table in chunks)
