"""The update rules of the probabilistic model.

Source: XAutoLM, arXiv 2508.00924, and AutoGOAL's sampler. With a learning rate ``a`` and the
observed values ``U`` of a handle:

* branch: ``w <- w + a * (number of picks)``
* categorical: ``weight[i] <- weight[i] + a`` for each observation of ``i``, then the weights are
  divided by their sum
* whole number: ``mean <- (1 - a) * mean + a * mean(U)``; ``dev <- (1 - a) * dev + a * std(U)``
* switch: ``p <- (1 - a) * p + a * mean(U)``
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field

import numpy as np

from xautolm_core.records.configuration import Value
from xautolm_core.search.samplers.probabilistic_model import SAMPLING_FLOOR
from xautolm_core.search.samplers.probabilistic_model import Bernoulli
from xautolm_core.search.samplers.probabilistic_model import CategoricalWeights
from xautolm_core.search.samplers.probabilistic_model import Gaussian
from xautolm_core.search.samplers.probabilistic_model import ProbabilisticModel
from xautolm_core.space.parameters import ValueKey
from xautolm_core.space.parameters import value_key

ZERO_BRANCH_WEIGHT = 1e-3
"""A branch's weight that becomes exactly 0 in a replay is set to this (as the paper does)."""

_LARGEST_WEIGHT = 1e6


@dataclass(frozen=True)
class Observation:
    """The known choices of one configuration.

    Attributes:
        branch: Its branch.
        values: Handle to chosen value; unknown ones are absent.
    """

    branch: str
    values: Mapping[str, Value] = field(default_factory=dict)


def update(
    model: ProbabilisticModel,
    observations: Iterable[Observation],
    rate: float,
    *,
    branch_rate: float | None = None,
) -> None:
    """Move a model towards observations (or away from them, with a negative rate), in place.

    Args:
        model: The model to change.
        observations: Merged into one update.
        rate: Learning rate, at most 1.
        branch_rate: Learning rate of the branches' weights; ``rate`` if None.
    """
    if branch_rate is None:
        branch_rate = rate
    values: dict[str, list[Value]] = {}
    for observation in observations:
        if observation.branch in model.branches:
            model.branches[observation.branch] += branch_rate
        for handle, value in observation.values.items():
            values.setdefault(handle, []).append(value)
    for handle, seen in values.items():
        match model.distributions.get(handle):
            case CategoricalWeights() as categorical:
                move_categorical(categorical, map(value_key, seen), rate)
            case Gaussian() as gaussian:
                numbers = np.asarray(seen, dtype=float)
                gaussian.mean = (1 - rate) * gaussian.mean + rate * float(numbers.mean())
                gaussian.deviation = (1 - rate) * gaussian.deviation + rate * float(numbers.std())
            case Bernoulli() as bernoulli:
                share = float(np.mean([bool(value) for value in seen]))
                bernoulli.probability = (1 - rate) * bernoulli.probability + rate * share


def move_categorical(
    categorical: CategoricalWeights, seen: Iterable[ValueKey], rate: float
) -> None:
    """Move the weights of one handle towards the observed values, in place.

    Args:
        categorical: The weights.
        seen: Keys of the values (see ``value_key``); unknown ones are skipped.
        rate: Learning rate, at most 1.
    """
    weights = categorical.weights
    for key in seen:
        if key in weights:
            weights[key] += rate
    total = math.fsum(weights.values())
    # The rule divides by the sum, which a rate near -1 can bring to zero or below: there, and only
    # there, negative weights are clipped before, since the quotients would mean nothing.
    if total <= SAMPLING_FLOOR or max(map(abs, weights.values())) > _LARGEST_WEIGHT * total:
        for key, weight in weights.items():
            weights[key] = max(weight, SAMPLING_FLOOR)
        total = math.fsum(weights.values())
    for key in weights:
        weights[key] /= total
