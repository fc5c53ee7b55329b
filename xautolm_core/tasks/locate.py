"""The files of a task: which split is in which."""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from xautolm_core.errors import DataError
from xautolm_core.objects.addresses import is_s3_address
from xautolm_core.tasks.data_files import HUB_FOLDER
from xautolm_core.tasks.data_files import data_stem
from xautolm_core.tasks.data_files import data_suffix
from xautolm_core.tasks.data_files import is_container
from xautolm_core.tasks.data_files import is_data_file
from xautolm_core.tasks.data_files import read_table
from xautolm_core.tasks.hub import is_saved_dataset
from xautolm_core.tasks.hub import read_hub_dataset
from xautolm_core.tasks.hub import read_saved_dataset
from xautolm_core.tasks.quoting import Quoting
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
# A split in several files, as the hub and others write them, with or without a digest behind.
_SHARD = re.compile(
    r"(?P<split>.+?)[-_.](?P<number>\d+)[-_.]?of[-_.]?(?P<count>\d+)(?P<rest>[-_.][0-9a-f]{6,})?",
    re.IGNORECASE,
)
# The version of a data set behind its split, as in SQuAD's train-v2.0.json.
_VERSION = re.compile(r"[-_]v\d+(\.\d+)*$")
# The files of one table, as Spark and its like write them into a folder.
_PART = re.compile(r"part[-_.]\d+.*", re.IGNORECASE)
_NAMED = 8


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
        return _read_data(spec.data, spec.quoting)
    paths: dict[SplitName, Path | None] = {
        "train": spec.train,
        "validation": spec.validation,
        "test": spec.test,
    }
    return {
        split: read_table(path, spec.quoting) for split, path in paths.items() if path is not None
    }


def _read_data(data: str, quoting: Quoting) -> Mapping[SplitName, Table]:
    """Read one file, one folder, what an ``s3://`` address names, or a data set by its name."""
    if is_s3_address(data):
        with fetched(data) as path:
            tables: Mapping[SplitName, Table] = (
                _read_folder(path, quoting)
                if path.is_dir()
                else {"train": read_table(path, quoting)}
            )
        return {split: _as_from(table, path, data) for split, table in tables.items()}
    path = Path(data).expanduser()
    if path.is_dir():
        if is_saved_dataset(path):
            return _with_our_names(read_saved_dataset(path), data)
        return _read_folder(path, quoting)
    if path.exists() or path.is_absolute() or is_data_file(path):
        return {"train": read_table(path, quoting)}
    return _with_our_names(read_hub_dataset(data), data)


def _as_from(table: Table, path: Path, address: str) -> Table:
    """Return a table that names the address that its file was fetched from."""
    here, there = str(path), f"s3:/{remote_path(address)}"
    return dataclasses.replace(
        table,
        source=table.source.replace(here, there),
        warnings=tuple(warning.replace(here, there) for warning in table.warnings),
    )


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


def _read_folder(folder: Path, quoting: Quoting) -> Mapping[SplitName, Table]:
    """Read the data files of a folder."""
    return {
        split: concatenate([read_table(path, quoting) for path in paths])
        for split, paths in _find_files(folder).items()
    }


def _find_files(folder: Path) -> Mapping[SplitName, Sequence[Path]]:
    """Return the data files of a folder, or of the folder in it that holds them."""
    files = [p for p in _visible(folder) if is_data_file(p) and not p.is_dir()]
    by_split = _by_split(folder, files)
    if "train" in by_split:
        return by_split
    inner = [p for p in _visible(folder) if p.is_dir() and _holds_data(p)]
    inner = [p for p in inner if p.name == HUB_FOLDER] or ([] if files else inner)
    if inner and not by_split and all(data_suffix(p) == ".json" for p in files):
        # Notes beside the data of a hub's repository are JSON.
        return _find_inner(folder, inner)
    if inner:
        raise DataError(
            f"{folder} holds {_listed(files)}, but {inner[0].name} in it holds data as well",
            hint=f"Give {inner[0]} or one of the files",
        )
    is_table = bool(files) and all(_PART.fullmatch(data_stem(p)) for p in files)
    if not by_split and (len(files) == 1 or is_table):
        return {"train": files}
    if not files and not by_split:
        found = _listed([p for p in _visible(folder) if not p.is_dir()])
        raise DataError(
            f"{folder} has no data files" + (f" (files: {found})" if found else ""),
            hint="Put train.csv, validation.csv and test.csv there (or .jsonl, .parquet)",
        )
    raise DataError(
        f"{folder} has no train file (files: {_listed(files)})",
        hint="Name one of them train, or give one data file",
    )


def _visible(folder: Path) -> list[Path]:
    """Return what is in a folder, in order, without hidden files and folders."""
    return sorted(p for p in folder.iterdir() if not p.name.startswith("."))


def _listed(paths: Sequence[Path]) -> str:
    """List names of files, the first of them if they are many."""
    shown = ", ".join(path.name for path in paths[:_NAMED])
    return shown if len(paths) <= _NAMED else f"{shown} and {len(paths) - _NAMED} more"


def _by_split(folder: Path, files: Sequence[Path]) -> dict[SplitName, list[Path]]:
    """Return the files of each split by their names."""
    by_split: dict[SplitName, list[Path]] = {}
    for path in files:
        stem = data_stem(path)
        shard = _SHARD.fullmatch(stem)
        name = shard["split"] if shard else _VERSION.sub("", stem)
        split = _ALIASES.get(name.lower())
        if split is None:
            continue
        if split in by_split and not (shard and _SHARD.fullmatch(data_stem(by_split[split][0]))):
            raise _two_files(folder, split, by_split[split][0], path)
        by_split.setdefault(split, []).append(path)
    for split, paths in by_split.items():
        _check_shards(folder, split, paths)
    # A split in a format that is refused must not be cut from train as if it were not there.
    for path in filter(is_container, _visible(folder)):
        split = _ALIASES.get(data_stem(path.with_suffix("")).lower())
        if split is not None and split not in by_split and not path.is_dir():
            by_split[split] = [path]
    return by_split


def _two_files(folder: Path, what: str, one: Path, other: Path) -> DataError:
    return DataError(
        f"{folder} has two files for {what}: {one.name} and {other.name}",
        hint="Leave one of them there",
    )


def _check_shards(folder: Path, split: SplitName, paths: Sequence[Path]) -> None:
    """Refuse files "number of count" of a split that are not all there, or there twice."""
    numbered: dict[int, Path] = {}
    counts: dict[int, Path] = {}
    for path in paths:
        shard = _SHARD.fullmatch(data_stem(path))
        if shard is None:
            return
        number = int(shard["number"])
        if number in numbered:
            raise _two_files(folder, f"part {number} of {split}", numbered[number], path)
        numbered[number] = path
        counts.setdefault(int(shard["count"]), path)
    if len(counts) > 1:
        one, other, *_ = counts.values()
        raise DataError(
            f"{folder} has files of {split} from two sets: {one.name} and {other.name}",
            hint="Leave the files of one set there",
        )
    (count,) = counts
    # Most number them from 0, some from 1.
    first = 1 if count in numbered and 0 not in numbered else 0
    wanted = range(first, first + count)
    beyond = [path for number, path in numbered.items() if number not in wanted]
    if beyond:
        raise DataError(
            f"{folder} has {beyond[0].name}, which is none of {count} files",
            hint="Remove it, or name it rightly",
        )
    lacking = count - len(numbered)
    if lacking:
        names = [
            _shard_name(paths[0], number)
            for number in itertools.islice((n for n in wanted if n not in numbered), 3)
        ]
        more = f" and {lacking - len(names)} more" if lacking > len(names) else ""
        raise DataError(
            f"{folder} lacks {', '.join(names)}{more}: of the {count} files of {split} only"
            f" {len(numbered)} {'is' if len(numbered) == 1 else 'are'} there",
            hint="Fetch what is missing; to use the others alone, put them into one file",
        )


def _shard_name(path: Path, number: int) -> str:
    """Return the name of another shard of the same split; its digest is not known."""
    stem = data_stem(path)
    shard = _SHARD.fullmatch(stem)
    assert shard is not None
    start, end = shard.span("number")
    name = f"{stem[:start]}{number:0{end - start}}{stem[end : shard.end('count')]}"
    return name + ("-*" if shard["rest"] else "") + path.name[len(stem) :]


def _holds_data(folder: Path, depth: int = 2) -> bool:
    """Whether a folder, or a folder in it, holds data files."""
    inner = _visible(folder)
    if any(is_data_file(p) and not p.is_dir() for p in inner):
        return True
    return depth > 1 and any(p.is_dir() and _holds_data(p, depth - 1) for p in inner)


def _find_inner(folder: Path, inner: Sequence[Path]) -> Mapping[SplitName, Sequence[Path]]:
    """Return the files of the folders of a folder: one for each split, or the only one."""
    by_split: dict[SplitName, list[Path]] = {}
    folders: dict[SplitName, Path] = {}
    for path in inner:
        split = _ALIASES.get(data_stem(path).lower())
        files = [p for p in _visible(path) if is_data_file(p) and not p.is_dir()]
        if split is None or not files:
            continue
        if split in by_split:
            raise _two_files(folder, split, folders[split], path)
        _check_shards(path, split, files)
        by_split[split], folders[split] = files, path
    if "train" in by_split:
        return by_split
    if len(inner) > 1:
        raise DataError(
            f"{folder} holds several data sets, in its folders {_listed(inner)}",
            hint=f"Give one of them, such as {inner[0]}",
        )
    return _find_files(inner[0])
