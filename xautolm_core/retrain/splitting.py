"""Divide a task into the rows for a search and the held-out rows for the comparison after it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from xautolm_core.errors import ConfigError
from xautolm_core.errors import DataError
from xautolm_core.retrain.fresh_rows import fresh_rows
from xautolm_core.retrain.fresh_rows import is_set_aside
from xautolm_core.retrain.row_digests import SeenRows
from xautolm_core.retrain.rows import all_rows
from xautolm_core.retrain.rows import as_test_split
from xautolm_core.retrain.rows import concatenate_rows
from xautolm_core.retrain.rows import take_rows
from xautolm_core.tasks.prepared import TASK_FILE as PREPARED_FILE
from xautolm_core.tasks.prepared import write_prepared
from xautolm_core.tasks.task import SPLIT_NAMES
from xautolm_core.tasks.task import Split
from xautolm_core.tasks.task import SplitName
from xautolm_core.tasks.task import Task

TASK_FILE = "task.yaml"
FRACTION = 0.2


@dataclass(frozen=True)
class FreshSplit:
    """A task in two parts.

    Attributes:
        task_file: Task file of the search's side; ``load_task`` reads it like any other.
        fresh_folder: The held-out rows, as the test split of a prepared task.
        search_rows: Rows of each split on the search's side.
        set_aside: Number of held-out rows.
        fresh: Number of held-out rows in ``fresh_folder``: without repetitions and rows that the
            champion has seen.
    """

    task_file: Path
    fresh_folder: Path
    search_rows: dict[str, int]
    set_aside: int
    fresh: int


def split_task(
    task: Task,
    search_folder: Path,
    fresh_folder: Path,
    *,
    fraction: float = FRACTION,
    champion_rows: SeenRows | None = None,
) -> FreshSplit:
    """Write a task in two parts.

    The search's side keeps the splits of the task, less the held-out rows; a class that would have
    no training row gets its validation and test rows for training. The search sees no held-out
    row, fresh or not.

    Args:
        task: The task.
        search_folder: Where the search's side is written; files in it are replaced.
        fresh_folder: Where the held-out rows are written; an existing folder is replaced.
        fraction: Share to hold out, in (0, 1); the same for all searches of a task.
        champion_rows: Rows that the champion has seen, left out of the held-out rows.

    Raises:
        ConfigError: The fraction is out of range.
        DataError: Too few rows are left for the search, or a folder cannot be written.
    """
    if not 0 < fraction < 1:
        raise ConfigError(
            f"The share of rows to set aside is {fraction}", hint="Give one between 0 and 1"
        )
    sides = {name: is_set_aside(split, fraction) for name, split in task.splits.items()}
    search = {name: take_rows(task.splits[name], ~sides[name]) for name in SPLIT_NAMES}
    search = _with_all_classes_in_train(search)
    empty = [name for name, split in search.items() if not len(split)]
    if empty:
        raise DataError(
            f"Task {task.name!r} has too few rows: nothing is left for {' and '.join(empty)} once"
            f" {fraction:.0%} are set aside",
            hint="Give more rows, or set a smaller share aside",
        )
    rows = all_rows(task)
    aside = np.concatenate([sides[name] for name in task.splits])
    other = take_rows(rows, aside)
    seen = () if champion_rows is None else (champion_rows,)
    fresh = take_rows(other, fresh_rows(other, seen))
    try:
        task_file = _write_search_side(task, search, search_folder)
        _write_fresh_side(as_test_split(task, fresh), fresh_folder)
    except OSError as error:
        raise DataError(
            f"{error.filename or search_folder} cannot be written: {error.strerror or error}",
            hint="Check the free space and the permissions of that folder",
        ) from error
    return FreshSplit(
        task_file=task_file,
        fresh_folder=fresh_folder,
        search_rows={name: len(split) for name, split in search.items()},
        set_aside=len(other),
        fresh=len(fresh),
    )


def _with_all_classes_in_train(splits: dict[SplitName, Split]) -> dict[SplitName, Split]:
    """Move the rows of classes without a training row to the training split."""
    train = splits["train"]
    moved = [train]
    kept: dict[SplitName, Split] = {}
    for name, split in splits.items():
        if name == "train":
            continue
        missing = ~np.isin(split.labels, train.labels)
        moved.append(take_rows(split, missing))
        kept[name] = take_rows(split, ~missing) if missing.any() else split
    return {"train": concatenate_rows(moved), **kept}


def _write_search_side(task: Task, splits: dict[SplitName, Split], folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    document: dict[str, object] = {"name": task.name, "type": str(task.type)}
    names = np.array(task.labels, dtype=object)
    for name, split in splits.items():
        columns = {"text": split.texts}
        if split.text_pairs is not None:
            columns["text_pair"] = split.text_pairs
        columns["label"] = pa.array(names[split.labels], type=pa.large_string())
        pq.write_table(pa.table(columns), folder / f"{name}.parquet")
        document[name] = f"{name}.parquet"
    document |= {"text": "text", "label": "label", "labels": list(task.labels)}
    if task.has_pairs:
        document["text_pair"] = "text_pair"
    if task.languages:
        document["languages"] = list(task.languages)
    path = folder / TASK_FILE
    path.write_text(yaml.safe_dump(document, sort_keys=False, allow_unicode=True), "utf-8")
    return path


def _write_fresh_side(task: Task, folder: Path) -> None:
    """Write the rows, and give their folder the name that was asked for."""
    if folder.exists() and any(folder.iterdir()) and not (folder / PREPARED_FILE).is_file():
        raise DataError(
            f"{folder} exists and holds something else",
            hint="Give an empty folder for the rows that are set aside",
        )
    draft = folder.with_name(f".{folder.name}-draft")
    shutil.rmtree(draft, ignore_errors=True)
    prepared = write_prepared(task, draft)
    shutil.rmtree(folder, ignore_errors=True)
    prepared.rename(folder)
    shutil.rmtree(draft, ignore_errors=True)
