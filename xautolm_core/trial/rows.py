"""Which rows of a task a trial uses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from xautolm_core.space.screening import screening_rows
from xautolm_core.tasks.sampling import stratified_sample
from xautolm_core.tasks.task import Task
from xautolm_core.trial.contract import TrialSpec


@dataclass(frozen=True)
class TrialRows:
    """Row numbers of a trial's training and validation rows; int64."""

    train: np.ndarray
    validation: np.ndarray


def choose_rows(task: Task, spec: TrialSpec) -> TrialRows:
    """Return the rows that a trial's budget allows, stratified and seeded.

    All screening trials of a task have the same ones, whatever their seeds.
    """
    budget = spec.budget
    size, seed = max(round(len(task.train) * budget.data_fraction), 1), spec.seed
    limit = budget.max_validation_rows or len(task.validation)
    screened = screening_rows(spec.configuration)
    if screened is not None:
        size, limit, seed = min(size, screened), min(limit, screened), 0
    train = stratified_sample(task.train.labels, size, seed)
    # Not seeded by the trial: all trials of a search are scored on the same rows.
    validation = stratified_sample(task.validation.labels, limit, 0)
    return TrialRows(train, validation)
