"""The models of a history for a guarded search, built once before its first trial."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from xautolm_core.search.contract import Objective
from xautolm_core.search.samplers.guarded.acquisition import above
from xautolm_core.search.samplers.guarded.acquisition import greedy_portfolio
from xautolm_core.search.samplers.guarded.acquisition import reach
from xautolm_core.search.samplers.guarded.candidates import FROM_HISTORY
from xautolm_core.search.samplers.guarded.design import DesignSpace
from xautolm_core.search.samplers.guarded.kernel import KernelScales
from xautolm_core.search.samplers.guarded.learnt import Learnt
from xautolm_core.search.samplers.guarded.learnt import LearntCache
from xautolm_core.search.samplers.guarded.learnt import key_of
from xautolm_core.search.samplers.guarded.predictions import OutcomeScale
from xautolm_core.search.samplers.guarded.scales import learnt_scales
from xautolm_core.search.samplers.guarded.scores import ValueCurve
from xautolm_core.search.samplers.guarded.sources import Sources
from xautolm_core.search.samplers.guarded.sources import sources_of
from xautolm_core.search.samplers.guarded.structures import Structure
from xautolm_core.search.samplers.guarded.structures import StructureSet
from xautolm_core.search.samplers.guarded.transfer import TaskTrials
from xautolm_core.search.samplers.recall import configuration_numbers
from xautolm_core.search.samplers.recall import runnable

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from xautolm_core.records.configuration import Configuration
    from xautolm_core.search.history import History
    from xautolm_core.search.resource_load import Load
    from xautolm_core.search.samplers.base import Infeasibility
    from xautolm_core.search.samplers.guarded.design import Design
    from xautolm_core.search.samplers.options import GuardedOptions
    from xautolm_core.search.samplers.selection import SearchContext
    from xautolm_core.search.samplers.selection import UsableHistory

_UNKNOWN_WORTH = 0.5
COST_SHARE = 0.5
"""Default share of the variance of seconds and joules that the estimated seconds explain.

A larger share (.8) makes a search without history prefer quick configurations: .57 instead of .60
on the synthetic space."""


class Memory:
    """The structures of each objective, the worth of scores, and the history's configurations.

    Args:
        usable: The experiences that map onto the search.
        context: The search.
        options: Which structures are used, and whether scales are learnt.
        history: All experiences, those of cheap candidates included.
        infeasible: Returns why a configuration cannot run here, or None if it can.
        load: Returns the estimated needs of a configuration relative to its limits.
        learnt: Cache of what is learnt on the history; None for none.
    """

    def __init__(
        self,
        usable: UsableHistory,
        context: SearchContext,
        options: GuardedOptions,
        *,
        history: History,
        infeasible: Infeasibility,
        load: Load | None = None,
        learnt: LearntCache | None = None,
    ) -> None:
        self._usable = usable
        self._context = context
        self._infeasible = infeasible
        self.space = DesignSpace(context.space, usable.history, load)
        self.sources: Sources = sources_of(usable, context, self.space, history)
        self.structures: list[StructureSet] = []
        self.curves: list[ValueCurve] = []
        self.outcome_scales: list[OutcomeScale] = []
        for column, objective in enumerate(context.objectives):
            trials = self._trials(column)
            usual = KernelScales.usual(self.space, cost_share=self._cost_share(objective))
            self.structures.append(_structure_set(trials, usual, options, learnt))
            samples = [
                self.sources.values[self.sources.task == task, column]
                for task in range(len(self.sources.names))
            ]
            self.curves.append(ValueCurve(samples))
            self.outcome_scales.append(OutcomeScale(objective, samples))

    def _cost_share(self, objective: Objective) -> float:
        """Return the default share of an objective's variance that estimated seconds explain."""
        return COST_SHARE if objective.grows_with_schedule and self.space.costs.are_known else 0.0

    def _trials(self, column: int) -> TaskTrials | None:
        known = np.isfinite(self.sources.scores[:, column])
        if not known.any():
            return None
        return TaskTrials(
            self.sources.design.take(known),
            self.sources.task[known],
            self.sources.scores[known, column],
            self.sources.trust,
            self.sources.own,
        )

    @cached_property
    def candidates(self) -> tuple[Configuration, ...]:
        """Configurations of the history that can run here, the most promising first."""
        found = self._runnable()
        if not found or not self.knows_score:
            return tuple(found[:FROM_HISTORY])
        design = self.space.of_configurations(found)
        worth = self._expected_worth(design).mean(axis=0)  # (configurations, objectives)
        reaches = reach(worth)
        # The best of each direction in turn, so that quick ones and good ones are among them.
        ranks = np.argsort(np.argsort(-reaches, axis=0, kind="stable"), axis=0).min(axis=1)
        order = np.lexsort((-reaches.mean(axis=1), ranks))
        return tuple(found[place] for place in order[:FROM_HISTORY].tolist())

    def portfolio(
        self, count: int, chance: Callable[[Sequence[Configuration]], NDArray[np.float64]]
    ) -> list[Configuration]:
        """Return configurations that together did best on the tasks of the history.

        On a task with cheap candidates only configurations that were better than these count.

        Args:
            count: Number of configurations.
            chance: Returns the probability of each configuration not to fail here.
        """
        found = list(self.candidates)
        others = self.sources.others
        if not found or not others or not self.knows_score or count == 0:
            return []
        worth = self._above_floors(self._expected_worth(self.space.of_configurations(found)))
        chosen = greedy_portfolio(worth[others], chance(found), count)
        return [found[place] for place in chosen]

    def _above_floors(self, worth: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return worth from each task's floor on, shape (tasks, rows, objectives)."""
        found = worth.copy()
        tasks = np.flatnonzero(np.isfinite(self.sources.floors))
        for column, (curve, objective) in enumerate(
            zip(self.curves, self._context.objectives, strict=True)
        ):
            lowest = curve(self.sources.floors[tasks])[:, None]
            is_score = objective is Objective.F1
            found[tasks, :, column] = above(worth[tasks, :, column], lowest if is_score else None)
        return found

    @property
    def knows_score(self) -> bool:
        """Whether the history has scores of configurations."""
        return self.structures[0].transfer is not None

    def _expected_worth(self, design: Design) -> NDArray[np.float64]:
        """Return the worth of configurations on each task, shape (tasks, rows, objectives)."""
        found = []
        for one, curve in zip(self.structures, self.curves, strict=True):
            if one.transfer is None:  # no data on this objective: all are equal
                found.append(np.full((len(self.sources.names), len(design)), _UNKNOWN_WORTH))
            else:
                found.append(curve(one.transfer.by_task(design)))
        return np.stack(found, axis=-1)

    def _runnable(self) -> list[Configuration]:
        """Return the different configurations of the history that can run here."""
        numbers = configuration_numbers(self._usable.mapped)
        rows, space = self.sources.history_rows, self._context.space
        found = runnable(self._usable, numbers, rows, space, self._infeasible)
        return [configuration for _, configuration in found]


def _structure_set(
    trials: TaskTrials | None,
    usual: KernelScales,
    options: GuardedOptions,
    cache: LearntCache | None,
) -> StructureSet:
    """Return the structures of one objective, with learnt or default scales and weights."""
    allowed = _ALLOWED[options.structures]
    made: list[StructureSet] = []

    def learn() -> Learnt:
        scales = learnt_scales(trials, usual) if options.learn_scales else usual
        made.append(StructureSet(scales, trials, allowed))
        return Learnt(scales, made[0].prior_weights)

    if cache is None or trials is None:
        learn()
        return made[0]
    key = key_of(trials, usual, options.structures, str(options.learn_scales))
    known = cache.get(key, learn, usual=usual, allowed=allowed)
    if made:
        return made[0]
    return StructureSet(known.scales, trials, allowed, prior_weights=known.prior_weights)


_ALLOWED: dict[str, tuple[Structure, ...]] = {
    "all": tuple(Structure),
    "without_history": (Structure.WITHOUT_HISTORY,),
    "mean": (Structure.WITHOUT_HISTORY, Structure.HISTORY_AS_MEAN),
    "feature": (Structure.WITHOUT_HISTORY, Structure.HISTORY_AS_FEATURE),
    "history": (Structure.HISTORY_AS_MEAN,),
}
