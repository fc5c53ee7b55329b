"""Files of rows to classify, read piece by piece: memory does not grow with their number."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any
from typing import BinaryIO
from typing import Literal
from typing import TypeVar

from xautolm_core.cli.prediction_records import decoded_lines
from xautolm_core.cli.prediction_records import json_records
from xautolm_core.cli.prediction_records import reading
from xautolm_core.errors import DataError
from xautolm_core.tasks.tables import Table
from xautolm_core.tasks.tables import plain
from xautolm_core.tasks.tables import refuse_duplicate_columns
from xautolm_core.tasks.text_files import is_gzip
from xautolm_core.tasks.text_files import open_bytes

if TYPE_CHECKING:
    import pyarrow as pa

    from xautolm_core.tasks.csv_table import DelimitedFile

TEXT_COLUMN = "text"
PIECE_ROWS = 1_024
# A piece of long texts ends earlier.
_PIECE_CHARACTERS = 1 << 22
_PARQUET_BUFFER_BYTES = 1 << 20
_INT64 = range(-(1 << 63), 1 << 63)
# Up to it every integer is a double, too.
_LARGEST_EXACT = 2**53
_Row = TypeVar("_Row")


@dataclass(frozen=True)
class RowFile:
    """A file of rows, not yet read.

    Attributes:
        source: What messages call it.
        types: Column name to Arrow type, in the file's order; None where the values have several
            types, or one that Arrow does not know.
        pieces: Reads the rows from the beginning, in order, some at a time.
        unit: What messages call a row.
        is_stream: Whether it can be read only once.
    """

    source: str
    types: Mapping[str, pa.DataType | None]
    pieces: Callable[[], Iterator[Table]]
    unit: Literal["row", "line"] = "row"
    is_stream: bool = False


def open_lines(path: Path) -> RowFile:
    """Open a text file with one text a line."""

    def pieces() -> Iterator[Table]:
        with reading(path), open_bytes(path) as file:
            yield from _line_pieces(file, str(path))

    return RowFile(str(path), _text_types(), pieces, unit="line")


def open_standard_input() -> RowFile:
    """Open standard input, with one text a line."""
    source = "standard input"

    def pieces() -> Iterator[Table]:
        with reading(source):
            yield from _line_pieces(sys.stdin.buffer, source)

    return RowFile(source, _text_types(), pieces, unit="line", is_stream=True)


def open_cells(
    file: DelimitedFile,
    names: Sequence[str],
    *,
    nameless: frozenset[str] = frozenset(),
    has_header: bool,
) -> RowFile:
    """Open a delimited file, every column as text.

    Args:
        file: The file.
        names: Names of its columns.
        nameless: Those that were made up.
        has_header: Whether its first record holds names, and no row.
    """
    import pyarrow as pa

    path, text = file.layout.path, pa.large_string()

    def pieces() -> Iterator[Table]:
        with reading(path):
            for batch in file.batches(header=has_header, batch_rows=PIECE_ROWS):
                columns = {
                    name: pa.chunked_array([pa.array(cells, type=text)])
                    for name, cells in zip(names, zip(*batch, strict=True), strict=True)
                }
                yield Table(str(path), len(batch), columns, untyped=True, nameless=nameless)

    return RowFile(str(path), dict.fromkeys(names, text), pieces)


def open_json_lines(path: Path) -> RowFile:
    """Open JSON Lines: read once to know the columns of all objects and their types.

    Raises:
        DataError: A line is not a JSON object.
    """
    kinds: dict[str, set[type]] = {}
    with reading(path):
        for record in json_records(path):
            for name, value in record.items():
                kinds.setdefault(name, set()).add(_kind(value))

    def pieces() -> Iterator[Table]:
        with reading(path):
            for gathered in _gathered(json_records(path), _characters):
                columns = {name: [record.get(name) for record in gathered] for name in kinds}
                yield Table(str(path), len(gathered), columns)

    return RowFile(str(path), {name: _json_type(found) for name, found in kinds.items()}, pieces)


def open_parquet(path: Path) -> RowFile:
    """Open a Parquet file.

    Raises:
        DataError: It is not a Parquet file, or two of its columns have one name.
    """
    import pyarrow as pa
    import pyarrow.parquet

    @contextlib.contextmanager
    def parquet_file() -> Iterator[Any]:
        try:
            with reading(path), open_bytes(path) as stream:
                # A packed file cannot be read in any other order than its own.
                source = io.BytesIO(stream.read()) if is_gzip(path) else stream
                # By default it would read ahead, whole columns of one row group after the other.
                with pyarrow.parquet.ParquetFile(
                    source, buffer_size=_PARQUET_BUFFER_BYTES, pre_buffer=False
                ) as file:
                    yield file
        except pa.ArrowInvalid as error:
            raise DataError(
                f"{path} is not a valid Parquet file ({error})",
                hint="Check that it was written and copied whole",
            ) from error

    with parquet_file() as file:
        schema = file.schema_arrow
    refuse_duplicate_columns(path, schema.names)

    def pieces() -> Iterator[Table]:
        with parquet_file() as file:
            for batch in file.iter_batches(batch_size=PIECE_ROWS, use_threads=False):
                batch.validate(full=True)
                columns = {
                    name: pa.chunked_array([column])
                    for name, column in zip(schema.names, batch.columns, strict=True)
                }
                yield Table(str(path), batch.num_rows, columns)

    return RowFile(str(path), {field.name: field.type for field in schema}, pieces)


def open_whole(path: Path) -> RowFile:
    """Open a data file that can be read only as a whole, such as a JSON array.

    Raises:
        DataError: It cannot be read.
    """
    from xautolm_core.tasks.data_files import read_table

    table = read_table(path)
    types = {
        name: None if isinstance(column, list) else column.type
        for name, column in table.columns.items()
    }

    def pieces() -> Iterator[Table]:
        for start in range(0, table.rows, PIECE_ROWS):
            columns = {
                name: column[start : start + PIECE_ROWS] for name, column in table.columns.items()
            }
            rows = min(PIECE_ROWS, table.rows - start)
            yield Table(table.source, rows, columns, untyped=table.untyped)

    return RowFile(table.source, types, pieces)


def decoded(values: pa.ChunkedArray | list[Any]) -> pa.ChunkedArray | list[Any]:
    """Convert possible texts to one type: strings of every kind, and bytes that are UTF-8."""
    return values if isinstance(values, list) else plain(values)


def _text_types() -> dict[str, pa.DataType | None]:
    import pyarrow as pa

    return {TEXT_COLUMN: pa.large_string()}


def _line_pieces(stream: io.BufferedIOBase | BinaryIO, source: str) -> Iterator[Table]:
    import pyarrow as pa

    lines = (line.removesuffix("\n").removesuffix("\r") for line in decoded_lines(stream, source))
    for gathered in _gathered(lines, len):
        column = pa.chunked_array([pa.array(gathered, type=pa.large_string())])
        yield Table(source, len(gathered), {TEXT_COLUMN: column})


def _characters(record: Mapping[str, Any]) -> int:
    return sum(len(value) for value in record.values() if isinstance(value, str | list | dict))


class _LongInteger:
    """Stands for integers that a column of floating point numbers would change."""


def _kind(value: Any) -> type:
    """Return the type of a JSON value; object for what Arrow has no scalar for."""
    if isinstance(value, bool | float | str | None):
        return type(value)
    if not isinstance(value, int) or value not in _INT64:
        return object
    return int if abs(value) <= _LARGEST_EXACT else _LongInteger


def _json_type(kinds: set[type]) -> pa.DataType | None:
    """Return the Arrow type of a column with such values."""
    import pyarrow as pa

    found = kinds - {type(None)}
    if found <= {str}:
        return pa.large_string()
    if found == {bool}:
        return pa.bool_()
    if found <= {int, _LongInteger}:
        return pa.int64()
    return pa.float64() if found <= {int, float} else None


def _gathered(rows: Iterable[_Row], size: Callable[[_Row], int]) -> Iterator[list[_Row]]:
    """Yield rows in pieces of limited rows and characters."""
    piece: list[_Row] = []
    characters = 0
    for row in rows:
        piece.append(row)
        characters += size(row)
        if len(piece) == PIECE_ROWS or characters >= _PIECE_CHARACTERS:
            yield piece
            piece, characters = [], 0
    if piece:
        yield piece
