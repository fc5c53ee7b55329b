"""Reading of data files: CSV, JSON Lines and Parquet, with errors that name the place."""

from __future__ import annotations

import codecs
import gzip
import io
import json
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

from xautolm_core.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

CSV_SUFFIXES = (".csv", ".tsv")
JSON_SUFFIXES = (".jsonl", ".ndjson", ".json")
PARQUET_SUFFIXES = (".parquet", ".pq")
DATA_SUFFIXES = CSV_SUFFIXES + JSON_SUFFIXES + PARQUET_SUFFIXES
_FORMATS = "CSV (.csv, .tsv), JSON Lines (.jsonl) or Parquet (.parquet)"
_CHUNK_BYTES = 1 << 24
# What a data frame writes where a number is missing; an empty cell is seen to later.
_CSV_MISSING = ["nan", "NaN"]


@dataclass(frozen=True)
class Table:
    """The columns of one file.

    Attributes:
        source: File or data set, for messages.
        rows: Number of rows; messages count them from 1.
        columns: Column name to Arrow array, or to a list where the values have several types.
        class_names: Column name to the class names that its integers stand for (-1: no label).
        untyped: Whether every value is text because the format knows no types (CSV).
    """

    source: str
    rows: int
    columns: Mapping[str, pa.ChunkedArray | list[Any]]
    class_names: Mapping[str, Sequence[str]] = field(default_factory=dict)
    untyped: bool = False


def data_suffix(path: Path) -> str:
    """Return the suffix that tells a file's format, in lower case, without ``.gz``."""
    suffixes = [s.lower() for s in path.suffixes]
    if suffixes and suffixes[-1] == ".gz":
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def data_stem(path: Path) -> str:
    """Return a data file's name without its suffixes."""
    name = path.name
    if name.lower().endswith(".gz"):
        name = name[:-3]
    suffix = data_suffix(path)
    return name[: -len(suffix)] if suffix in DATA_SUFFIXES else name


def is_data_file(path: Path) -> bool:
    """Whether the file's name says that it holds a table."""
    return data_suffix(path) in DATA_SUFFIXES


def read_table(path: Path) -> Table:
    """Read one data file.

    Raises:
        DataError: If the file is missing, empty, of an unknown format, or broken.
    """
    _check_file(path)
    suffix = data_suffix(path)
    try:
        if suffix in CSV_SUFFIXES:
            table = _read_csv(path, "\t" if suffix == ".tsv" else None)
        elif suffix in JSON_SUFFIXES:
            table = _read_json(path)
        elif suffix in PARQUET_SUFFIXES:
            table = _read_parquet(path)
        else:
            raise DataError(
                f"{path} has the ending '{suffix}', which is no data format known here",
                hint=f"Give {_FORMATS}",
            )
    except (OSError, EOFError) as error:
        raise DataError(
            f"{path} cannot be read ({type(error).__name__}: {error})",
            hint="Check that the file is whole and that you may read it",
        ) from error
    if table.rows == 0:
        raise DataError(f"{path} has columns but no rows", hint="Give a file with labelled texts")
    return table


def _check_file(path: Path) -> None:
    """Refuse what is no file with content."""
    from xautolm_core.tasks.suggest import did_you_mean

    if path.is_dir():
        raise DataError(f"{path} is a folder, not a data file", hint=f"Give {_FORMATS}")
    if not path.exists():
        beside = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        raise DataError(
            f"{path} does not exist",
            hint=did_you_mean(path.name, beside) or "Check the path",
        )
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty (0 bytes)", hint="Give a file with labelled texts")


def _open(path: Path) -> io.BufferedIOBase:
    """Open a file for reading bytes, unpacked if it ends in ``.gz``."""
    if path.suffix.lower() == ".gz":
        return gzip.open(path, "rb")
    return path.open("rb")


def _check_utf8(path: Path) -> None:
    """Refuse a file that is not UTF-8, and say at which byte."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    offset = 0
    with _open(path) as file:
        while True:
            chunk = file.read(_CHUNK_BYTES)
            pending = len(decoder.getstate()[0])
            try:
                decoder.decode(chunk, final=not chunk)
            except UnicodeDecodeError as error:
                place = offset - pending + error.start
                raise DataError(
                    f"{path} is not UTF-8: byte {place} is 0x{error.object[error.start]:02x}",
                    hint=_encoding_hint(path),
                ) from error
            if not chunk:
                return
            offset += len(chunk)


def _encoding_hint(path: Path) -> str:
    """Guess the encoding from the first bytes and say how to change it."""
    with _open(path) as file:
        start = file.read(2)
    encoding = "UTF-16" if start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "WINDOWS-1252"
    return f"Re-encode it, for example: iconv -f {encoding} -t UTF-8 {path.name} > utf8-{path.name}"


def _read_csv(path: Path, delimiter: str | None) -> Table:
    """Read a CSV file, every column as text."""
    import pyarrow as pa
    import pyarrow.csv

    _check_utf8(path)
    with _open(path) as file:
        header = file.readline().decode("utf-8-sig")
    delimiter = delimiter or _delimiter(header)
    bad_row: list[Any] = []

    def remember(row: Any) -> str:
        bad_row.append(row)
        return "error"

    with _open(path) as file:
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
                read_options=pyarrow.csv.ReadOptions(use_threads=False, block_size=_CHUNK_BYTES),
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


def _read_json(path: Path) -> Table:
    """Read JSON Lines, or one JSON array of objects."""
    _check_utf8(path)
    with _open(path) as file:
        start = file.read(4096).lstrip(b"\xef\xbb\xbf").lstrip()
    if not start:
        raise DataError(f"{path} holds nothing but white space", hint="Give labelled texts")
    objects = _json_array(path) if start[:1] == b"[" else _json_lines(path)
    columns: dict[str, list[Any]] = {}
    rows = 0
    for record in objects:
        for name, value in record.items():
            if name not in columns:
                columns[name] = [None] * rows
            columns[name].append(value)
        rows += 1
        if len(record) < len(columns):
            for values in columns.values():
                if len(values) < rows:
                    values.append(None)
    return Table(str(path), rows, {name: _typed(values) for name, values in columns.items()})


def _json_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the objects of a JSON Lines file."""
    with _open(path) as file:
        for number, line in enumerate(file, start=1):
            stripped = line.lstrip(b"\xef\xbb\xbf").strip() if number == 1 else line.strip()
            if not stripped:
                continue
            try:
                record = json.loads(stripped)
            except ValueError as error:
                raise DataError(
                    f"{path}, line {number} is not valid JSON ({error})",
                    hint="Each line must be one JSON object, such as"
                    ' {"text": "...", "label": "..."}',
                ) from error
            if not isinstance(record, dict):
                raise DataError(
                    f"{path}, line {number} is a JSON {_json_kind(record)}, not an object",
                    hint='Each line must look like {"text": "...", "label": "..."}',
                )
            yield record


def _json_array(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the objects of a JSON array."""
    with _open(path) as file:
        try:
            records = json.loads(file.read().decode("utf-8-sig"))
        except ValueError as error:
            raise DataError(
                f"{path} is not valid JSON ({error})",
                hint="Give an array of objects, or JSON Lines (one object a line)",
            ) from error
    for number, record in enumerate(records, start=1):
        if not isinstance(record, dict):
            raise DataError(
                f"{path}, element {number} is a JSON {_json_kind(record)}, not an object",
                hint='Each element must look like {"text": "...", "label": "..."}',
            )
        yield record


def _json_kind(value: object) -> str:
    """Name the JSON type of a value."""
    names = {list: "array", str: "string", bool: "boolean", int: "number", float: "number"}
    return names.get(type(value), "null")


def _typed(values: list[Any]) -> pa.ChunkedArray | list[Any]:
    """Return the values as Arrow data if they are all of one scalar type, else as they are."""
    import pyarrow as pa

    kinds = {type(value) for value in values if value is not None}
    if kinds == {str}:
        try:
            return pa.chunked_array([pa.array(values, type=pa.large_string())])
        except UnicodeEncodeError:
            values = [_well_formed(value) for value in values]
            return pa.chunked_array([pa.array(values, type=pa.large_string())])
    if kinds in ({int}, {float}, {bool}, {int, float}):
        try:
            return pa.chunked_array([pa.array(values)])
        except (pa.ArrowInvalid, OverflowError):
            return values
    return [_well_formed(value) for value in values]


def _well_formed(value: Any) -> Any:
    """Replace halves of surrogate pairs, which JSON may hold but UTF-8 may not."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return value


def _read_parquet(path: Path) -> Table:
    """Read the scalar columns of a Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet

    try:
        file = pyarrow.parquet.ParquetFile(path)
        schema = file.schema_arrow
        wanted = [f.name for f in schema if is_scalar(f.type)]
        table = file.read(columns=wanted, use_threads=False)
        table.validate(full=True)
    except pa.ArrowInvalid as error:
        raise DataError(
            f"{path} is no valid Parquet file ({error})",
            hint="Check that it was written and copied whole",
        ) from error
    columns: dict[str, pa.ChunkedArray | list[Any]] = {}
    for name in wanted:
        columns[name] = plain(table.column(name))
    # Columns of other types are kept by name alone, so that messages can list them.
    for column in schema.names:
        columns.setdefault(column, [])
    return Table(str(path), table.num_rows, columns, _hub_class_names(schema.metadata))


def plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Decode dictionaries and bring strings to one Arrow type."""
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_string(column.type) or pa.types.is_string_view(column.type):
        column = column.cast(pa.large_string())
    return column


def is_scalar(kind: pa.DataType) -> bool:
    """Whether a column can hold texts or classes."""
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    tests = (
        pa.types.is_string,
        pa.types.is_large_string,
        pa.types.is_string_view,
        pa.types.is_integer,
        pa.types.is_floating,
        pa.types.is_boolean,
    )
    return any(test(kind) for test in tests)


def _hub_class_names(metadata: Mapping[bytes, bytes] | None) -> dict[str, list[str]]:
    """Read the class names that the ``datasets`` library writes into a Parquet file."""
    try:
        features = json.loads((metadata or {})[b"huggingface"])["info"]["features"]
    except (KeyError, ValueError, TypeError):
        return {}
    return {
        name: list(feature["names"])
        for name, feature in features.items()
        if isinstance(feature, dict) and feature.get("_type") == "ClassLabel"
    }


def concatenate(tables: Sequence[Table]) -> Table:
    """Put the shards of one split under each other.

    Raises:
        DataError: If their columns differ.
    """
    first = tables[0]
    for other in tables[1:]:
        if set(other.columns) != set(first.columns):
            raise DataError(
                f"{first.source} and {other.source} have different columns",
                hint="Write all files of a split with the same columns",
            )
    if len(tables) == 1:
        return first
    columns: dict[str, pa.ChunkedArray | list[Any]] = {}
    for name in first.columns:
        parts = [table.columns[name] for table in tables]
        if any(isinstance(part, list) for part in parts):
            columns[name] = [
                value
                for part in parts
                for value in (part if isinstance(part, list) else part.to_pylist())
            ]
        else:
            columns[name] = _stack(parts, name, tables)
    rows = sum(table.rows for table in tables)
    return Table(first.source, rows, columns, first.class_names, first.untyped)


def _stack(parts: Sequence[Any], name: str, tables: Sequence[Table]) -> pa.ChunkedArray:
    """Stack the Arrow chunks of one column."""
    import pyarrow as pa

    if len({part.type for part in parts}) > 1:
        raise DataError(
            f"column '{name}' is of type {parts[0].type} in {tables[0].source},"
            f" but not in all files of the split",
            hint="Write all files of a split with the same types",
        )
    return pa.chunked_array([chunk for part in parts for chunk in part.chunks], parts[0].type)
