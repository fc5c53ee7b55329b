"""Optuna's own samplers; they differ in how failures are encoded for them."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import optuna
from optuna.samplers import BaseSampler
from optuna.samplers import GPSampler
from optuna.samplers import NSGAIISampler
from optuna.samplers import TPESampler
from optuna.trial import TrialState

from benchmarks.replay.our_arms import new_study
from benchmarks.replay.problem import Observed
from benchmarks.replay.problem import Problem
from xautolm_core.records.configuration import Configuration
from xautolm_core.search.samplers.encoding import ask_configuration

FailureEncoding = Literal["fail", "pruned", "worst"]
"""``fail``: state FAIL, which Optuna's samplers do not see. ``pruned``: state PRUNED and a violated
constraint. ``worst``: the worst values so far and a violated constraint (one is set on every trial,
as GPSampler needs it)."""

POPULATION = 10
"""Of NSGA-II, whose default of 50 would be a random search of 40 trials."""

_CONSTRAINT = "failed"


def optuna_sampler(name: str, seed: int) -> BaseSampler:
    """Return ``tpe``, ``nsga2`` or ``gp``."""
    match name:
        case "tpe":
            return TPESampler(seed=seed)
        case "nsga2":
            return NSGAIISampler(seed=seed, population_size=POPULATION)
        case "gp":
            return GPSampler(seed=seed, warn_independent_sampling=False)
    raise ValueError(f"There is no Optuna arm {name!r}")


class OptunaEngine:
    """One of Optuna's samplers on the same define-by-run space; it reads no history.

    Objectives are the score and the logarithm of the seconds.

    Args:
        problem: What is searched on.
        sampler: The sampler.
        failures: How failures are reported to it.
    """

    other_cpu_seconds = 0.0

    def __init__(
        self, problem: Problem, sampler: BaseSampler, *, failures: FailureEncoding
    ) -> None:
        self._space = problem.offered
        self._failures = failures
        self._study = new_study(sampler)
        self._pending: dict[int, optuna.Trial] = {}
        self._worst = [0.0, 0.0]

    def propose(self, number: int) -> Configuration:
        """Return what the sampler proposes."""
        with _without_warnings():
            self._pending[number] = self._study.ask()
            return ask_configuration(self._pending[number], self._space)

    def answer(self, number: int, observed: Observed) -> None:
        """Tell the study how a trial ended, in the encoding of this arm."""
        trial = self._pending.pop(number)
        with _without_warnings():
            if self._failures != "fail":
                trial.set_constraint(_CONSTRAINT, float(observed.score is None))
            if observed.score is not None:
                values = [observed.score, math.log(observed.seconds)]
                self._worst = [min(self._worst[0], values[0]), max(self._worst[1], values[1])]
                self._study.tell(trial, values)
            elif self._failures == "worst":
                self._study.tell(trial, self._worst)
            else:
                state = TrialState.FAIL if self._failures == "fail" else TrialState.PRUNED
                self._study.tell(trial, state=state)


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Silence Optuna's warnings about its experimental parts."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
