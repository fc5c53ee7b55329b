"""Data files: which there are, and the reading of one, with errors that name the place."""

from __future__ import annotations

import zlib
from pathlib import Path

from xautolm_core.errors import DataError
from xautolm_core.tasks.containers import CONTAINER_SUFFIXES
from xautolm_core.tasks.containers import is_parquet
from xautolm_core.tasks.containers import refuse_container
from xautolm_core.tasks.csv_table import read_csv
from xautolm_core.tasks.json_table import read_json
from xautolm_core.tasks.parquet_table import read_parquet
from xautolm_core.tasks.quoting import Quoting
from xautolm_core.tasks.tables import Table
from xautolm_core.validation import did_you_mean

CSV_SUFFIXES = (".csv", ".tsv")
JSON_SUFFIXES = (".jsonl", ".ndjson", ".json")
PARQUET_SUFFIXES = (".parquet", ".pq")
DATA_SUFFIXES = CSV_SUFFIXES + JSON_SUFFIXES + PARQUET_SUFFIXES
HUB_FOLDER = "data"
"""The folder that a repository of the hub keeps its data in."""
# What the ``datasets`` library and its hub write beside the data.
_NOTES = frozenset({"dataset_info.json", "dataset_infos.json"})
_FORMATS = "CSV (.csv, .tsv), JSON Lines (.jsonl) or Parquet (.parquet)"


def data_suffix(path: Path) -> str:
    """Return the suffix that names a file's format, in lower case, without ``.gz``."""
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
    """Whether the file's name says that it holds a table that can be read."""
    return data_suffix(path) in DATA_SUFFIXES and path.name not in _NOTES


def is_container(path: Path) -> bool:
    """Whether the file's name says that it may hold a table, but in a format to be refused."""
    return path.suffix.lower() in CONTAINER_SUFFIXES


def missing(path: Path) -> DataError:
    """Return the error of a path that does not exist, with similar names beside it."""
    if path.is_symlink():
        return DataError(
            f"{path} is a link to {path.readlink()}, which does not exist",
            hint="Let the link point to the data, or give their own path",
        )
    beside = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
    return DataError(
        f"{path} does not exist",
        hint=did_you_mean(path.name, beside) or "Check the path of the file or folder",
    )


def read_table(path: Path, quoting: Quoting = Quoting.AUTO) -> Table:
    """Read one data file.

    Args:
        path: The file.
        quoting: What the double quotes are, if it is a CSV or TSV file.

    Raises:
        DataError: If the file is missing, empty, of an unknown format, or broken.
    """
    _check_file(path)
    suffix = data_suffix(path)
    try:
        refuse_container(path)
        if suffix in PARQUET_SUFFIXES or is_parquet(path):
            table = read_parquet(path)
        elif suffix in CSV_SUFFIXES:
            table = read_csv(path, tabs=suffix == ".tsv", quoting=quoting)
        elif suffix in JSON_SUFFIXES:
            table = read_json(path)
        else:
            raise DataError(
                f"{path} has the ending '{suffix}', which is not a known data format"
                if suffix
                else f"{path} has no ending that names its format",
                hint=f"Give {_FORMATS}",
            )
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"{path} cannot be read ({type(error).__name__}: {error})",
            hint="Check that the file is whole and that you may read it",
        ) from error
    if table.rows == 0:
        raise DataError(f"{path} has columns but no rows", hint="Give a file with texts")
    return table


def _check_file(path: Path) -> None:
    """Refuse what is not a file with content."""
    if path.is_dir():
        raise DataError(f"{path} is a folder, not a data file", hint=f"Give {_FORMATS}")
    if not path.exists():
        raise missing(path)
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty (0 bytes)", hint="Give a file with texts")
