"""Delimited text files (CSV, TSV) as tables: every column as text."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from xautolm_core.errors import DataError
from xautolm_core.tasks.delimited_choice import choose_reading
from xautolm_core.tasks.delimited_choice import refusal
from xautolm_core.tasks.delimited_records import DelimitedReading
from xautolm_core.tasks.delimited_records import Layout
from xautolm_core.tasks.delimited_records import MisfitError
from xautolm_core.tasks.delimited_records import find_layout
from xautolm_core.tasks.delimited_records import read_records
from xautolm_core.tasks.quoting import Quoting
from xautolm_core.tasks.tables import Table
from xautolm_core.tasks.text_files import check_utf8

if TYPE_CHECKING:
    import pyarrow as pa

# What a data frame writes where a number is missing; an empty cell is handled later.
_CSV_MISSING = ("nan", "NaN")
_BATCH_ROWS = 16_384


@dataclass(frozen=True)
class DelimitedFile:
    """A delimited text file, and how to read it.

    Attributes:
        layout: The file, its delimiter and the lines before the first record.
        reading: How its quotes, backslashes and line ends are taken.
        first: The cells of the first record: the column names, if it has any.
        blank_lines: Blank lines before it: rows, if it is one as well and there is one column.
        warnings: What the user should know.
    """

    layout: Layout
    reading: DelimitedReading
    first: tuple[str, ...]
    blank_lines: int
    warnings: tuple[str, ...]

    def batches(
        self, *, header: bool = True, batch_rows: int = _BATCH_ROWS
    ) -> Iterator[list[list[str]]]:
        """Yield the rows in lists, in the order of the file; one list is in memory at a time.

        Args:
            header: Whether the first record holds the column names; else it is a row.
            batch_rows: Rows a list; the last one has fewer.

        Raises:
            DataError: A row has a wrong number of cells.
        """
        records = itertools.islice(read_records(self.layout, self.reading), int(header), None)
        blank_lines = 0 if header or len(self.first) > 1 else self.blank_lines
        rows = itertools.chain(
            itertools.repeat([""], blank_lines), (record.cells for record in records)
        )
        try:
            while batch := list(itertools.islice(rows, batch_rows)):
                yield batch
        except MisfitError as error:
            raise refusal(self.layout, None, error) from error


def open_delimited(
    path: Path,
    *,
    tabs: bool = False,
    quoting: Quoting = Quoting.AUTO,
    with_comments: bool = True,
) -> DelimitedFile:
    """Detect how to read a delimited text file.

    Args:
        path: The file.
        tabs: Whether its name says that tabs stand between the cells.
        quoting: The user's setting for its quotes.
        with_comments: Whether lines that begin with ``#`` above the first record are comments.

    Raises:
        DataError: It is not UTF-8, holds no record, or cannot be read without losing rows.
    """
    counts = check_utf8(path)
    layout = find_layout(path, tabs=tabs, with_comments=with_comments)
    choice = choose_reading(layout, quoting, counts)
    try:
        first = next(read_records(layout, choice.reading), None)
    except MisfitError as error:
        raise refusal(layout, None, error) from error
    if first is None:
        raise DataError(f"{path} holds nothing but blank lines", hint="Give labelled texts")
    warnings = choice.warnings
    if layout.comment_lines:
        lines = ", ".join(map(str, layout.comment_lines[:5]))
        warnings += (
            f"{path}: lines above the column names that begin with # were taken for comments"
            f" (line {lines})",
        )
    blank_lines = first.begin - 1 - layout.skipped_lines
    return DelimitedFile(layout, choice.reading, tuple(first.cells), blank_lines, warnings)


def column_names(path: Path, cells: Sequence[str]) -> tuple[list[str], frozenset[str]]:
    """Return the names of the columns, and which of them the file does not have.

    Raises:
        DataError: Two columns have one name.
    """
    names = [cell if cell.strip() else "" for cell in cells]
    taken = set(names)
    invented: set[str] = set()
    for index, name in enumerate(names):
        if not name:
            made_up = f"column {index + 1}"
            while made_up in taken:
                made_up += "_"
            names[index] = made_up
            taken.add(made_up)
            invented.add(made_up)
    duplicate = next((name for name in names if names.count(name) > 1), None)
    if duplicate is not None:
        raise DataError(
            f"{path} has the column '{duplicate}' twice", hint="Give each column its own name"
        )
    return names, frozenset(invented)


def read_csv(path: Path, *, tabs: bool = False, quoting: Quoting = Quoting.AUTO) -> Table:
    """Read a delimited text file, every column as text.

    Args:
        path: The file.
        tabs: Whether its name says that tabs stand between the cells.
        quoting: The user's setting for its quotes.

    Raises:
        DataError: It cannot be read without losing rows, or two columns have one name.
    """
    import pyarrow as pa

    file = open_delimited(path, tabs=tabs, quoting=quoting)
    names, invented = column_names(path, file.first)
    chunks: list[list[pa.Array]] = [[] for _ in names]
    rows = 0
    for batch in file.batches():
        rows += len(batch)
        for column, cells in zip(chunks, zip(*batch, strict=True), strict=True):
            column.append(_texts(cells))
    columns: dict[str, pa.ChunkedArray] = {
        name: pa.chunked_array(column, pa.large_string())
        for name, column in zip(names, chunks, strict=True)
    }
    kept, warnings = _without_nameless(path, columns, invented)
    return Table(
        str(path),
        rows,
        kept,
        untyped=True,
        nameless=invented & kept.keys(),
        warnings=file.warnings + warnings,
    )


def _texts(cells: Sequence[str]) -> pa.Array:
    """Return cells as Arrow strings; null where a number is missing."""
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = pa.array(cells, pa.large_string())
    missing = pc.is_in(texts, value_set=pa.array(_CSV_MISSING, pa.large_string()))
    return pc.if_else(missing, None, texts) if pc.any(missing).as_py() else texts


def _without_nameless(
    path: Path, columns: Mapping[str, pa.ChunkedArray], nameless: frozenset[str]
) -> tuple[dict[str, pa.ChunkedArray], tuple[str, ...]]:
    """Leave out the columns that have neither a name nor a value; warn of those with values."""
    import pyarrow.compute as pc

    filled = {name: pc.sum(pc.not_equal(columns[name], "")).as_py() or 0 for name in nameless}
    kept = {name: column for name, column in columns.items() if filled.get(name, 1)}
    warnings = tuple(
        f"{path}: '{name}' has no name, but a value in {filled[name]:,} rows; it is used only if it"
        " is asked for"
        for name in kept
        if name in nameless and name != next(iter(columns))  # there, data frames write their index
    )
    return kept, warnings
