"""The part of an experience store that can inform one search."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xautolm_core.outcomes import Outcome
from xautolm_core.search.contract import Objective
from xautolm_core.search.samplers.mapping import DropReason
from xautolm_core.search.samplers.mapping import MappedConfiguration
from xautolm_core.search.samplers.mapping import map_configuration
from xautolm_core.search.samplers.mapping import unusable

if TYPE_CHECKING:
    from xautolm_core.experience.schema import Experience
    from xautolm_core.features.vector import FeatureVector
    from xautolm_core.space.space import SearchSpace


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


@dataclass(frozen=True)
class SearchContext:
    """What a warm start needs to know of the current search."""

    space: SearchSpace
    objectives: tuple[Objective, ...]
    task_type: str
    task_features: FeatureVector
    system_features: FeatureVector


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
        Objective.TIME: experience.time_seconds,
        Objective.LATENCY: experience.latency_ms,
    }
    values = [found[objective] for objective in objectives]
    return tuple(float(v) if v is not None and math.isfinite(v) else math.nan for v in values)


def cost_matrix(usable: Sequence[UsableExperience]) -> np.ndarray:
    """Return the costs of successes, shape (n, objectives)."""
    return np.asarray([u.costs for u in usable], dtype=float)
