"""Copies experiences from one store to another, and to files that other tools read."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING
from typing import TypeVar

from xautolm_core.errors import ConfigError
from xautolm_core.errors import StoreError
from xautolm_core.experience.codec import decode
from xautolm_core.experience.codec import encode
from xautolm_core.experience.columns import Row
from xautolm_core.experience.columns import column_type
from xautolm_core.experience.columns import fixed_columns
from xautolm_core.experience.columns import to_table
from xautolm_core.experience.contract import ExperienceFilter
from xautolm_core.experience.credentials import Surroundings
from xautolm_core.experience.damage import StoreChangedError
from xautolm_core.experience.damage import changes_too_fast
from xautolm_core.experience.damage import looks
from xautolm_core.experience.keys import experience_key
from xautolm_core.experience.keys import mark_of
from xautolm_core.experience.scanning import EVERYTHING
from xautolm_core.experience.segment import SEGMENT_ROWS
from xautolm_core.experience.segment import join_tables
from xautolm_core.experience.writing import exact_rows
from xautolm_core.experience.writing import write_segments

if TYPE_CHECKING:
    import pyarrow as pa

    from xautolm_core.experience.state import State
    from xautolm_core.experience.store import ObjectExperienceStore
    from xautolm_core.records.experience import Experience

_CHUNK_ROWS = 5_000

T = TypeVar("T")


def copy_store(source: ObjectExperienceStore, target: ObjectExperienceStore) -> int:
    """Copy every experience that the target lacks, byte for byte; return how many.

    Only what the rules and the policies of the target's tenants do not allow is taken out, as if
    the experience were appended there; one that cannot be written there at all is left out, and
    reported as a fault of the source. Copying again adds nothing. What was forgotten in the target
    stays forgotten. The rows go into segments of the target, and are visible there as soon as their
    segment is written.

    Raises:
        StoreError: A store cannot be read or written, or a policy of the target is malformed.
    """
    held, writer = Held(target), RowWriter(target)
    around = Surroundings.of_this_process()
    for rows in chunks(source.rows()):
        lacking = held.lacking(rows)
        admitted = (_admitted(source, target, *one, around) for one in lacking)
        writer.add(row for row in admitted if row is not None)
    return writer.finish()


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


class RowWriter:
    """Writes rows into segments of a store.

    Args:
        target: The store. It must not hold the rows yet.
    """

    def __init__(self, target: ObjectExperienceStore) -> None:
        self._target = target
        self._waiting: list[pa.Table] = []
        self._count = 0

    def add(self, rows: Iterable[Row]) -> None:
        """Take a chunk of rows.

        Raises:
            StoreError: The store cannot be written.
        """
        table = to_table(rows)
        self._count += table.num_rows
        self._waiting.append(table)
        if sum(part.num_rows for part in self._waiting) >= SEGMENT_ROWS - _CHUNK_ROWS:
            self._write()

    def finish(self) -> int:
        """Write the rest of the rows; return how many there were in all.

        Raises:
            StoreError: The store cannot be written.
        """
        self._write()
        return self._count

    def _write(self) -> None:
        table, inexact = exact_rows(join_tables(self._waiting))
        if inexact:
            raise StoreError(f"Experience {inexact[0]} cannot be kept in columns")
        write_segments(self._target.storage, [table], generation=1)
        self._waiting = []


class Held:
    """Knows what a store holds. It is looked at once, and again only if it changes underneath."""

    def __init__(self, store: ObjectExperienceStore) -> None:
        self._reader = store.reader
        self._state, self._tail = self._reader.settled(self._look)

    def has_forgotten(self, row: Row) -> bool:
        """Whether an experience was forgotten."""
        return bytes.fromhex(row.payload.id) in self._state.hidden

    def lacking(self, rows: list[tuple[Row, Experience]]) -> list[tuple[Row, Experience]]:
        """Return those rows that the store has neither in segments nor in single objects."""
        for _ in looks(self._reader.damage.extent):
            try:
                return self._lacking(rows)
            except StoreChangedError:
                self._state, self._tail = self._reader.settled(self._look)
        raise changes_too_fast()

    def _look(self, state: State) -> tuple[State, set[bytes]]:
        return state, set(self._reader.tail(state.tail, state).marks.values())

    def _lacking(self, rows: list[tuple[Row, Experience]]) -> list[tuple[Row, Experience]]:
        marks = {
            mark_of(row.payload.ended_at, bytes.fromhex(row.payload.id)): (row, experience)
            for row, experience in rows
            if not self.has_forgotten(row)
        }
        held = self._tail | self._reader.which_are_in(self._state.segments, set(marks))
        return [found for mark, found in marks.items() if mark not in held]


def chunks(rows: Iterator[T]) -> Iterator[list[T]]:
    """Yield rows in lists of some thousands."""
    while chunk := list(islice(rows, _CHUNK_ROWS)):
        yield chunk


def _admitted(
    source: ObjectExperienceStore,
    target: ObjectExperienceStore,
    row: Row,
    experience: Experience,
    around: Surroundings,
) -> Row | None:
    """Return a row as the target takes it; None, and a fault, if it takes nothing of it."""
    target.admission.policy(experience.tenant)
    try:
        clean = target.admission.admit(experience, around)
    except StoreError as error:
        source.reader.damage.report(row.key, f"is not copied: {error.problem}")
        return None
    # Whatever a newer version added stays too: the same bytes, wherever there is nothing to remove.
    return row if clean == experience else Row(experience_key(clean), decode(encode(clean)))


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
    tables = [to_table(chunk) for chunk in chunks(rows)]
    names = sorted({name for table in tables for name in table.column_names} or fixed_columns())
    schema = pa.schema([(name, column_type(name)) for name in names])
    with pq.ParquetWriter(str(path), schema, compression="zstd") as writer:
        for table in tables:
            writer.write_table(join_tables([table, schema.empty_table()]).select(names))
    return sum(table.num_rows for table in tables)
