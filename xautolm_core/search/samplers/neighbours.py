"""The paper's nearest-neighbour baselines (``knn25``, ``knn50``).

Source: XAutoLM, arXiv 2508.00924. Features are not normalised; distances are min-max scaled.
Successes are ranked by ``0.7 * feature distance + 0.3 * distance to the best past scores`` and the
k smallest are replayed at +1/k each; of the failures the k farthest are replayed at -1/k. The
scores' distance adds gaps in F1 and in seconds as they are, so that seconds decide; ``minmax``
brings both to one scale.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from xautolm_core.search.history.relevance import DropReason
from xautolm_core.search.samplers.distance import feature_space
from xautolm_core.search.samplers.normalize import min_max
from xautolm_core.search.samplers.options import MetricScale
from xautolm_core.search.samplers.options import NeighbourOptions
from xautolm_core.search.samplers.replay import ReplayPlan
from xautolm_core.search.samplers.selection import SearchContext
from xautolm_core.search.samplers.selection import UsableHistory
from xautolm_core.search.samplers.selection import select_usable
from xautolm_core.search.samplers.warm_start import WarmStart
from xautolm_core.search.samplers.warm_start import warm_started_model

if TYPE_CHECKING:
    from xautolm_core.search.contract import Objective
    from xautolm_core.search.history.arrays import History

# Of seconds, milliseconds and joules: no logarithm of nothing.
_LEAST_COST = 1e-6


def metric_distances(
    costs: np.ndarray, objectives: Sequence[Objective] = (), *, scale: MetricScale = "raw"
) -> np.ndarray:
    """Return the distance of each success to the best past values, equally weighted, in [0, 1].

    Args:
        costs: Shape (n, objectives), minimised; NaN where one was not measured (adds nothing).
        objectives: Objectives of the columns, used by ``minmax`` only.
        scale: ``raw`` takes the values as they are, ``minmax`` each column by its range, with time,
            latency and energy on a logarithmic scale.
    """
    if len(costs) == 0:
        return np.zeros(0)
    if scale == "minmax":
        columns = zip(costs.T, objectives, strict=True)
        costs = np.column_stack([_in_range(column, objective) for column, objective in columns])
    best = np.nanmin(np.where(np.isnan(costs), np.inf, costs), axis=0)
    gaps = np.where(np.isnan(costs), 0.0, np.abs(costs - best)) / costs.shape[1]
    return min_max(gaps.sum(axis=1))


def _in_range(column: np.ndarray, objective: Objective) -> np.ndarray:
    """Return the values of an objective scaled to [0, 1]; NaN stays."""
    values = column if objective.maximize else np.log(np.maximum(column, _LEAST_COST))
    known = values[~np.isnan(values)]
    if len(known) == 0:
        return values
    width = known.max() - known.min()
    return np.asarray((values - known.min()) / (width if width > 0 else 1.0))


def plan_neighbours(
    usable: UsableHistory, context: SearchContext, options: NeighbourOptions
) -> tuple[ReplayPlan, Counter[DropReason]]:
    """Choose the neighbours and their learning rates, alpha descending.

    The experiences of a less trusted store move the model less, by its weight.
    """
    features = feature_space(usable.history, context.task_features, context.system_features)
    scaled = min_max(features.distances("none", "euclidean"))
    positives, negatives = np.flatnonzero(usable.succeeded), np.flatnonzero(~usable.succeeded)
    scores = options.feature_weight * scaled[positives] + (
        1 - options.feature_weight
    ) * metric_distances(usable.costs[positives], context.objectives, scale=options.metric_scale)
    nearest = positives[np.argsort(scores, kind="stable")[: options.k]]
    farthest = negatives[np.argsort(-scaled[negatives], kind="stable")[: options.k]]
    rows = np.concatenate([nearest, farthest])
    rates = np.repeat([1.0 / options.k, -1.0 / options.k], [len(nearest), len(farthest)])
    alpha = rates * usable.history.trust[rows]
    plan = ReplayPlan(rows, alpha, alpha, 1 - scaled)
    cut = len(usable) - len(rows)
    left_out = Counter({DropReason.NOT_NEAREST: cut} if cut else {})
    return plan.in_order(np.argsort(-alpha, kind="stable")), left_out


def neighbour_start(
    history: History, context: SearchContext, options: NeighbourOptions
) -> WarmStart:
    """Build the initial model of a nearest-neighbour search."""
    usable, dropped = select_usable(history, context)
    plan, left_out = plan_neighbours(usable, context, options)
    return warm_started_model(context, usable, plan, dropped + left_out)
