"""What a kind of task is: one object for each, found by name.

A package offers a kind of its own through the entry point group ``xautolm.task_types``. What higher
rooms need of a kind (meta-features, the final test, parts of the report) is registered there, under
the same name.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from collections.abc import Sized
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Any
from typing import Protocol
from typing import TypeVar

from xautolm_core.plugins import Registry
from xautolm_core.tasks.spec import TaskType

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from xautolm_core.records.scores import Score
    from xautolm_core.tasks.spec import TaskSpec
    from xautolm_core.tasks.tables import Table
    from xautolm_core.tasks.task import SplitName
    from xautolm_core.tasks.task import Task

S = TypeVar("S", bound=Sized)

TASK_TYPES = Registry(
    "xautolm.task_types",
    "task type",
    {
        TaskType.TEXT_CLASSIFICATION: "xautolm_core.tasks.classification:CLASSIFICATION",
        TaskType.QUESTION_ANSWERING: "xautolm_core.tasks.question_answering:QUESTION_ANSWERING",
        TaskType.TEXT_GENERATION: "xautolm_core.tasks.generation:TEXT_GENERATION",
    },
)


@dataclass(frozen=True)
class PrimaryScore:
    """The score that a search optimises, as ``TrialResult.scores`` names it.

    Attributes:
        name: Its name in results and experiences.
        title: What people call it, as it stands within a sentence.
        maximize: Whether more is better.
        low: Least value.
        high: Largest value.
    """

    name: str
    title: str
    maximize: bool = True
    low: float = 0.0
    high: float = 1.0


class TaskKind(Protocol[S]):
    """One kind of task: how its data are read and stored, and what it is scored by.

    Attributes:
        name: As in ``TASK_TYPES``.
        title: What people call it, as it stands within a sentence.
        primary: What a search optimises.
        space: Preset that a search draws from if none is named.
    """

    name: str
    title: str
    primary: PrimaryScore
    space: str

    def claims(self, table: Table, spec: TaskSpec) -> bool:
        """Whether data are of this kind, by the training columns and by what is given."""

    def load(self, spec: TaskSpec, tables: dict[SplitName, Table]) -> Task[S]:
        """Check the data of a task, and cut the splits that are missing.

        Args:
            spec: The task's description.
            tables: Its data; ``train`` is among them.

        Raises:
            DataError: The data cannot be used.
        """

    def texts(self, split: S) -> Sequence[pa.ChunkedArray]:
        """Return the columns of texts that a model reads of each row."""

    def class_rows(self, task: Task[S]) -> Sequence[int]:
        """Return the training rows of each class; none where rows have no class."""

    def columns(self, split: S) -> Mapping[str, pa.Array]:
        """Return a split as columns that ``split`` reads back, for a prepared task."""

    def split(self, table: pa.Table) -> S:
        """Return the split that an Arrow table of these columns holds, without copying it."""


def task_kind(name: str) -> TaskKind[Any]:
    """Return the kind of task of that name.

    Raises:
        ConfigError: There is none, or its package is broken.
    """
    kind: TaskKind[Any] = TASK_TYPES.load(name)
    return kind


@functools.cache
def primary_names() -> tuple[str, ...]:
    """Return the names of the primary scores of all kinds of tasks, each once."""
    return tuple(dict.fromkeys(task_kind(name).primary.name for name in TASK_TYPES.names()))


def primary_score(scores: Mapping[str, Score]) -> Score | None:
    """Return the primary score among those of a trial; None if it has none.

    A trial has the scores of its own kind of task, of which one is primary.
    """
    return next((scores[name] for name in primary_names() if name in scores), None)


def primary_name(scores: Mapping[str, object]) -> str | None:
    """Return the name of the primary score among those of a trial; None if it has none."""
    return next((name for name in primary_names() if name in scores), None)


def primary_title(scores: Mapping[str, Score]) -> str:
    """Return what people call the primary score among those of a trial; ``score`` without one."""
    kinds = (task_kind(name) for name in TASK_TYPES.names())
    return next((kind.primary.title for kind in kinds if kind.primary.name in scores), "score")


def find_kind(table: Table, spec: TaskSpec) -> TaskKind[Any]:
    """Return the kind of task that data are of; classification if no other kind claims them.

    Args:
        table: The training split.
        spec: The task's description.

    Raises:
        ConfigError: A package that offers a kind is broken.
    """
    default = TaskType.TEXT_CLASSIFICATION
    kinds = (task_kind(name) for name in TASK_TYPES.names() if name != default)
    return next((kind for kind in kinds if kind.claims(table, spec)), task_kind(default))
