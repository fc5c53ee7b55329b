"""Prepared tasks: Arrow files that every trial maps into memory instead of reading the data."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.ipc
from pydantic import BaseModel
from pydantic import ConfigDict
from pydantic import ValidationError

from xautolm_core.errors import DataError
from xautolm_core.tasks.spec import TaskType
from xautolm_core.tasks.task import SPLIT_NAMES
from xautolm_core.tasks.task import Split
from xautolm_core.tasks.task import SplitName
from xautolm_core.tasks.task import Task

TASK_FILE = "task.json"
TASKS_FOLDER = "tasks"
_READ_BYTES = 1 << 20


class PreparedTask(BaseModel):
    """What stands beside the Arrow files of a prepared task.

    Attributes:
        rows: Split name to number of rows.
        has_pairs: Whether a row has a second text.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    schema_version: Literal[1] = 1
    name: str
    type: TaskType
    fingerprint: str
    labels: tuple[str, ...]
    rows: dict[SplitName, int]
    has_pairs: bool
    languages: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def write_prepared(task: Task, cache_folder: Path) -> Path:
    """Write a task so that other processes can map it into memory.

    The folder's name is made from the task's fingerprint and a digest of exactly what is written
    (rows in their order, splits, labels): the same task is written once, another split of the same
    data goes elsewhere. It appears whole or not at all, whoever else writes at the same time.

    Args:
        task: The task.
        cache_folder: Where prepared tasks are kept; made if it does not exist.

    Returns:
        The folder of the prepared task.

    Raises:
        DataError: If the cache folder cannot be written.
    """
    parent = Path(cache_folder) / TASKS_FOLDER
    try:
        parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=parent))
        try:
            digest = _write_files(task, draft)
            folder = parent / f"{task.fingerprint[:16]}-{digest[:16]}"
            _publish(draft, folder)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    except OSError as error:
        raise DataError(
            f"{parent} cannot be written ({error.strerror or error})",
            hint="Check the space and the rights of that folder",
        ) from error
    return folder


def _write_files(task: Task, folder: Path) -> str:
    """Write the files and return their digest."""
    digest = hashlib.sha256()
    for split in SPLIT_NAMES:
        path = folder / f"{split}.arrow"
        _write_split(task.splits[split], path)
        with path.open("rb") as file:
            while chunk := file.read(_READ_BYTES):
                digest.update(chunk)
    description = PreparedTask(
        name=task.name,
        type=task.type,
        fingerprint=task.fingerprint,
        labels=task.labels,
        rows={split: len(task.splits[split]) for split in SPLIT_NAMES},
        has_pairs=task.has_pairs,
        languages=task.languages,
        warnings=task.warnings,
    )
    text = description.model_dump_json(indent=1)
    (folder / TASK_FILE).write_text(text, encoding="utf-8")
    digest.update(text.encode())
    return digest.hexdigest()


def _write_split(split: Split, path: Path) -> None:
    """Write one split as one record batch, so that a reader need not copy to join chunks."""
    columns: dict[str, pa.Array] = {"text": _joined(split.texts)}
    if split.text_pairs is not None:
        columns["text_pair"] = _joined(split.text_pairs)
    columns["label"] = pa.array(split.labels, type=pa.int32())
    batch = pa.record_batch(list(columns.values()), names=list(columns))
    with pa.OSFile(str(path), "wb") as file, pyarrow.ipc.new_file(file, batch.schema) as writer:
        writer.write_batch(batch)


def _joined(column: pa.ChunkedArray) -> pa.Array:
    """Return a column of strings as one array."""
    joined = column.cast(pa.large_string()).combine_chunks()
    if isinstance(joined, pa.ChunkedArray):
        joined = pa.concat_arrays(joined.chunks) if joined.num_chunks else pa.array([])
    return joined


def _publish(draft: Path, folder: Path) -> None:
    """Give the draft its final name; the first of several writers wins, all wrote the same."""
    draft.chmod(0o755)
    try:
        # A rename onto a folder with files in it fails, so nothing is ever replaced.
        os.rename(draft, folder)  # noqa: PTH104 - Path.rename says the same, less plainly
    except OSError:
        if not (folder / TASK_FILE).is_file():
            raise


def open_prepared(folder: Path) -> Task:
    """Map a prepared task into memory.

    Args:
        folder: What ``write_prepared`` returned.

    Returns:
        The task; its texts and labels stay on disk until they are touched.

    Raises:
        DataError: If the folder is no whole prepared task.
    """
    folder = Path(folder)
    try:
        description = PreparedTask.model_validate(
            json.loads((folder / TASK_FILE).read_text(encoding="utf-8"))
        )
        splits = {split: _open_split(folder / f"{split}.arrow") for split in SPLIT_NAMES}
    except (OSError, ValueError, ValidationError, KeyError, pa.ArrowException) as error:
        raise DataError(
            f"{folder} is no whole prepared task ({type(error).__name__})",
            hint="Delete the folder and prepare the task again",
        ) from error
    return Task(
        name=description.name,
        type=description.type,
        fingerprint=description.fingerprint,
        labels=description.labels,
        splits=splits,
        languages=description.languages,
        warnings=description.warnings,
    )


def _open_split(path: Path) -> Split:
    """Map one Arrow file into memory."""
    with pa.memory_map(str(path), "r") as source:
        table = pyarrow.ipc.open_file(source).read_all()
    pairs = table.column("text_pair") if "text_pair" in table.column_names else None
    labels = table.column("label")
    return Split(
        texts=table.column("text"),
        text_pairs=pairs,
        labels=labels.chunk(0).to_numpy(zero_copy_only=True),
    )
