"""Explain a guarded proposal in the terms and units of the search."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import logsumexp

from xautolm_core.search.explanation import NearTask
from xautolm_core.search.explanation import PredictedRange
from xautolm_core.search.explanation import TrialExplanation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xautolm_core.search.contract import Objective
    from xautolm_core.search.samplers.guarded.expectation import Expectation
    from xautolm_core.search.samplers.guarded.memory import Memory

_TASKS_NAMED = 5
_NOISE_OF_A_TASK = 0.8


def explanation(
    memory: Memory,
    found: Expectation,
    row: int,
    objectives: tuple[Objective, ...],
    *,
    failure_probabilities: Mapping[str, float],
    failure_probability: float | None,
) -> TrialExplanation:
    """Return the explanation of a proposal.

    Args:
        memory: The history's structures.
        found: The predictions.
        row: Row of the configuration.
        objectives: The objectives.
        failure_probabilities: By kind.
        failure_probability: Of any kind; None without a failure model.
    """
    structures = {}
    predictions: dict[str, PredictedRange] = {}
    for column, objective in enumerate(objectives):
        beliefs = found.beliefs[column]
        structures[objective.value] = {
            str(one): round(weight, 4)
            for one, weight in beliefs.by_structure().items()
            if weight > 0
        }
        prediction = memory.outcome_scales[column].prediction(
            found.values[:, column],
            found.scores[:, column],
            beliefs.average()[: found.scored],
            float(beliefs.average()[row]),
            float(beliefs.spread()[row]),
        )
        if prediction is not None:
            predictions[objective.value] = prediction
    return TrialExplanation(
        structures=structures,
        nearest_tasks=nearest_tasks(memory, found),
        predictions=predictions,
        failure_probabilities=failure_probabilities,
        failure_probability=failure_probability,
    )


def nearest_tasks(memory: Memory, found: Expectation) -> tuple[NearTask, ...]:
    """Return the earlier tasks whose scores are most like those of the own trials.

    The weight of a task is the likelihood of the own scores under the task's predictions, up to a
    constant; without own trials tasks of equal trust have equal weights.
    """
    sources = memory.sources
    transfer = memory.structures[0].transfer
    if transfer is None:
        return ()
    logarithms = np.log(np.maximum(sources.trust, 1e-9))
    if found.scored:
        design = found.design.take(slice(found.scored))
        distance = transfer.by_task(design) - found.scores[None, :, 0]
        distance = distance - distance.mean(axis=1, keepdims=True)
        logarithms = logarithms - 0.5 * (distance**2).sum(axis=1) / _NOISE_OF_A_TASK
    weights = np.exp(logarithms - logsumexp(logarithms))
    counts = np.bincount(sources.task, minlength=len(sources.names))
    # Rounded, so that equal weights are in the order of the names.
    order = np.lexsort((np.asarray(sources.names), -weights.round(9)))
    return tuple(
        NearTask(name=sources.names[i], weight=float(weights[i]), trials=int(counts[i]))
        for i in order[:_TASKS_NAMED].tolist()
    )
