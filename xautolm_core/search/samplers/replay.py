"""Replays experiences into a probabilistic model, all at once.

The result is that of ``updates.update`` with one experience after the other. With the learning
rates ``a`` of the experiences that say something of a handle:

* fine-tuner: ``w + sum of a``
* categorical: ``w <- (w + a e) / (1 + a)`` step by step is, at the end, ``w S_0 + sum over k of
  a_k / (1 + a_k) S_k e_k``, where ``S_k`` is the product of all later ``1 / (1 + a)``
* whole number and switch: a linear recurrence, which is cheap as it stands

Negative rates make the products grow, and with them the rounding errors; at last the rule clips
weights. From where the products of the negative rates pass ``_LARGEST_GROWTH`` on, and so long
before anything is clipped, up to the last negative rate, experiences are replayed step by step.
"""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from xautolm_core.experience.coded import NONE
from xautolm_core.search.samplers.probabilistic_model import Bernoulli
from xautolm_core.search.samplers.probabilistic_model import CategoricalWeights
from xautolm_core.search.samplers.probabilistic_model import Gaussian
from xautolm_core.search.samplers.probabilistic_model import ProbabilisticModel
from xautolm_core.search.samplers.updates import ZERO_BRANCH_WEIGHT
from xautolm_core.search.samplers.updates import move_categorical
from xautolm_core.space.parameters import value_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from xautolm_core.records.configuration import Value
    from xautolm_core.search.samplers.mapping import MappedHistory

_LARGEST_GROWTH = 1e3
_SMALLEST_STEP = 0.05
"""Least ``1 + a`` of a rate that is not replayed step by step."""


@dataclass(frozen=True)
class ReplayPlan:
    """Which experiences are replayed, in their order, and with which learning rates.

    Attributes:
        rows: Row of each experience; none twice.
        alpha: Signed learning rates, at most 1.
        branch_alpha: Learning rates of the fine-tuners' weights.
        similarity: Shape (rows of the history,): of each experience's task to the current one, in
            [0, 1].
    """

    rows: NDArray[np.int64]
    alpha: NDArray[np.float64]
    branch_alpha: NDArray[np.float64]
    similarity: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.rows)

    def in_order(self, order: NDArray[np.int64]) -> ReplayPlan:
        """Return the same in another order."""
        return replace(
            self,
            rows=self.rows[order],
            alpha=self.alpha[order],
            branch_alpha=self.branch_alpha[order],
        )


def replay(model: ProbabilisticModel, mapped: MappedHistory, plan: ReplayPlan) -> None:
    """Move a model by each experience of a plan in turn, in place.

    After each one, a fine-tuner's weight of exactly 0 becomes ``ZERO_BRANCH_WEIGHT``.
    """
    step_of = np.full(len(mapped.complete), NONE, dtype=np.int64)
    step_of[plan.rows] = np.arange(len(plan))
    steps_by_handle: dict[str, list[NDArray[np.int64]]] = {}
    values_by_handle: dict[str, list[NDArray[np.float64]]] = {}
    for one in mapped.branches:
        steps = step_of[one.rows]
        mine = np.sort(steps[steps != NONE])
        name = one.branch.name
        model.branches[name] = _branch_weight(model.branches[name], plan.branch_alpha[mine])
        for handle, column in one.values.items():
            numbers = _numbers(model, handle, column.values)
            seen = (steps != NONE) & (column.codes != NONE)
            steps_by_handle.setdefault(handle, []).append(steps[seen])
            values_by_handle.setdefault(handle, []).append(numbers[column.codes[seen]])
    for handle, parts in steps_by_handle.items():
        steps = np.concatenate(parts)
        order = np.argsort(steps)
        values = np.concatenate(values_by_handle[handle])[order]
        _move(model, handle, values, plan.alpha[steps[order]])


def _numbers(
    model: ProbabilisticModel, handle: str, values: Sequence[Value]
) -> NDArray[np.float64]:
    """Return each value as a number: of a choice its place among the weights."""
    distribution = model.distributions[handle]
    if isinstance(distribution, CategoricalWeights):
        place = {key: i for i, key in enumerate(distribution.weights)}
        return np.asarray([place.get(value_key(v), NONE) for v in values], dtype=float)
    return np.asarray([v if isinstance(v, (int, float)) else np.nan for v in values], dtype=float)


def _move(
    model: ProbabilisticModel,
    handle: str,
    values: NDArray[np.float64],
    rates: NDArray[np.float64],
) -> None:
    match model.distributions[handle]:
        case CategoricalWeights() as categorical:
            known = values != NONE
            replay_categorical(categorical, values[known].astype(np.int64), rates[known])
        case Gaussian() as gaussian:
            gaussian.mean = _recurrence(gaussian.mean, values, rates)
            gaussian.deviation = _recurrence(gaussian.deviation, np.zeros(len(rates)), rates)
        case Bernoulli() as bernoulli:
            bernoulli.probability = _recurrence(bernoulli.probability, values, rates)


def replay_categorical(
    categorical: CategoricalWeights, chosen: NDArray[np.int64], rates: NDArray[np.float64]
) -> None:
    """Move the weights of one handle, in place.

    Args:
        categorical: The weights.
        chosen: Place of each observed value among the weights.
        rates: Learning rate of each observation, at most 1.
    """
    keys = list(categorical.weights)
    steps = 1.0 + rates
    unsafe = steps < _SMALLEST_STEP
    unsafe |= np.cumsum(-np.log(np.where(unsafe, 1.0, np.minimum(steps, 1.0)))) > np.log(
        _LARGEST_GROWTH
    )
    safe = int(np.argmax(unsafe)) if unsafe.any() else len(rates)
    _move_at_once(categorical, chosen[:safe], rates[:safe])
    # What comes after the last negative rate only shrinks the weights that are there.
    tail = int(np.flatnonzero(rates < 0)[-1]) + 1 if unsafe.any() else safe
    for place, rate in zip(chosen[safe:tail].tolist(), rates[safe:tail].tolist(), strict=True):
        move_categorical(categorical, [keys[place]], rate)
    _move_at_once(categorical, chosen[tail:], rates[tail:])


def _move_at_once(
    categorical: CategoricalWeights, chosen: NDArray[np.int64], rates: NDArray[np.float64]
) -> None:
    """Move the weights of one handle by rates that nothing is clipped at, in place."""
    if len(rates) == 0:
        return
    weights = np.asarray(list(categorical.weights.values()))
    steps = 1.0 + rates
    # Products of all later 1 / (1 + a), the last of them being 1.
    later = np.cumprod(1.0 / steps[::-1])[::-1]
    after = np.append(later[1:], 1.0)
    gained = np.bincount(chosen, weights=rates / steps * after, minlength=len(weights))
    weights = weights * later[0] + gained
    shares = (weights / weights.sum()).tolist()
    categorical.weights.update(zip(list(categorical.weights), shares, strict=True))


def _branch_weight(weight: float, rates: NDArray[np.float64]) -> float:
    left = rates
    while len(left):
        # One sum after the other, as in the step-by-step replay: the very same roundings.
        sums = np.cumsum(np.append(weight, left))[1:]
        zeros = np.flatnonzero(sums == 0)
        if not len(zeros):
            return float(sums[-1])
        weight = ZERO_BRANCH_WEIGHT
        left = left[zeros[0] + 1 :]
    return weight


def _recurrence(start: float, values: NDArray[np.float64], rates: NDArray[np.float64]) -> float:
    """Return ``x <- (1 - a) x + a u``, repeated."""
    found = start
    for rate, value in zip(rates.tolist(), values.tolist(), strict=True):
        found = (1 - rate) * found + rate * value
    return found
