"""The paper's warm start: past experiences, replayed into the probabilistic model.

Source: XAutoLM, arXiv 2508.00924. With ``D`` the distances of all chosen experiences to the current
task and system:

* ``beta = beta_scale / (mean(D) + max(std(D), 1e-6))``
* success: ``alpha = limit * utility * exp(-beta * d)``, limit +0.05 or +1 / (number of successes)
* failure: ``alpha = limit * exp(-beta * d)``, limit -0.02 or -1 / (number of failures)

Experiences are replayed by descending alpha, each with the update rules of ``updates`` and its
alpha as the learning rate.

Deviations, all by option (see ``WarmStartOptions``): multipliers on the rates and a power on the
utilities (the paper's hardly move the model in a search of a dozen trials), and ``bounded``
failures, the smaller of the fixed and the adaptive rate (a fixed rate on hundreds of failures
drives weights far below zero).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xautolm_core.search.contract import WarmStartReport
from xautolm_core.search.samplers.distance import distances
from xautolm_core.search.samplers.distance import feature_matrix
from xautolm_core.search.samplers.history import SearchContext
from xautolm_core.search.samplers.history import UsableExperience
from xautolm_core.search.samplers.history import cost_matrix
from xautolm_core.search.samplers.history import select_usable
from xautolm_core.search.samplers.mapping import DropReason
from xautolm_core.search.samplers.normalize import normalize
from xautolm_core.search.samplers.options import WarmStartOptions
from xautolm_core.search.samplers.probabilistic_model import ProbabilisticModel
from xautolm_core.search.samplers.updates import revive_zero_branches
from xautolm_core.search.samplers.updates import update
from xautolm_core.search.samplers.utility import utilities

if TYPE_CHECKING:
    from xautolm_core.experience.schema import Experience

_LARGEST_MULTIPLIED_RATE = 0.5


@dataclass(frozen=True)
class Replay:
    """One experience with the learning rate that it is replayed with.

    Attributes:
        usable: The experience.
        alpha: Signed learning rate.
        weight: Similarity of its task in [0, 1].
        branch_alpha: Learning rate of its fine-tuner's weight; ``alpha`` if None.
    """

    usable: UsableExperience
    alpha: float
    weight: float
    branch_alpha: float | None = None


@dataclass(frozen=True)
class WarmStart:
    """A model after the replay, and what was replayed."""

    model: ProbabilisticModel
    report: WarmStartReport


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
    usable: Sequence[UsableExperience], context: SearchContext, options: WarmStartOptions
) -> tuple[list[Replay], Counter[DropReason]]:
    """Choose the experiences and their learning rates.

    Returns:
        The replays in their order (alpha descending), and how many were left out, by reason.
    """
    left_out: Counter[DropReason] = Counter()
    if not usable:
        return [], left_out
    matrix, current = feature_matrix(
        [u.experience for u in usable], context.task_features, context.system_features
    )
    normalized = normalize(np.vstack([matrix, current]), options.normalizer)
    found = distances(normalized[:-1], normalized[-1], options.distance)
    order = np.argsort(found, kind="stable")
    positives = [int(i) for i in order if usable[i].succeeded]
    negatives = [int(i) for i in order if not usable[i].succeeded]
    if options.positive == "none":
        left_out[DropReason.NOT_USED] += len(positives)
        positives = []
    if options.negative == "none":
        left_out[DropReason.NOT_USED] += len(negatives)
        negatives = []
    kept_positives = positives[: options.k_positive]
    kept_negatives = negatives[: options.k_negative]
    cut = len(positives) + len(negatives) - len(kept_positives) - len(kept_negatives)
    if cut:
        left_out[DropReason.NOT_NEAREST] += cut
    beta = decay_rate(found[kept_positives + kept_negatives], options.beta_scale)
    decays = np.exp(-beta * found)
    successes = [usable[i] for i in kept_positives]
    values = utilities(
        cost_matrix(successes), [u.experience.search_id for u in successes], options.utility
    )
    limit = positive_limit(options, len(kept_positives)) if kept_positives else 0.0
    factor = options.branch_multiplier
    branch_factor = float(len(context.space.branches)) if factor == "auto" else float(factor)
    replays = []
    for i, utility in zip(kept_positives, values, strict=True):
        alpha = limit * float(utility) ** options.utility_power * float(decays[i])
        replays.append(Replay(usable[i], alpha, float(decays[i]), alpha * branch_factor))
    replays += [
        Replay(
            usable[i],
            negative_limit(options, len(kept_negatives)) * float(decays[i]),
            float(decays[i]),
        )
        for i in kept_negatives
    ]
    return sorted(replays, key=lambda r: (-r.alpha, r.usable.experience.id)), left_out


def replay(model: ProbabilisticModel, replays: Iterable[Replay]) -> None:
    """Move a model by each replay in turn, in place."""
    for one in replays:
        observation = one.usable.mapped.observation
        update(model, [observation], one.alpha, branch_rate=one.branch_alpha)
        revive_zero_branches(model)


def warm_start(
    history: Iterable[Experience], context: SearchContext, options: WarmStartOptions
) -> WarmStart:
    """Build the model that a warm-started search begins with."""
    usable, dropped = select_usable(history, context)
    replays, left_out = plan_replay(usable, context, options)
    return warm_started_model(context, replays, dropped + left_out)


def warm_started_model(
    context: SearchContext, replays: Sequence[Replay], dropped: Counter[DropReason]
) -> WarmStart:
    """Replay, and report what it did."""
    model = ProbabilisticModel.initial(context.space)
    replay(model, replays)
    probabilities = dict(model.branch_probabilities())
    report = WarmStartReport(
        applied=sum(r.usable.mapped.complete for r in replays),
        mapped=sum(not r.usable.mapped.complete for r in replays),
        dropped={str(reason): count for reason, count in sorted(dropped.items())},
        prior_shift=sum(abs(p - 1 / len(probabilities)) for p in probabilities.values()) / 2,
        neighbours=_neighbours(replays),
        branch_probabilities=probabilities,
    )
    return WarmStart(model, report)


def _neighbours(replays: Sequence[Replay], count: int = 5) -> list[tuple[str, float, int]]:
    """Return the most similar tasks: name, weight, number of experiences."""
    weights: dict[tuple[str, str], list[float]] = {}
    for one in replays:
        experience = one.usable.experience
        key = (experience.task_name, experience.task_fingerprint)
        weights.setdefault(key, []).append(one.weight)
    found = [(name, float(np.mean(w)), len(w)) for (name, _), w in weights.items()]
    return sorted(found, key=lambda item: (-item[1], item[0]))[:count]
