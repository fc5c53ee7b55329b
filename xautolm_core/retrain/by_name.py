"""Align the predictions of several models by the names of the classes.

A model may know other classes than the data have, in another order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from xautolm_core.tasks.task import Split
from xautolm_core.tasks.task import Task
from xautolm_core.trial.answers import Answers


@dataclass(frozen=True)
class NamedAnswers:
    """Truth and predictions as indices into one list of names.

    Attributes:
        names: Class names: those of the data first.
        truth: Class of each row.
        predicted: One array for each model.
    """

    names: tuple[str, ...]
    truth: np.ndarray
    predicted: tuple[np.ndarray, ...]


def by_name(task: Task, rows: Split, *answers: Answers) -> NamedAnswers:
    """Return truth and predictions as indices into one list of names."""
    names = tuple(dict.fromkeys([*task.labels, *(n for a in answers for n in a.labels)]))
    place = {name: index for index, name in enumerate(names)}

    def translated(labels: tuple[str, ...], index: np.ndarray) -> np.ndarray:
        lookup = np.array([place[name] for name in labels], dtype=np.int64)
        found: np.ndarray = lookup[index]
        return found

    return NamedAnswers(
        names=names,
        truth=translated(task.labels, rows.labels),
        predicted=tuple(
            translated(a.labels, np.asarray(a.predicted, dtype=np.int64)) for a in answers
        ),
    )
