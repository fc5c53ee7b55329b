"""Arms that are the project's own samplers, each on an Optuna study in memory."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import optuna
from optuna.trial import TrialState

from benchmarks.replay.clock import ExhaustedError
from benchmarks.replay.problem import OBJECTIVES
from benchmarks.replay.problem import TASK_TYPE
from benchmarks.replay.problem import Observed
from benchmarks.replay.problem import Problem
from xautolm_core.records.configuration import Configuration
from xautolm_core.search.explanation import TrialExplanation
from xautolm_core.search.history import History
from xautolm_core.search.samplers import make_sampler
from xautolm_core.search.samplers.base import SpaceExhaustedError
from xautolm_core.search.samplers.encoding import OUTCOME_ATTRIBUTE
from xautolm_core.search.samplers.encoding import ask_configuration
from xautolm_core.search.study import METHOD_ATTRIBUTE
from xautolm_core.search.study import WHY_ATTRIBUTE
from xautolm_core.search.study import tell_exhausted


class SamplerArm:
    """A sampler by name and options, driven as a search does it.

    Args:
        problem: What is searched on.
        history: What it starts from.
        seed: Of the sampler.
        sampler: Name of the sampler.
        options: Its options.
        trials: What the search will come to.

    Attributes:
        study: With the trials so far.
    """

    other_cpu_seconds = 0.0

    def __init__(
        self,
        problem: Problem,
        history: History,
        seed: int,
        *,
        sampler: str,
        options: Mapping[str, Any],
        trials: int,
    ) -> None:
        self._sampler = make_sampler(
            sampler,
            space=problem.space,
            objectives=OBJECTIVES,
            seed=seed,
            task_type=TASK_TYPE,
            task_features=problem.task_features,
            system_features=problem.system_features,
            options=options,
            history=history,
            expected_trials=trials,
            infeasible=problem.infeasible,
            task_name=problem.task,
            seconds_allowed=problem.seconds_allowed,
            load=problem.load,
        )
        self._space = problem.space
        self.study = new_study(self._sampler)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            self.study.set_metric_names([objective.value for objective in OBJECTIVES])
        self._trials: dict[int, optuna.Trial] = {}

    def ask(self, number: int) -> Configuration:
        """Return what the sampler proposes."""
        trial = self.study.ask()
        try:
            configuration = ask_configuration(trial, self._space)
        except SpaceExhaustedError as error:
            tell_exhausted(self.study, trial)
            raise ExhaustedError from error
        trial.set_user_attr(WHY_ATTRIBUTE, self._sampler.why(trial.number))
        trial.set_user_attr(METHOD_ATTRIBUTE, configuration.method)
        self._trials[number] = trial
        return configuration

    def tell(self, number: int, configuration: Configuration, observed: Observed) -> None:
        """Tell the study how a trial ended."""
        trial = self._trials.pop(number)
        trial.set_user_attr(OUTCOME_ATTRIBUTE, observed.outcome.value)
        if observed.score is None:
            trial.set_user_attr("failure", observed.outcome.value)
            self.study.tell(trial, state=TrialState.FAIL)
        else:
            self.study.tell(trial, [observed.score, observed.seconds])

    def explanation(self, number: int) -> TrialExplanation | None:
        """Return what the sampler knew when it proposed the trial."""
        explain = getattr(self._sampler, "explanation", None)
        found: TrialExplanation | None = explain(number) if explain else None
        return found


def new_study(sampler: optuna.samplers.BaseSampler) -> optuna.Study:
    """Return a study in memory of score and seconds."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    better = optuna.study.StudyDirection
    directions = [better.MAXIMIZE if one.maximize else better.MINIMIZE for one in OBJECTIVES]
    return optuna.create_study(directions=directions, sampler=sampler)
