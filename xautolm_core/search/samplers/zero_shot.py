"""The paper's optimiser: evolution of a probabilistic model by non-dominated sorting.

Source: XAutoLM, arXiv 2508.00924, which builds on AutoGOAL's search. Of each generation the fittest
(by Pareto fronts, the last of them cut by crowding distance) move the model, by one merged update.

Deviations: a failure is never among the fittest, however few succeeded (the reference would learn
from failures as if they were successes); a trial that ends after its generation counts for the next
one, so that several can run at once without waiting.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from optuna.study import StudyDirection
from optuna.trial import TrialState

from xautolm_core.records.outcome import Outcome
from xautolm_core.search.contract import WarmStartReport
from xautolm_core.search.explanation import NearTask
from xautolm_core.search.explanation import TrialExplanation
from xautolm_core.search.pareto import select_fittest
from xautolm_core.search.samplers.base import CONTINUES_ATTRIBUTE
from xautolm_core.search.samplers.base import FirstConfiguration
from xautolm_core.search.samplers.base import Infeasibility
from xautolm_core.search.samplers.base import SpaceSampler
from xautolm_core.search.samplers.encoding import OUTCOME_ATTRIBUTE
from xautolm_core.search.samplers.encoding import to_observation
from xautolm_core.search.samplers.options import EvolutionOptions
from xautolm_core.search.samplers.probabilistic_model import ModelChooser
from xautolm_core.search.samplers.probabilistic_model import ProbabilisticModel
from xautolm_core.search.samplers.updates import update

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optuna import Study
    from optuna.trial import FrozenTrial

    from xautolm_core.search.samplers.failure_rows import FailureForecaster
    from xautolm_core.space.draw import Chooser
    from xautolm_core.space.space import SearchSpace

PAPER_POPULATION = 20
PAPER_LEARNING_FACTOR = 0.05
GENERATION_ATTRIBUTE = "generation"
_PAPER_TRIALS = 100
_SMALLEST_POPULATION = 4
_LARGEST_AUTO_FACTOR = 0.25


@dataclass(frozen=True)
class EvolutionConstants:
    """The options with every ``auto`` resolved."""

    population: int
    epsilon: float
    selection: float
    learning_factor: float


def resolve(options: EvolutionOptions, expected_trials: int | None) -> EvolutionConstants:
    """Replace ``auto`` by numbers.

    The paper's 20 and 0.05 are for searches of a hundred trials and more. A shorter search gets a
    fifth of its trials a generation, at least four, and a learning factor larger in proportion.

    Args:
        options: As the user gave them.
        expected_trials: Expected number of trials; None if nothing bounds the search.
    """
    if isinstance(options.population, int):
        population = options.population
    elif expected_trials is None or expected_trials >= _PAPER_TRIALS:
        population = PAPER_POPULATION
    else:
        population = max(_SMALLEST_POPULATION, expected_trials // 5)
    if isinstance(options.learning_factor, float):
        factor = options.learning_factor
    else:
        larger = max(1.0, PAPER_POPULATION / population)
        factor = min(PAPER_LEARNING_FACTOR * larger, _LARGEST_AUTO_FACTOR)
    return EvolutionConstants(population, options.epsilon, options.selection, factor)


class EvolutionSampler(SpaceSampler):
    """Draws from a probabilistic model that the fittest of each generation update.

    Args:
        space: The space to draw from.
        seed: Seed of all draws.
        options: Constants of the evolution.
        expected_trials: See ``resolve``.
        initial: Model of the first generation; the uniform one if None.
        exploration: Model of the exploring trials; the initial one if None.
        prior: The initial model, in words.
        infeasible: See ``SpaceSampler``.
        report: See ``SpaceSampler``.
        from_memory: See ``SpaceSampler``.
        failures: See ``SpaceSampler``.
    """

    def __init__(
        self,
        space: SearchSpace,
        *,
        seed: int,
        options: EvolutionOptions,
        expected_trials: int | None = None,
        initial: ProbabilisticModel | None = None,
        exploration: ProbabilisticModel | None = None,
        prior: str = "the uniform model",
        infeasible: Infeasibility | None = None,
        report: WarmStartReport | None = None,
        from_memory: Sequence[FirstConfiguration] = (),
        failures: FailureForecaster | None = None,
    ) -> None:
        super().__init__(
            space,
            seed=seed,
            options=options,
            infeasible=infeasible,
            report=report,
            from_memory=from_memory,
            failures=failures,
        )
        self.constants = resolve(options, expected_trials)
        self.initial = initial or ProbabilisticModel.initial(space)
        self._exploration = exploration or self.initial
        self._prior = prior
        self._leaning = _leaning(self.report)

    def chooser(
        self, study: Study, number: int, generator: np.random.Generator
    ) -> tuple[Chooser, str]:
        """Draw from the model of the trial's generation, or explore."""
        generation, place = divmod(number, self.constants.population)
        if generation == 0:
            self._explain(number)
            return ModelChooser(self.initial, generator), f"drawn from {self._prior}"
        model, learnt_from = self.generation_model(study, number)
        if place < self.constants.epsilon * self.constants.population:
            if self._exploration is self.initial:
                self._explain(number)
            return (
                ModelChooser(self._exploration, generator),
                f"exploration in generation {generation}",
            )
        best = ", ".join(map(str, learnt_from)) or "none"
        why = f"drawn in generation {generation} from {self._prior}, moved by trials {best}"
        self._explain(number)
        return ModelChooser(model, generator), why

    def _explain(self, number: int) -> None:
        """Store the tasks of the history behind the model that a trial is drawn from."""
        if self._leaning is not None:
            self._explanations[number] = self._leaning

    def generation_model(self, study: Study, number: int) -> tuple[ProbabilisticModel, list[int]]:
        """Return the model that a trial is drawn from, and the trials that moved it last.

        The trials that a generation learns from are fixed, and stored in the study, when its first
        trial is asked for: so all of its trials come from one model, also after a restart.
        """
        generation = number // self.constants.population
        model = self.initial.copy()
        consumed: set[int] = set()
        learnt_from: list[int] = []
        trials = study.get_trials(deepcopy=False)
        # Of a chain of continuations the last trial has the result of the configuration.
        superseded = {
            t.user_attrs.get(CONTINUES_ATTRIBUTE) for t in trials if t.state is TrialState.COMPLETE
        }
        finished = {t.number: t for t in trials if _is_evidence(t) and t.number not in superseded}
        for i in range(1, generation + 1):
            members = self._members(study, i, generation, set(finished) - consumed)
            consumed.update(members)
            trials = [finished[m] for m in members if m in finished]
            fittest = self._fittest(study, trials)
            if fittest:
                observations = [to_observation(trial.params) for trial in fittest]
                update(model, observations, self.constants.learning_factor)
                learnt_from = sorted(trial.number for trial in fittest)
        return model, learnt_from

    def _members(self, study: Study, generation: int, current: int, unused: set[int]) -> list[int]:
        """Return the trials that the model of a generation learns from."""
        key = f"{GENERATION_ATTRIBUTE}:{generation}"
        kept = study.user_attrs.get(key)
        if kept is not None:
            return [int(member) for member in kept]
        if generation == current:
            members = sorted(unused)
        else:  # no trial of it was ever asked for
            members = sorted(m for m in unused if m < generation * self.constants.population)
        study.set_user_attr(key, members)
        return members

    def _fittest(self, study: Study, trials: list[FrozenTrial]) -> list[FrozenTrial]:
        if not trials:
            return []
        costs = np.asarray([_costs(study, trial) for trial in trials])
        count = max(1, math.floor(self.constants.selection * len(trials) + 1e-9))
        return [trials[i] for i in select_fittest(costs, count) if np.isfinite(costs[i]).all()]


def _leaning(report: WarmStartReport) -> TrialExplanation | None:
    """Return the tasks behind the first model; None if no history moved it."""
    tasks = tuple(
        NearTask(name=name, weight=weight, trials=trials)
        for name, weight, trials in report.neighbours
    )
    return TrialExplanation(nearest_tasks=tasks) if tasks else None


def _is_evidence(trial: FrozenTrial) -> bool:
    """Whether a finished trial says something about its configuration."""
    if trial.state not in (TrialState.COMPLETE, TrialState.FAIL, TrialState.PRUNED):
        return False
    outcome = trial.user_attrs.get(OUTCOME_ATTRIBUTE)
    known = outcome is None or Outcome(outcome).says_something_about_configuration
    return known and "branch" in trial.params


def _costs(study: Study, trial: FrozenTrial) -> list[float]:
    """Return a trial's objectives, minimised; the worst fitness for a failure."""
    if trial.state is not TrialState.COMPLETE or trial.values is None:
        return [math.inf] * len(study.directions)
    return [
        -value if direction is StudyDirection.MAXIMIZE else value
        for value, direction in zip(trial.values, study.directions, strict=True)
    ]
