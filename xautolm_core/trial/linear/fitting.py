"""What the fits of a linear trial share: its rows, its time, and how it is scored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from xautolm_core.records.scores import Score
from xautolm_core.tasks.scores import classification_scores
from xautolm_core.tasks.task import Task
from xautolm_core.trial.contract import TrialSpec
from xautolm_core.trial.linear.parts import LinearPart
from xautolm_core.trial.linear.regression import Limits
from xautolm_core.trial.linear.regression import LinearModel
from xautolm_core.trial.linear.regression import Setting
from xautolm_core.trial.plan import Deadline
from xautolm_core.trial.rows import TrialRows
from xautolm_core.trial.scoring import score_logits
from xautolm_core.trial.sigterm import Interruption
from xautolm_core.trial.state import TrialState


@dataclass(frozen=True)
class FittedPart:
    """A part as it was fitted in a trial.

    Attributes:
        part: The regression and where its features come from.
        setting: What it was fitted with.
        logits: Of the trial's validation rows, float32.
        rows: Number of training rows.
    """

    part: LinearPart
    setting: Setting
    logits: np.ndarray
    rows: int


@dataclass(frozen=True)
class LinearTrial:
    """A linear trial at work.

    Attributes:
        spec: What is asked.
        state: Is kept up to date.
        interruption: Is looked at between two steps.
        task: The task.
        rows: The rows that the budget allows.
        deadline: Of training and evaluation.
    """

    spec: TrialSpec
    state: TrialState
    interruption: Interruption
    task: Task
    rows: TrialRows
    deadline: Deadline

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.task.labels)

    @property
    def labels(self) -> np.ndarray:
        """Class of each row of the training split, int64."""
        return self.task.train.labels.astype(np.int64)

    @property
    def truth(self) -> np.ndarray:
        """Class of each validation row of the trial, int64."""
        return self.task.validation.labels[self.rows.validation].astype(np.int64)

    def limits(self, share: float) -> Limits:
        """Return the limits of a part that may use a share of the time that is left now."""
        others = (1 - share) * self.deadline.left()
        left: Callable[[], float] = self.deadline.left
        if np.isfinite(others):
            return Limits(lambda: left() - others, self.interruption.check)
        return Limits(left, self.interruption.check)

    def score(self, model: LinearModel, features: Any) -> float:
        """Return the macro-F1 of a model on features of the validation rows."""
        with self.state.clock.phase("evaluate"):
            return self.macro_f1(model.logits(features))

    def macro_f1(self, logits: np.ndarray) -> float:
        """Return the macro-F1 of logits of the validation rows."""
        return classification_scores(self.truth, logits.argmax(1), self.task.labels).macro_f1

    def note(self, logits: np.ndarray, rows: int) -> None:
        """Take down how good the final model's logits of the validation rows are.

        Args:
            logits: float32, (rows, classes).
            rows: Training rows that it saw.

        Raises:
            Diverged: A logit is not finite.
        """
        state = self.state
        found = score_logits(logits, self.truth, self.task.labels)
        state.rows, state.epochs, state.best_epoch = rows, 1.0, 1
        state.best_score = found.macro_f1
        state.scores = {
            "macro_f1": Score(value=found.macro_f1),
            "accuracy": Score(value=found.accuracy),
        }
