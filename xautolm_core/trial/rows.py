"""Which rows of a task a trial uses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from xautolm_core.records.methods import MAX_GENERATED_ROWS
from xautolm_core.space.hyperparameters import row_share
from xautolm_core.space.screening import screening_rows
from xautolm_core.tasks.conversations import GenerationTask
from xautolm_core.tasks.questions import QuestionSplit
from xautolm_core.tasks.questions import QuestionTask
from xautolm_core.tasks.sampling import stratified_sample
from xautolm_core.tasks.task import Task
from xautolm_core.trial.contract import TrialSpec


@dataclass(frozen=True)
class TrialRows:
    """Row numbers of a trial's training and validation rows; int64."""

    train: np.ndarray
    validation: np.ndarray


def choose_rows(task: Task, spec: TrialSpec) -> TrialRows:
    """Return the rows that a trial's budget allows, stratified by class and seeded.

    All screening trials of a task have the same ones, whatever their seeds.
    """
    return choose_stratified(task.train.labels, task.validation.labels, spec)


def choose_questions(task: QuestionTask, spec: TrialSpec) -> TrialRows:
    """Return the questions that a trial's budget allows, seeded.

    They are stratified by whether the passage answers them.
    """
    train, validation = (has_answers(split) for split in (task.train, task.validation))
    return choose_stratified(train, validation, spec)


def choose_conversations(task: GenerationTask, spec: TrialSpec) -> TrialRows:
    """Return the rows of text generation that a trial's budget allows, seeded."""
    train, validation = (np.zeros(len(split)) for split in (task.train, task.validation))
    return choose_stratified(train, validation, spec)


def generated_rows(rows: int, most: int | None = None) -> np.ndarray:
    """Return the rows of a split of text generation that are scored: all, or a seeded sample.

    Args:
        rows: Rows of the split.
        most: Fewer than ``MAX_GENERATED_ROWS``, where the time is short.

    Returns:
        Row numbers from 0 in ascending order, int64; at most ``MAX_GENERATED_ROWS``.
    """
    return stratified_sample(np.zeros(rows), min(most or rows, MAX_GENERATED_ROWS), 0)


def has_answers(split: QuestionSplit) -> np.ndarray:
    """Whether each question of a split has an accepted answer, bool."""
    import pyarrow.compute as pc

    lengths = pc.list_value_length(split.answers).to_numpy()
    found: np.ndarray = lengths > 0
    return found


def choose_stratified(train: np.ndarray, validation: np.ndarray, spec: TrialSpec) -> TrialRows:
    """Return the rows that a trial's budget allows, and of these the share that it asks for.

    Args:
        train: Stratum of each training row.
        validation: Stratum of each validation row.
        spec: The trial.
    """
    budget = spec.budget
    share = budget.data_fraction * row_share(spec.configuration)
    size, seed = max(round(len(train) * share), 1), spec.seed
    limit = budget.max_validation_rows or len(validation)
    screened = screening_rows(spec.configuration)
    if screened is not None:
        size, limit, seed = min(size, screened), min(limit, screened), 0
    return TrialRows(
        stratified_sample(train, size, seed),
        # Not seeded by the trial: all trials of a search are scored on the same rows.
        stratified_sample(validation, limit, 0),
    )
