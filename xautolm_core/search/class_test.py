"""The final test of text classification: classes of the test rows, compared by macro-F1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from xautolm_core.records.methods import is_cheap
from xautolm_core.search.final_test_kinds import TestedModel
from xautolm_core.search.test_report import INTERVAL_LEVEL
from xautolm_core.search.test_report import ModelComparison
from xautolm_core.search.test_report import TestReport
from xautolm_core.tasks.grouped import gain_interval
from xautolm_core.tasks.grouped import group_rows
from xautolm_core.tasks.scores import RARE_ROWS
from xautolm_core.tasks.scores import classification_scores
from xautolm_core.trial.answers import Answers

if TYPE_CHECKING:
    from xautolm_core.search.contract import TrialRecord
    from xautolm_core.tasks.task import Task


class ClassTest:
    """See ``FinalTestKind``."""

    def tested_rows(self, task: Task, *, budget_seconds: float | None = None) -> int:
        """Return the number of rows: all of them."""
        return len(task.test)

    def read(self, document: bytes, task: Task) -> TestedModel:
        """Score the classes that a model gave to the test split."""
        answers = read_classes(document, rows=len(task.test))
        if answers.labels != task.labels:
            raise ValueError("it was trained on a task with other classes")
        predicted = np.asarray(answers.predicted, dtype=np.int64)
        scores = classification_scores(task.test.labels, predicted, task.labels)
        report = TestReport(**vars(scores), rows=len(predicted), seconds=answers.seconds)
        return TestedModel(report, predicted)

    def compare(
        self,
        trials: tuple[TrialRecord, TrialRecord],
        models: tuple[TestedModel, TestedModel],
        task: Task,
        *,
        seed: int,
    ) -> ModelComparison:
        """Compare two models by macro-F1, with an interval by a paired bootstrap over rows."""
        return compare(
            *trials,
            truth=np.asarray(task.test.labels),
            first_answers=models[0].answers,
            second_answers=models[1].answers,
            labels=task.labels,
            seed=seed,
        )


def read_classes(document: bytes, *, rows: int) -> Answers:
    """Return the classes that a model gave to so many rows.

    Raises:
        ValueError: The document says something else.
    """
    answers = Answers.model_validate_json(document)
    most = max(answers.predicted, default=-1)
    if len(answers.predicted) != rows or (rows and most >= len(answers.labels)):
        raise ValueError("its answers do not belong to the rows")
    return answers


def compare(
    first: TrialRecord,
    second: TrialRecord,
    *,
    truth: np.ndarray,
    first_answers: np.ndarray,
    second_answers: np.ndarray,
    labels: Sequence[str],
    seed: int = 0,
) -> ModelComparison:
    """Compare a language model with a cheap candidate on the rows that both have answered.

    Args:
        first: One of both trials; the order does not matter.
        second: The other one.
        truth: Class index of each row.
        first_answers: Class index that the first model gave to each row.
        second_answers: Likewise the second one.
        labels: Class names in their order.
        seed: Of the bootstrap.

    Raises:
        ValueError: There are no rows, or both have answered different numbers of them.
    """
    if is_cheap(first.configuration.method):
        first, second = second, first
        first_answers, second_answers = second_answers, first_answers
    groups = group_rows(truth, second_answers, first_answers)
    low, high = gain_interval(groups, "macro_f1", np.random.default_rng(seed), level=INTERVAL_LEVEL)
    rows = np.bincount(np.asarray(truth, dtype=np.int64), minlength=len(labels))
    return ModelComparison(
        language_model=first.number,
        cheap=second.number,
        language_model_score=classification_scores(truth, first_answers, labels).macro_f1,
        cheap_score=classification_scores(truth, second_answers, labels).macro_f1,
        low=low,
        high=high,
        rare_classes={
            name: int(count)
            for name, count in zip(labels, rows, strict=True)
            if 0 < count < RARE_ROWS
        },
    )


CLASS_TEST = ClassTest()
