"""The paper's warm start: past experiences, replayed into the probabilistic model.

Source: XAutoLM, arXiv 2508.00924. With ``D`` the distances of all chosen experiences to the current
task and system:

* ``beta = beta_scale / (mean(D) + max(std(D), 1e-6))``
* success: ``alpha = limit * utility * exp(-beta * d)``, limit +0.05 or +1 / (number of successes)
* failure: ``alpha = limit * exp(-beta * d)``, limit -0.02 or -1 / (number of failures)

Experiences are replayed by ascending alpha, each with the update rules of ``updates`` and its
alpha as the learning rate.

Deviations, all by option (see ``WarmStartOptions``): the order (the paper's is descending, in which
every later experience damps the best ones), multipliers on the rates and a power on the
utilities (the paper's hardly move the model in a search of a dozen trials), and ``bounded``
failures, the smaller of the fixed and the adaptive rate (a fixed rate on hundreds of failures
drives weights far below zero).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xautolm_core.search.contract import WarmStartReport
from xautolm_core.search.history.relevance import DropReason
from xautolm_core.search.history.table import id_words
from xautolm_core.search.samplers.distance import feature_space
from xautolm_core.search.samplers.options import WarmStartOptions
from xautolm_core.search.samplers.probabilistic_model import ProbabilisticModel
from xautolm_core.search.samplers.replay import ReplayPlan
from xautolm_core.search.samplers.replay import replay
from xautolm_core.search.samplers.selection import SearchContext
from xautolm_core.search.samplers.selection import UsableHistory
from xautolm_core.search.samplers.selection import select_usable
from xautolm_core.search.samplers.utility import utilities

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xautolm_core.search.history.arrays import History

_LARGEST_MULTIPLIED_RATE = 0.5


@dataclass(frozen=True)
class WarmStart:
    """A model after the replay, and what was replayed.

    Attributes:
        model: What the search begins with.
        report: What the history did to it.
        usable: The experiences that say something in terms of the search.
        similarity: Shape (rows of them,): of each one's task, in [0, 1].
    """

    model: ProbabilisticModel
    report: WarmStartReport
    usable: UsableHistory
    similarity: NDArray[np.float64]


def decay_rate(all_distances: np.ndarray, beta_scale: float) -> float:
    """Return beta, the strength of the decay with distance; 0 without experiences."""
    if len(all_distances) == 0:
        return 0.0
    return beta_scale / float(all_distances.mean() + max(all_distances.std(), 1e-6))


def positive_limit(options: WarmStartOptions, count: int) -> float:
    """Return the largest learning rate of a success."""
    base = options.positive_limit if options.positive == "fixed" else 1.0 / count
    return _multiplied(base, options.positive_multiplier)


def negative_limit(options: WarmStartOptions, count: int) -> float:
    """Return the learning rate of a failure at distance 0; negative."""
    match options.negative:
        case "fixed":
            base = options.negative_limit
        case "adaptive":
            base = -1.0 / count
        case _:
            base = max(options.negative_limit, -1.0 / count)
    return -_multiplied(-base, options.negative_multiplier)


def _multiplied(rate: float, factor: float) -> float:
    # A multiplied rate near 1 would copy one experience and forget all others.
    return min(rate * factor, max(rate, _LARGEST_MULTIPLIED_RATE))


def plan_replay(
    usable: UsableHistory, context: SearchContext, options: WarmStartOptions
) -> tuple[ReplayPlan, Counter[DropReason]]:
    """Choose the experiences and their learning rates.

    What a store is trusted less for moves the model less, by its weight.

    Returns:
        The replays in their order, and how many were left out, by reason.
    """
    left_out: Counter[DropReason] = Counter()
    features = feature_space(usable.history, context.task_features, context.system_features)
    found = features.distances(options.normalizer, options.distance)
    order = np.argsort(found, kind="stable")
    positives, negatives = order[usable.succeeded[order]], order[~usable.succeeded[order]]
    if options.positive == "none":
        left_out[DropReason.NOT_USED] += len(positives)
        positives = positives[:0]
    if options.negative == "none":
        left_out[DropReason.NOT_USED] += len(negatives)
        negatives = negatives[:0]
    candidates = len(positives) + len(negatives)
    positives, negatives = positives[: options.k_positive], negatives[: options.k_negative]
    rows = np.concatenate([positives, negatives])
    left_out[DropReason.NOT_NEAREST] += candidates - len(rows)
    similarity = np.exp(-decay_rate(found[rows], options.beta_scale) * found)
    limits = np.empty(len(rows))
    limits[: len(positives)] = _success_rates(usable, positives, options)
    limits[len(positives) :] = negative_limit(options, len(negatives)) if len(negatives) else 0.0
    alpha = limits * similarity[rows] * usable.history.trust[rows]
    factor = options.branch_multiplier
    branch_factor = float(len(context.space.branches)) if factor == "auto" else float(factor)
    branch_alpha = np.where(usable.succeeded[rows], alpha * branch_factor, alpha)
    words = id_words(usable.history.ids[rows])
    plan = ReplayPlan(rows, alpha, branch_alpha, similarity)
    best_first = np.lexsort((words[:, 1], words[:, 0], -alpha))
    return plan.in_order(
        best_first if options.replay == "descending" else best_first[::-1]
    ), +left_out


def _success_rates(
    usable: UsableHistory, positives: NDArray[np.int64], options: WarmStartOptions
) -> NDArray[np.float64]:
    """Return the learning rates of successes at distance 0, shape (positives,)."""
    if len(positives) == 0:
        return np.zeros(0)
    groups = usable.history.search.codes[positives]
    values = utilities(usable.costs[positives], groups, options.utility)
    return positive_limit(options, len(positives)) * values**options.utility_power


def warm_start(history: History, context: SearchContext, options: WarmStartOptions) -> WarmStart:
    """Build the model that a warm-started search begins with."""
    usable, dropped = select_usable(history, context)
    plan, left_out = plan_replay(usable, context, options)
    return warm_started_model(context, usable, plan, dropped + left_out)


def warm_started_model(
    context: SearchContext, usable: UsableHistory, plan: ReplayPlan, dropped: Counter[DropReason]
) -> WarmStart:
    """Replay, and report what it did."""
    model = ProbabilisticModel.initial(context.space)
    replay(model, usable.mapped, plan)
    probabilities = dict(model.branch_probabilities())
    applied = int(np.count_nonzero(usable.mapped.complete[plan.rows]))
    report = WarmStartReport(
        applied=applied,
        mapped=len(plan) - applied,
        dropped={str(reason): count for reason, count in sorted(dropped.items())},
        prior_shift=sum(abs(p - 1 / len(probabilities)) for p in probabilities.values()) / 2,
        neighbours=similar_tasks(usable.history, plan.rows, plan.similarity),
        branch_probabilities=probabilities,
    )
    return WarmStart(model, report, usable, plan.similarity)


def similar_tasks(
    history: History,
    rows: NDArray[np.int64],
    similarity: NDArray[np.float64],
    count: int = 5,
) -> list[tuple[str, float, int]]:
    """Return the most similar tasks: name, weight, number of experiences.

    Args:
        history: The experiences.
        rows: Those that count.
        similarity: Shape (experiences,): of each one's task, in [0, 1].
        count: How many tasks.
    """
    codes, first, place, counts = np.unique(
        history.task.codes[rows], return_index=True, return_inverse=True, return_counts=True
    )
    # Taken from the first weight on, the mean of equal weights is that weight, to the last bit:
    # equally similar tasks stay in the order of their names.
    weight = similarity[rows]
    begin = weight[first]
    sums = np.bincount(place, weights=weight - begin[place], minlength=len(codes))
    found = [
        (history.task.values[code][0], float(weight), int(number))
        for code, weight, number in zip(codes, begin + sums / counts, counts, strict=True)
    ]
    as_met = [found[i] for i in np.argsort(first)]
    return sorted(as_met, key=lambda item: (-item[1], item[0]))[:count]
