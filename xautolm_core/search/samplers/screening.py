"""What screening trials say of models: evidence for samplers, of this search and of earlier ones.

Scores compare within one task alone: they are of probes on the same rows. A probe on all rows of a
task with fewer than ``SCREENING_ROWS`` training rows saw the same ones, and counts as well where
its model has no screening trial of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from optuna.trial import TrialState

from xautolm_core.records.methods import LINEAR_PROBE
from xautolm_core.search.samplers.base import METHOD_ATTRIBUTE
from xautolm_core.search.samplers.base import MODEL_ATTRIBUTE
from xautolm_core.search.samplers.base import ROWS_ATTRIBUTE
from xautolm_core.search.samplers.base import SCREENING_ATTRIBUTE
from xautolm_core.search.samplers.recall import ROWS_FEATURES
from xautolm_core.search.samplers.selection import has_score
from xautolm_core.search.samplers.selection import primary_scores
from xautolm_core.search.samplers.selection import screening_trials
from xautolm_core.space.screening import SCREENING_ROWS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from optuna import Study

    from xautolm_core.search.history.arrays import History

_LEAST_SPREAD = 0.01
"""Standard deviation of screening scores, at least: smaller ones are luck."""


def screening_scores(study: Study) -> dict[str, float]:
    """Return model id to macro-F1 on validation, of the models that a search has screened so far.

    Args:
        study: The search's, whose first objective is macro-F1.
    """
    screened: dict[str, float] = {}
    probed: dict[str, tuple[int, float]] = {}
    rows_used: set[int] = set()
    for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        attributes = trial.user_attrs
        if attributes.get(METHOD_ATTRIBUTE) != LINEAR_PROBE:
            continue
        model, rows = attributes[MODEL_ATTRIBUTE], attributes.get(ROWS_ATTRIBUTE, 0)
        if SCREENING_ATTRIBUTE in attributes:
            screened[model] = trial.values[0]
            rows_used.add(rows)
        else:
            probed[model] = (rows, trial.values[0])
    for model, (rows, score) in probed.items():
        # So few rows are all that there are, and not what a deadline has left of more.
        if rows < SCREENING_ROWS and rows in rows_used:
            screened.setdefault(model, score)
    return screened


def past_screening_scores(history: History, rows: History | None = None) -> NDArray[np.float64]:
    """Return the screening score of each row's model on that row's task, shape (rows,).

    NaN stands where the model was not screened on that task; the mean where it was so repeatedly.

    Args:
        history: Earlier experiences, cheap ones included.
        rows: Those of the history (by ``History.take``) that scores are wanted for; all if None.
    """
    wanted = history if rows is None else rows
    is_probe = has_score(history) & history.method.equals(LINEAR_PROBE)
    is_own = is_probe & screening_trials(history)
    columns = history.task_features.columns(ROWS_FEATURES)
    # A task has one of them.
    sizes = np.where(np.isnan(columns[:, 0]), columns[:, 1], columns[:, 0])
    is_small = np.append(sizes < SCREENING_ROWS, False)[history.task_features.codes]
    scores = primary_scores(history)
    models = len(history.model.values)
    count = len(history.task.values) * models
    found = np.full(count, np.nan)
    pairs = history.task.codes.astype(np.int64) * models + history.model.codes
    for chosen in (is_probe & is_small & ~screening_trials(history), is_own):
        times = np.bincount(pairs[chosen], minlength=count)
        sums = np.bincount(pairs[chosen], weights=scores[chosen], minlength=count)
        found = np.where(times > 0, sums / np.maximum(times, 1), found)
    return np.asarray(found[wanted.task.codes.astype(np.int64) * models + wanted.model.codes])


def relative_screening(scores: Mapping[str, float]) -> dict[str, float]:
    """Return screening scores in standard deviations from their mean over the models of a task."""
    if len(scores) < 2:
        return dict.fromkeys(scores, 0.0)
    values = np.asarray(list(scores.values()))
    spread = max(float(values.std()), _LEAST_SPREAD)
    return {name: (score - float(values.mean())) / spread for name, score in scores.items()}
