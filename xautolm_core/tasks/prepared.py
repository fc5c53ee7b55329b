"""Prepared tasks: Arrow files that every trial maps into memory instead of reading the data."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Sized
from pathlib import Path
from typing import Any
from typing import Literal

import pyarrow as pa
import pyarrow.ipc
from pydantic import BaseModel
from pydantic import ConfigDict
from pydantic import ValidationError

from xautolm_core.errors import ConfigError
from xautolm_core.errors import DataError
from xautolm_core.tasks.conversations import GenerationTask
from xautolm_core.tasks.questions import QuestionTask
from xautolm_core.tasks.spec import TaskType
from xautolm_core.tasks.task import SPLIT_NAMES
from xautolm_core.tasks.task import AnyTask
from xautolm_core.tasks.task import SplitName
from xautolm_core.tasks.task import Task
from xautolm_core.tasks.task_type import TaskKind
from xautolm_core.tasks.task_type import task_kind

TASK_FILE = "task.json"
TASKS_FOLDER = "tasks"
_READ_BYTES = 1 << 20


class PreparedTask(BaseModel):
    """The manifest of a prepared task, beside its Arrow files.

    Attributes:
        rows: Split name to number of rows.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    schema_version: Literal[1] = 1
    name: str
    type: str
    fingerprint: str
    labels: tuple[str, ...]
    rows: dict[SplitName, int]
    languages: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def write_prepared(task: AnyTask, cache_folder: Path) -> Path:
    """Write a task so that other processes can map it into memory.

    The folder's name is made from the task's fingerprint and a digest of exactly what is written
    (rows in their order, splits, labels): the same task is written once, another split of the same
    data goes elsewhere. It appears whole or not at all, also with concurrent writers.

    Args:
        task: The task.
        cache_folder: Where prepared tasks are kept; created if it does not exist.

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


def _write_files(task: AnyTask, folder: Path) -> str:
    """Write the files and return their digest."""
    digest = hashlib.sha256()
    kind = task_kind(task.type)
    for split in SPLIT_NAMES:
        path = folder / f"{split}.arrow"
        _write_split(kind, task.splits[split], path)
        with path.open("rb") as file:
            while chunk := file.read(_READ_BYTES):
                digest.update(chunk)
    description = PreparedTask(
        name=task.name,
        type=task.type,
        fingerprint=task.fingerprint,
        labels=task.labels,
        rows={split: len(task.splits[split]) for split in SPLIT_NAMES},
        languages=task.languages,
        warnings=task.warnings,
    )
    text = description.model_dump_json(indent=1)
    (folder / TASK_FILE).write_text(text, encoding="utf-8")
    digest.update(text.encode())
    return digest.hexdigest()


def _write_split(kind: TaskKind[Any], split: Sized, path: Path) -> None:
    """Write one split as one record batch, so that a reader need not copy to join chunks."""
    columns = kind.columns(split)
    batch = pa.record_batch(list(columns.values()), names=list(columns))
    with pa.OSFile(str(path), "wb") as file, pyarrow.ipc.new_file(file, batch.schema) as writer:
        writer.write_batch(batch)


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
    """Map a prepared classification task into memory.

    Args:
        folder: What ``write_prepared`` returned.

    Returns:
        The task; its texts and labels stay on disk until they are touched.

    Raises:
        DataError: If the folder is not a complete prepared task, or one of another kind.
    """
    task: Task = _open_kind(folder, TaskType.TEXT_CLASSIFICATION)
    return task


def open_prepared_questions(folder: Path) -> QuestionTask:
    """Map a prepared question answering task into memory.

    Args:
        folder: What ``write_prepared`` returned.

    Returns:
        The task; its rows stay on disk until they are touched.

    Raises:
        DataError: If the folder is not a complete prepared task, or one of another kind.
    """
    task: QuestionTask = _open_kind(folder, TaskType.QUESTION_ANSWERING)
    return task


def open_prepared_conversations(folder: Path) -> GenerationTask:
    """Map a prepared text generation task into memory.

    Args:
        folder: What ``write_prepared`` returned.

    Returns:
        The task; its rows stay on disk until they are touched.

    Raises:
        DataError: If the folder is not a complete prepared task, or one of another kind.
    """
    task: GenerationTask = _open_kind(folder, TaskType.TEXT_GENERATION)
    return task


def _open_kind(folder: Path, name: str) -> Any:
    task = open_any_prepared(folder)
    if task.type != name:
        raise DataError(
            f"{folder} is a prepared task of {task.type}, not of {name}",
            hint="Give a task of the kind that is asked for",
        )
    return task


def open_any_prepared(folder: Path) -> AnyTask:
    """Map a prepared task of whichever kind into memory.

    Args:
        folder: What ``write_prepared`` returned.

    Raises:
        DataError: If the folder is not a complete prepared task.
    """
    folder = Path(folder)
    try:
        description = PreparedTask.model_validate(
            json.loads((folder / TASK_FILE).read_text(encoding="utf-8"))
        )
        kind = task_kind(description.type)
        splits = {
            split: kind.split(_open_table(folder / f"{split}.arrow")) for split in SPLIT_NAMES
        }
    except (
        OSError,
        ValueError,
        ValidationError,
        KeyError,
        ConfigError,
        pa.ArrowException,
    ) as error:
        raise DataError(
            f"{folder} is not a complete prepared task ({type(error).__name__})",
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


def _open_table(path: Path) -> pa.Table:
    """Map one Arrow file into memory."""
    with pa.memory_map(str(path), "r") as source:
        return pyarrow.ipc.open_file(source).read_all()
