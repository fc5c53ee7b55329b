"""Data files: which there are, and the reading of one, with errors that name the place."""

from __future__ import annotations

from pathlib import Path

from xautolm_core.errors import DataError
from xautolm_core.tasks.csv_table import read_csv
from xautolm_core.tasks.json_table import read_json
from xautolm_core.tasks.parquet_table import read_parquet
from xautolm_core.tasks.tables import Table

CSV_SUFFIXES = (".csv", ".tsv")
JSON_SUFFIXES = (".jsonl", ".ndjson", ".json")
PARQUET_SUFFIXES = (".parquet", ".pq")
DATA_SUFFIXES = CSV_SUFFIXES + JSON_SUFFIXES + PARQUET_SUFFIXES
_FORMATS = "CSV (.csv, .tsv), JSON Lines (.jsonl) or Parquet (.parquet)"


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
            table = read_csv(path, "\t" if suffix == ".tsv" else None)
        elif suffix in JSON_SUFFIXES:
            table = read_json(path)
        elif suffix in PARQUET_SUFFIXES:
            table = read_parquet(path)
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
