"""The paper's nearest-neighbour baselines (``knn25``, ``knn50``).

Source: XAutoLM, arXiv 2508.00924. Features are not normalised; distances are min-max scaled.
Successes are ranked by ``0.7 * feature distance + 0.3 * distance to the best past scores`` and the
k smallest are replayed at +1/k each; of the failures the k farthest are replayed at -1/k.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from xautolm_core.search.samplers.distance import euclidean
from xautolm_core.search.samplers.distance import feature_matrix
from xautolm_core.search.samplers.history import SearchContext
from xautolm_core.search.samplers.history import UsableExperience
from xautolm_core.search.samplers.history import cost_matrix
from xautolm_core.search.samplers.history import select_usable
from xautolm_core.search.samplers.mapping import DropReason
from xautolm_core.search.samplers.normalize import min_max
from xautolm_core.search.samplers.options import NeighbourOptions
from xautolm_core.search.samplers.warm_start import Replay
from xautolm_core.search.samplers.warm_start import WarmStart
from xautolm_core.search.samplers.warm_start import warm_started_model

if TYPE_CHECKING:
    from xautolm_core.experience.schema import Experience


def metric_distances(costs: np.ndarray) -> np.ndarray:
    """Return the distance of each success to the best past values, equally weighted, in [0, 1].

    Args:
        costs: Shape (n, objectives), minimised; NaN where one was not measured (adds nothing).
    """
    if len(costs) == 0:
        return np.zeros(0)
    best = np.nanmin(np.where(np.isnan(costs), np.inf, costs), axis=0)
    gaps = np.where(np.isnan(costs), 0.0, np.abs(costs - best)) / costs.shape[1]
    return min_max(gaps.sum(axis=1))


def plan_neighbours(
    usable: Sequence[UsableExperience], context: SearchContext, options: NeighbourOptions
) -> tuple[list[Replay], Counter[DropReason]]:
    """Choose the neighbours and their learning rates, alpha descending."""
    if not usable:
        return [], Counter()
    matrix, current = feature_matrix(
        [u.experience for u in usable], context.task_features, context.system_features
    )
    scaled = min_max(euclidean(matrix, current))
    positives = [i for i, u in enumerate(usable) if u.succeeded]
    negatives = [i for i, u in enumerate(usable) if not u.succeeded]
    scores = options.feature_weight * scaled[positives] + (
        1 - options.feature_weight
    ) * metric_distances(cost_matrix([usable[i] for i in positives]))
    nearest = [positives[int(j)] for j in np.argsort(scores, kind="stable")[: options.k]]
    farthest = [
        negatives[int(j)] for j in np.argsort(-scaled[negatives], kind="stable")[: options.k]
    ]
    rate = 1.0 / options.k
    replays = [Replay(usable[i], rate, float(1 - scaled[i])) for i in nearest]
    replays += [Replay(usable[i], -rate, float(1 - scaled[i])) for i in farthest]
    cut = len(usable) - len(replays)
    return replays, Counter({DropReason.NOT_NEAREST: cut} if cut else {})


def neighbour_start(
    history: Iterable[Experience], context: SearchContext, options: NeighbourOptions
) -> WarmStart:
    """Build the model that a nearest-neighbour search begins with."""
    usable, dropped = select_usable(history, context)
    replays, left_out = plan_neighbours(usable, context, options)
    return warm_started_model(context, replays, dropped + left_out)
