"""Loading a task: read its data, find out what kind of task it is, and let that kind check them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xautolm_core.errors import DataError
from xautolm_core.tasks.locate import read_splits
from xautolm_core.tasks.spec import TaskSpec
from xautolm_core.tasks.spec import TaskType
from xautolm_core.tasks.task_type import find_kind
from xautolm_core.tasks.task_type import task_kind

if TYPE_CHECKING:
    from xautolm_core.tasks.task import AnyTask
    from xautolm_core.tasks.task import Task


def load_task(spec: TaskSpec) -> AnyTask:
    """Read a task's data and check them, whatever kind of task it is.

    Args:
        spec: The task's description; where it names no kind, the columns tell it.

    Returns:
        The task with all three splits.

    Raises:
        ConfigError: There is no such kind of task.
        DataError: If the data cannot be used; nothing is written in any case.
    """
    tables = dict(read_splits(spec))
    kind = find_kind(tables["train"], spec) if spec.type is None else task_kind(spec.type)
    task: AnyTask = kind.load(spec, tables)
    return task


def load_labelled_task(spec: TaskSpec) -> Task:
    """Read the data of a classification task, for what can be done with no other kind yet.

    Raises:
        DataError: If the data cannot be used, or are those of another kind of task.
    """
    kind = TaskType.TEXT_CLASSIFICATION
    if spec.type not in (None, kind):
        raise DataError(
            f"Task {spec.name or spec.data} is one of {spec.type}, and this is for {kind} alone",
            hint="Search anew on all data, and compare both reports",
        )
    tables = dict(read_splits(spec))
    found = find_kind(tables["train"], spec) if spec.type is None else task_kind(kind)
    if found.name != kind:
        return load_labelled_task(spec.model_copy(update={"type": found.name}))
    task: Task = found.load(spec, tables)
    return task
