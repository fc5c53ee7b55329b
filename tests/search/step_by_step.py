"""The warm start as it is defined: one experience after the other, one object at a time.

This was the implementation before histories became arrays. It is kept as the definition that the
arrays are compared with (``test_replay.py``), and shares with them the update rules, the
normalisers' formulas on plain rows, the distances and the limits, but none of the selection, the
mapping, the planning and the replay.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xautolm_core.records.configuration import Configuration
from xautolm_core.records.configuration import Value
from xautolm_core.records.experience import Experience
from xautolm_core.records.features import FeatureVector
from xautolm_core.records.outcome import Outcome
from xautolm_core.search.contract import Objective
from xautolm_core.search.contract import WarmStartReport
from xautolm_core.search.history.relevance import DropReason
from xautolm_core.search.history.relevance import same_extractor
from xautolm_core.search.pareto import non_dominated_fronts
from xautolm_core.search.samplers.distance import distances
from xautolm_core.search.samplers.distance import euclidean
from xautolm_core.search.samplers.neighbours import metric_distances
from xautolm_core.search.samplers.normalize import min_max
from xautolm_core.search.samplers.normalize import normalize
from xautolm_core.search.samplers.options import NeighbourOptions
from xautolm_core.search.samplers.options import WarmStartOptions
from xautolm_core.search.samplers.probabilistic_model import ProbabilisticModel
from xautolm_core.search.samplers.selection import SearchContext
from xautolm_core.search.samplers.updates import ZERO_BRANCH_WEIGHT
from xautolm_core.search.samplers.updates import Observation
from xautolm_core.search.samplers.updates import update
from xautolm_core.search.samplers.utility import Utility
from xautolm_core.search.samplers.warm_start import decay_rate
from xautolm_core.search.samplers.warm_start import negative_limit
from xautolm_core.search.samplers.warm_start import positive_limit
from xautolm_core.space.space import Branch
from xautolm_core.space.space import SearchSpace
from xautolm_core.space.space import admits

ColumnUtility = Callable[[NDArray[np.float64], int], NDArray[np.float64]]


@dataclass(frozen=True)
class MappedConfiguration:
    """What a configuration of any space says in terms of this one.

    Attributes:
        observation: Its choices as far as they map.
        complete: Whether it is a configuration of this space.
    """

    observation: Observation
    complete: bool


def map_configuration(
    configuration: Configuration, space: SearchSpace
) -> MappedConfiguration | None:
    """Map a configuration part by part; None if no fine-tuner of the space corresponds to it."""
    branch = _corresponding_branch(configuration, space)
    if branch is None:
        return None
    values: dict[str, Value] = {}
    if configuration.model in branch.model.choices:
        values[branch.model.handle] = configuration.model
    for parameter in branch.parameters:
        if parameter.name not in configuration.parameters:
            continue
        value = configuration.parameters[parameter.name]
        if admits(parameter, value):
            values[parameter.handle] = value
    complete = len(values) == len(branch.parameters) + 1 and len(configuration.parameters) == len(
        branch.parameters
    )
    return MappedConfiguration(Observation(branch.name, values), complete)


def _corresponding_branch(configuration: Configuration, space: SearchSpace) -> Branch | None:
    """Same name and method, else same method and a group that offers the model."""
    branch = space.branch(configuration.branch)
    if branch is not None and branch.method == configuration.method:
        return branch
    return next(
        (
            candidate
            for candidate in space.branches
            if candidate.method == configuration.method
            and configuration.model in candidate.model.choices
        ),
        None,
    )


def unusable(
    experience: Experience,
    *,
    task_type: str,
    task_extractor: tuple[str, str],
    system_extractor: tuple[str, str],
) -> DropReason | None:
    """Return why an experience cannot inform this search, or None if it can."""
    if experience.task_type != task_type:
        return DropReason.TASK_TYPE
    task, system = experience.task_features, experience.system_features
    if not same_extractor(*task_extractor, task.extractor, task.version):
        return DropReason.EXTRACTOR
    if not same_extractor(*system_extractor, system.extractor, system.version):
        return DropReason.EXTRACTOR
    if not experience.outcome.says_something_about_configuration:
        return DropReason.OUTCOME
    return None


@dataclass(frozen=True)
class UsableExperience:
    """An experience that says something in terms of this search.

    Attributes:
        experience: The experience.
        mapped: Its configuration in this space.
        costs: Objectives, all minimised (a score is negated), NaN where one was not measured; None
            for a failure.
    """

    experience: Experience
    mapped: MappedConfiguration
    costs: tuple[float, ...] | None

    @property
    def succeeded(self) -> bool:
        """Whether the trial came to a score."""
        return self.costs is not None


def select_usable(
    history: Iterable[Experience], context: SearchContext
) -> tuple[list[UsableExperience], Counter[DropReason]]:
    """Map a history onto the space; count what is dropped, by reason."""
    usable: list[UsableExperience] = []
    dropped: Counter[DropReason] = Counter()
    task, system = context.task_features, context.system_features
    for experience in history:
        reason = unusable(
            experience,
            task_type=context.task_type,
            task_extractor=(task.extractor, task.version),
            system_extractor=(system.extractor, system.version),
        )
        if reason is None:
            mapped = map_configuration(experience.configuration, context.space)
            costs = costs_of(experience, context.objectives)
            if mapped is None:
                reason = DropReason.NO_BRANCH
            elif costs is None and not experience.outcome.is_failure:
                reason = DropReason.NO_SCORE
            else:
                usable.append(UsableExperience(experience, mapped, costs))
        if reason is not None:
            dropped[reason] += 1
    return usable, dropped


def costs_of(experience: Experience, objectives: Sequence[Objective]) -> tuple[float, ...] | None:
    """Return the objectives of a success, minimised; None if it has no finite score.

    A success without a latency (it may not have been asked for) keeps NaN in its place: that is no
    failure.
    """
    score = experience.scores.get("macro_f1")
    if experience.outcome is not Outcome.OK or score is None or not math.isfinite(score.value):
        return None
    found = {
        Objective.F1: -score.value,
        Objective.TIME: experience.comparable_seconds,
        Objective.LATENCY: experience.latency_ms,
    }
    values = [found[objective] for objective in objectives]
    return tuple(float(v) if v is not None and math.isfinite(v) else math.nan for v in values)


def cost_matrix(usable: Sequence[UsableExperience]) -> np.ndarray:
    """Return the costs of successes, shape (n, objectives)."""
    return np.asarray([u.costs for u in usable], dtype=float)


def feature_matrix(
    experiences: Sequence[Experience], task: FeatureVector, system: FeatureVector
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Put the features of experiences and of the current search side by side.

    Features that the current search does not have are left out; where an experience lacks one, it
    gets the mean of all the others, so that the gap neither brings tasks together nor apart.

    Args:
        experiences: Whose extractors are those of the current search.
        task: Features of the current task.
        system: Features of the current machine.

    Returns:
        The experiences' matrix, shape (n, features), and the current vector, shape (features,).
    """
    rows = [_row(task.values, e.task_features.values) for e in experiences]
    rows = [
        row + _row(system.values, e.system_features.values)
        for row, e in zip(rows, experiences, strict=True)
    ]
    current = np.asarray(_row(task.values, task.values) + _row(system.values, system.values))
    matrix = np.asarray(rows, dtype=float).reshape(len(experiences), len(current))
    known = np.vstack([matrix, current])
    means = np.nan_to_num(
        np.asarray([np.mean(c[~np.isnan(c)]) if (~np.isnan(c)).any() else 0.0 for c in known.T])
    )
    return np.where(np.isnan(matrix), means, matrix), current


def _row(current: Mapping[str, float | None], values: Mapping[str, float | None]) -> list[float]:
    return [_number(values.get(name)) for name, now in current.items() if _is_number(now)]


def _is_number(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _number(value: float | None) -> float:
    return float(value) if value is not None and math.isfinite(value) else math.nan


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


def plan_replay(
    usable: Sequence[UsableExperience], context: SearchContext, options: WarmStartOptions
) -> tuple[list[Replay], Counter[DropReason]]:
    """Choose the experiences and their learning rates.

    Returns:
        The replays in their order, and how many were left out, by reason.
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
    best_first = sorted(replays, key=lambda r: (-r.alpha, r.usable.experience.id))
    return best_first if options.replay == "descending" else best_first[::-1], left_out


def replay(model: ProbabilisticModel, replays: Iterable[Replay]) -> None:
    """Move a model by each replay in turn, in place."""
    for one in replays:
        observation = one.usable.mapped.observation
        update(model, [observation], one.alpha, branch_rate=one.branch_alpha)
        # A branch of weight exactly 0 is never drawn again.
        for name, weight in model.branches.items():
            if weight == 0:
                model.branches[name] = ZERO_BRANCH_WEIGHT


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


def utilities(
    costs: NDArray[np.float64], groups: Sequence[str], utility: Utility
) -> NDArray[np.float64]:
    """Return the utility of each success.

    Args:
        costs: Shape (n, objectives), all minimised (a score is negated); NaN where one was not
            measured.
        groups: The search that each success belongs to: scores are compared within a search only by
            the weighted sums; the fronts pool all of them, as in the paper.
        utility: Which of the utilities.

    Returns:
        Shape (n,), in [0, 1].
    """
    if len(costs) == 0:
        return np.zeros(0)
    match utility:
        case "weighted_sum":
            return _by_group(costs, groups, _min_max_utility)
        case "weighted_ratio":
            return _by_group(costs, groups, _ratio_utility)
        case "linear_front":
            return _front_utility(costs, lambda i, count: (count - i) / count)
        case "logarithmic_front":
            return _front_utility(
                costs, lambda i, count: math.log(count - i + 1) / math.log(count + 1)
            )


def _by_group(
    costs: NDArray[np.float64], groups: Sequence[str], function: ColumnUtility
) -> NDArray[np.float64]:
    result = np.zeros(len(costs))
    names = np.asarray(groups)
    for name in dict.fromkeys(groups):
        members = np.flatnonzero(names == name)
        columns = np.column_stack(
            [function(column, j) for j, column in enumerate(costs[members].T)]
        )
        result[members] = [
            float(np.mean(row[~np.isnan(row)])) if (~np.isnan(row)).any() else 0.5
            for row in columns
        ]
    return result


def _min_max_utility(column: NDArray[np.float64], _: int) -> NDArray[np.float64]:
    known = column[~np.isnan(column)]
    spread = known.max() - known.min() if len(known) else 0.0
    if spread <= 0:
        return np.where(np.isnan(column), np.nan, 0.5)
    return np.asarray((known.max() - column) / spread)


def _ratio_utility(column: NDArray[np.float64], objective: int) -> NDArray[np.float64]:
    if objective > 0:
        return _min_max_utility(column, objective)
    best = -np.nanmin(column)  # the first objective is the score, negated
    return np.asarray(-column / best) if best > 0 else np.full(len(column), 0.5)


def _front_utility(
    costs: NDArray[np.float64], rank_utility: Callable[[int, int], float]
) -> NDArray[np.float64]:
    fronts = non_dominated_fronts(np.nan_to_num(costs, nan=np.inf))
    result = np.zeros(len(costs))
    for i, front in enumerate(fronts):
        result[front] = rank_utility(i, len(fronts))
    return result
