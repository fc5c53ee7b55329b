"""What a kind of task is: one object for each, found by name.

A package offers a kind of its own through the entry point group ``xautolm.task_types``. What higher
rooms need of a kind (meta-features, the final test, parts of the report) is registered there, under
the same name.
"""

from __future__ import annotations

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
    import pyarrow as pa

S = TypeVar("S", bound=Sized)

TASK_TYPES = Registry(
    "xautolm.task_types",
    "task type",
    {
        TaskType.TEXT_CLASSIFICATION: "xautolm_core.tasks.classification:CLASSIFICATION",
        TaskType.QUESTION_ANSWERING: "xautolm_core.tasks.question_answering:QUESTION_ANSWERING",
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
    """One kind of task: how its rows are stored, and what it is scored by."""

    name: str
    primary: PrimaryScore

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
