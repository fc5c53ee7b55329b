"""The importer of tables: CSV, TSV and Parquet with a column map."""

from __future__ import annotations

import csv
from collections.abc import Collection
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from xautolm_core.errors import ConfigError
from xautolm_core.experience.importers.account import Account
from xautolm_core.experience.importers.column_map import ColumnMap
from xautolm_core.experience.importers.column_map import missing_fields_error
from xautolm_core.experience.importers.column_map import read_column_map
from xautolm_core.experience.importers.imported import DEFAULT_TENANT
from xautolm_core.experience.importers.imported import Imported
from xautolm_core.experience.importers.imported import finished
from xautolm_core.experience.importers.rows import ForeignRow
from xautolm_core.experience.importers.rows import RowOrigin
from xautolm_core.experience.importers.rows import rows_to_experiences
from xautolm_core.experience.policy import TenantPolicy
from xautolm_core.experience.scrub import STRICTEST

IMPORTER = "csv"
VERSION = "csv/1"

MAX_LINE_BYTES = 4 << 20
_HINT = "Give a .csv, .tsv or .parquet file"


class _BrokenTable(Exception):  # noqa: N818  (it becomes an entry of the account)
    """A table cannot be read any further."""


def import_table(
    source: Path,
    column_map: Path | None,
    *,
    tenant: str = DEFAULT_TENANT,
    tasks: Collection[str] = (),
    policy: TenantPolicy = STRICTEST,
) -> Imported:
    """Return the experiences of a table, one a row.

    Args:
        source: A ``.csv``, ``.tsv`` or ``.parquet`` file with a header.
        column_map: The YAML file that maps our fields to its columns.
        tenant: Whose experiences they become.
        tasks: Only of these tasks; all if empty.
        policy: What the tenant allows.

    Raises:
        ConfigError: The file or the map cannot be read, or the map lacks a field or names a column
            that the table has not.
    """
    if not source.is_file():
        raise ConfigError(f"There is no file {source}", hint=_HINT)
    columns = _columns(source)
    if not columns:
        raise ConfigError(f"{source} is empty", hint="The first line has to name the columns")
    found = ColumnMap({}, {}) if column_map is None else read_column_map(column_map)
    fault = missing_fields_error(found, columns)
    if fault is not None:
        raise fault
    absent = sorted(found.columns - set(columns))
    if absent:
        raise ConfigError(
            f"{source} has no column {', '.join(map(repr, absent))}",
            hint=f"Its columns are: {', '.join(columns[:40])}",
        )
    account = Account(VERSION, str(source))
    origin = RowOrigin(IMPORTER, VERSION, source.name, tenant, tasks, is_typed=False)
    experiences = rows_to_experiences(_rows(source, account), found, origin, account)
    return finished(experiences, account, policy)


def _columns(source: Path) -> list[str]:
    if source.suffix.lower() == ".parquet":
        return [str(name) for name in _parquet(source).schema_arrow.names]
    try:
        header = next(_csv_lines(source), None)
    except _BrokenTable as error:
        raise ConfigError(f"{source} cannot be read: {error}", hint=_HINT) from error
    columns = header[1] if header else []
    repeated = next((name for name in columns if columns.count(name) > 1), None)
    if repeated is not None:
        raise ConfigError(f"{source} has the column {repeated!r} twice", hint="Rename one of them")
    return columns


def _rows(source: Path, account: Account) -> Iterator[ForeignRow]:
    if source.suffix.lower() == ".parquet":
        yield from _parquet_rows(source)
        return
    lines = _csv_lines(source)
    columns = next(lines, (0, []))[1]
    try:
        for line, cells in lines:
            if not cells:
                continue
            place = f"{source.name}:{line}"
            if len(cells) == len(columns):
                yield ForeignRow(place, line, dict(zip(columns, cells, strict=True)))
            else:
                account.read += 1
                account.drop_record(place, f"{len(cells)} cells instead of {len(columns)}")
    except _BrokenTable as error:
        account.read += 1
        account.drop_record(source.name, str(error))
        account.warnings.append("the rest of the table could not be read")


def _csv_lines(source: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield line number and cells.

    Raises:
        _BrokenTable: It is no UTF-8, no CSV, or a line is longer than ``MAX_LINE_BYTES``.
    """
    delimiter = "\t" if source.suffix.lower() == ".tsv" else ","
    try:
        with source.open("rb") as file:
            reader = csv.reader(_decoded(file), delimiter=delimiter, strict=True)
            for cells in reader:
                yield reader.line_num, cells
    except csv.Error as error:
        raise _BrokenTable(f"no CSV: {error}") from error
    except OSError as error:
        raise _BrokenTable(error.strerror or type(error).__name__) from error


def _decoded(file: Any) -> Iterator[str]:
    number = 0
    while line := file.readline(MAX_LINE_BYTES + 1):
        number += 1
        if len(line) > MAX_LINE_BYTES:
            raise _BrokenTable(f"line {number} is longer than {MAX_LINE_BYTES >> 20} MiB")
        try:
            yield line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError:
            raise _BrokenTable(f"line {number} is not UTF-8") from None


def _parquet(source: Path) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(source, pre_buffer=False)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise ConfigError(f"{source} is not a readable Parquet file", hint=_HINT) from error


def _parquet_rows(source: Path) -> Iterator[ForeignRow]:
    import pyarrow as pa

    number = 0
    try:
        for batch in _parquet(source).iter_batches(batch_size=1_000, use_threads=False):
            for cells in batch.to_pylist():
                number += 1
                present = {name: value for name, value in cells.items() if value is not None}
                yield ForeignRow(f"{source.name}:{number}", number, present)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise ConfigError(
            f"{source} is broken after row {number}: {type(error).__name__}",
            hint="Check that it was copied whole",
        ) from error
