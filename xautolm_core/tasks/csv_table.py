"""CSV files: every column as text."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from xautolm_core.errors import DataError
from xautolm_core.tasks.tables import Table
from xautolm_core.tasks.text_files import CHUNK_BYTES
from xautolm_core.tasks.text_files import check_utf8
from xautolm_core.tasks.text_files import open_bytes

# What a data frame writes where a number is missing; an empty cell is seen to later.
_CSV_MISSING = ["nan", "NaN"]


def read_csv(path: Path, delimiter: str | None) -> Table:
    """Read a CSV file, every column as text."""
    import pyarrow as pa
    import pyarrow.csv

    check_utf8(path)
    with open_bytes(path) as file:
        header = file.readline().decode("utf-8-sig")
    delimiter = delimiter or _delimiter(header)
    bad_row: list[Any] = []

    def remember(row: Any) -> str:
        bad_row.append(row)
        return "error"

    with open_bytes(path) as file:
        try:
            names = pyarrow.csv.open_csv(
                io.BytesIO(header.encode()),
                parse_options=pyarrow.csv.ParseOptions(delimiter=delimiter),
            ).schema.names
        except pa.ArrowInvalid:
            names = []
        duplicate = next((n for n in names if names.count(n) > 1), None)
        if duplicate is not None:
            raise DataError(
                f"{path} has the column '{duplicate}' twice", hint="Give each column its own name"
            )
        try:
            table = pyarrow.csv.read_csv(
                file,
                read_options=pyarrow.csv.ReadOptions(use_threads=False, block_size=CHUNK_BYTES),
                parse_options=pyarrow.csv.ParseOptions(
                    delimiter=delimiter, newlines_in_values=True, invalid_row_handler=remember
                ),
                convert_options=pyarrow.csv.ConvertOptions(
                    column_types=dict.fromkeys(names, pa.large_string()),
                    null_values=_CSV_MISSING,
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=False,
                ),
            )
        except pa.ArrowInvalid as error:
            raise _csv_error(path, delimiter, bad_row, error) from error
    columns = {name: table.column(name) for name in table.column_names}
    return Table(str(path), table.num_rows, columns, untyped=True)


def _delimiter(header: str) -> str:
    """Return the delimiter that the header line uses."""
    return max((",", ";", "\t", "|"), key=header.count)


def _csv_error(path: Path, delimiter: str, bad_row: list[Any], error: Exception) -> DataError:
    """Say in which row a CSV file is broken."""
    if not bad_row:
        return DataError(f"{path} is no valid CSV ({error})", hint="Check quotes and delimiters")
    row = bad_row[0]
    # The parser counts the header as a row; messages count rows of data.
    where = f"row {row.number - 1} (line {row.number}, if no text has a line break)"
    return DataError(
        f"{path}, {where} has {row.actual_columns} fields, the header has {row.expected_columns}",
        hint=f"Put texts that contain '{delimiter}', quotes or line breaks into double quotes",
    )
