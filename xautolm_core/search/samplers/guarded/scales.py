"""Learn the scales of the covariance on the tasks of a history."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from xautolm_core.search.samplers.guarded.kernel import KernelScales
from xautolm_core.search.samplers.guarded.transfer import SharedProcess
from xautolm_core.search.samplers.guarded.transfer import TaskTrials

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_ROWS = 200
"""Most trials that the scales are learnt on."""

LEAST_ROWS = 60
"""Least trials; with fewer the default scales stay."""

_FACTORS = (0.5, 0.7, 1.4, 2.0)
_PASSES = 2
_SPREAD = 0.7
"""Prior standard deviation of the logarithm of a scale over its default."""

Change = Callable[[KernelScales, float], KernelScales]


def learnt_scales(trials: TaskTrials | None, usual: KernelScales) -> KernelScales:
    """Return the scales of the highest posterior probability given the trials of the history.

    Each scale in turn is multiplied by a few factors, and the best is kept; a log-normal prior
    around the default scales decides where the trials do not.

    Args:
        trials: Trials for one objective; None without a history.
        usual: The default scales.
    """
    if trials is None or len(trials.scores) < LEAST_ROWS:
        return usual
    sample = _sample(trials)
    found, penalties = usual, dict.fromkeys(range(len(list(_changes(usual)))), 0.0)
    best = SharedProcess(sample, found).log_evidence
    for _ in range(_PASSES):
        moved = False
        for place, change in enumerate(_changes(found)):
            for factor in _FACTORS:
                tried = change(found, factor)
                if tried == found:
                    continue
                distance = penalties[place] + math.log(factor)
                evidence = SharedProcess(sample, tried).log_evidence
                gain = evidence - best - 0.5 * (distance**2 - penalties[place] ** 2) / _SPREAD**2
                if gain > 0:
                    found, best, moved = tried, evidence, True
                    penalties[place] = distance
        if not moved:
            break
    return found


def _changes(scales: KernelScales) -> Iterator[Change]:
    """Yield a function for each scale that multiplies it."""
    yield lambda one, factor: replace(one, noise=max(0.02, one.noise * factor))
    yield lambda one, factor: replace(one, own_share=min(0.9, max(0.05, one.own_share * factor)))
    yield lambda one, factor: replace(one, model_length=one.model_length * factor)
    yield lambda one, factor: replace(
        one, identity_share=min(0.95, max(0.02, one.identity_share * factor))
    )
    yield lambda one, factor: replace(
        one, method_factor=min(0.99, max(0.02, one.method_factor * factor))
    )
    yield lambda one, factor: replace(one, cost_share=min(0.95, one.cost_share * factor))
    for column in range(len(scales.lengths)):
        yield _length_change(column)
    for column in range(len(scales.choice_factors)):
        yield _choice_change(column)


def _length_change(column: int) -> Change:
    def change(one: KernelScales, factor: float) -> KernelScales:
        lengths = list(one.lengths)
        lengths[column] *= factor
        return replace(one, lengths=tuple(lengths))

    return change


def _choice_change(column: int) -> Change:
    def change(one: KernelScales, factor: float) -> KernelScales:
        # The distance of two values: 1 minus their covariance.
        factors = list(one.choice_factors)
        factors[column] = math.exp(math.log(factors[column]) * factor)
        return replace(one, choice_factors=tuple(factors))

    return change


def _sample(trials: TaskTrials) -> TaskTrials:
    """Return at most ``MOST_ROWS`` trials, evenly spread."""
    if len(trials.scores) <= MOST_ROWS:
        return trials
    places = np.linspace(0, len(trials.scores) - 1, MOST_ROWS).round().astype(int)
    return TaskTrials(
        trials.design.take(places),
        trials.task[places],
        trials.scores[places],
        trials.weight,
        trials.own,
    )
