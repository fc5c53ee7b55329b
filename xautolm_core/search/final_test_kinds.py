"""What the final test does for each kind of task, found by name.

A package that offers a kind of task (``xautolm.task_types``) offers its test under the same name
through the entry point group ``xautolm.task_tests``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Any
from typing import Protocol

from xautolm_core.plugins import Registry
from xautolm_core.tasks.spec import TaskType

if TYPE_CHECKING:
    import numpy as np

    from xautolm_core.search.contract import TrialRecord
    from xautolm_core.search.test_report import AnyTestReport
    from xautolm_core.search.test_report import ModelComparison
    from xautolm_core.tasks.task import Task

FINAL_TEST_KINDS = Registry(
    "xautolm.task_tests",
    "test of a task type",
    {
        TaskType.TEXT_CLASSIFICATION: "xautolm_core.search.class_test:CLASS_TEST",
        TaskType.QUESTION_ANSWERING: "xautolm_core.search.question_test:QUESTION_TEST",
        TaskType.TEXT_GENERATION: "xautolm_core.search.generation_test:GENERATION_TEST",
    },
)


@dataclass(frozen=True)
class TestedModel:
    """What a model came to on the test split.

    Attributes:
        report: Its scores.
        answers: What a comparison needs of each row: the class index that the model gave to it,
            int64, or the F1 of its answer, float64.
    """

    __test__ = False

    report: AnyTestReport
    answers: np.ndarray


class FinalTestKind(Protocol):
    """How models of one kind of task are tested."""

    def tested_rows(self, task: Task[Any], *, budget_seconds: float | None = None) -> int:
        """Return how many rows of the test split a model answers.

        Args:
            task: The task.
            budget_seconds: Budget of the search; None for none.
        """

    def read(self, document: bytes, task: Task[Any]) -> TestedModel:
        """Score what a model answered to the test split.

        Args:
            document: What ``trial.answers`` wrote, JSON.
            task: The task.

        Raises:
            ValueError: These are no answers to the rows; the message says why, after "it" or "its".
        """

    def compare(
        self,
        trials: tuple[TrialRecord, TrialRecord],
        models: tuple[TestedModel, TestedModel],
        task: Task[Any],
        *,
        seed: int,
    ) -> ModelComparison:
        """Compare a language model with a cheap candidate on the rows that both have answered.

        Args:
            trials: Both trials, in either order.
            models: What their models came to.
            task: The task.
            seed: Of the bootstrap.
        """


def final_test_kind(name: str) -> FinalTestKind:
    """Return how models of a kind of task are tested.

    Raises:
        ConfigError: There is no such kind, or its package is broken.
    """
    kind: FinalTestKind = FINAL_TEST_KINDS.load(name)
    return kind
