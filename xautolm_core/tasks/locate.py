"""The files of a task: which split is in which."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from xautolm_core.errors import DataError
from xautolm_core.objects.addresses import is_s3_address
from xautolm_core.tasks.data_files import data_stem
from xautolm_core.tasks.data_files import is_data_file
from xautolm_core.tasks.data_files import read_table
from xautolm_core.tasks.hub import is_saved_dataset
from xautolm_core.tasks.hub import read_hub_dataset
from xautolm_core.tasks.hub import read_saved_dataset
from xautolm_core.tasks.remote import fetched
from xautolm_core.tasks.remote import remote_path
from xautolm_core.tasks.spec import TaskSpec
from xautolm_core.tasks.tables import Table
from xautolm_core.tasks.tables import concatenate

if TYPE_CHECKING:
    from xautolm_core.tasks.task import SplitName

_ALIASES: Mapping[str, SplitName] = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}
# A split in several files, as the hub writes them.
_SHARD = re.compile(r"(?P<split>.+?)-\d+-of-\d+")


def read_splits(spec: TaskSpec) -> Mapping[SplitName, Table]:
    """Read the splits that the task's data have; ``train`` is always among them.

    Raises:
        DataError: If the data cannot be found or read.
    """
    if (spec.data is None) == (spec.train is None):
        raise DataError(
            "a task must name its data in exactly one way",
            hint="Give either 'data' or 'train' (with 'validation' and 'test')",
        )
    if spec.data is not None:
        return _read_data(spec.data)
    paths: dict[SplitName, Path | None] = {
        "train": spec.train,
        "validation": spec.validation,
        "test": spec.test,
    }
    return {split: read_table(path) for split, path in paths.items() if path is not None}


def _read_data(data: str) -> Mapping[SplitName, Table]:
    """Read one file, one folder, what an ``s3://`` address names, or a data set by its name."""
    if is_s3_address(data):
        with fetched(data) as path:
            tables: Mapping[SplitName, Table] = (
                _read_folder(path) if path.is_dir() else {"train": read_table(path)}
            )
        return {split: _as_from(table, path, data) for split, table in tables.items()}
    path = Path(data).expanduser()
    if path.is_dir():
        if is_saved_dataset(path):
            return _with_our_names(read_saved_dataset(path), data)
        return _read_folder(path)
    if path.exists() or path.is_absolute() or is_data_file(path):
        return {"train": read_table(path)}
    return _with_our_names(read_hub_dataset(data), data)


def _as_from(table: Table, path: Path, address: str) -> Table:
    """Return a table that names the address that its file was fetched from."""
    source = table.source.replace(str(path), f"s3:/{remote_path(address)}")
    return dataclasses.replace(table, source=source)


def _with_our_names(tables: Mapping[str, Table], source: str) -> Mapping[SplitName, Table]:
    """Rename the splits of a data set; those that are none of ours are left out."""
    renamed: dict[SplitName, Table] = {}
    for name, table in tables.items():
        split = _ALIASES.get(name.lower())
        if split is not None and split not in renamed:
            renamed[split] = table
    if "train" not in renamed:
        raise DataError(
            f"{source} has no split 'train' (splits: {', '.join(tables)})",
            hint="Name the files one by one in a task file: 'train:', 'validation:', 'test:'",
        )
    return renamed


def _read_folder(folder: Path) -> Mapping[SplitName, Table]:
    """Read the data files of a folder."""
    files = sorted(p for p in folder.iterdir() if p.is_file() and is_data_file(p))
    if not files:
        raise DataError(
            f"{folder} has no data files",
            hint="Put train.csv, validation.csv and test.csv there (or .jsonl, .parquet)",
        )
    by_split: dict[SplitName, list[Path]] = {}
    for path in files:
        stem = data_stem(path).lower()
        shard = _SHARD.fullmatch(stem)
        split = _ALIASES.get(shard["split"] if shard else stem)
        if split is None:
            continue
        if split in by_split and not (shard and _SHARD.fullmatch(data_stem(by_split[split][0]))):
            raise DataError(
                f"{folder} has two files for {split}: {by_split[split][0].name} and {path.name}",
                hint="Leave one of them there",
            )
        by_split.setdefault(split, []).append(path)
    if not by_split and len(files) == 1:
        return {"train": read_table(files[0])}
    if "train" not in by_split:
        raise DataError(
            f"{folder} has no train file (files: {', '.join(p.name for p in files[:8])})",
            hint="Name one of them train, or give one data file",
        )
    return {
        split: concatenate([read_table(path) for path in paths])
        for split, paths in by_split.items()
    }
