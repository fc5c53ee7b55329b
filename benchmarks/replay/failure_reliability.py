"""Is the failure model right about configurations that nobody chose?

Of what a sampler proposes little fails, so the table of its own predictions is narrow. Here the
model judges random configurations of each synthetic task, from a history or without one, before
the search and after some random trials of it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np

from benchmarks.replay.clock import simulate
from benchmarks.replay.our_arms import SamplerArm
from benchmarks.replay.problem import Problem
from benchmarks.replay.problem import Table
from benchmarks.replay.regimes import NONE
from benchmarks.replay.regimes import NORMAL
from benchmarks.replay.regimes import history_of
from benchmarks.replay.regimes import sources
from xautolm_core.search.history import History
from xautolm_core.search.samplers.failure_rows import FailureForecaster
from xautolm_core.search.samplers.probabilistic_model import UniformChooser
from xautolm_core.space.draw import draw

FILE = "failure_model.json"
JUDGED = 200
"""Random configurations of each task and seed."""

OWN_TRIALS = (0, 20)


@dataclass(frozen=True)
class Forecasts:
    """Predicted failures of random configurations, and what came out.

    Attributes:
        regime: The history.
        own_trials: Trials of the task itself that were known.
        probabilities: Of failure.
        failed: Whether each failed.
    """

    regime: str
    own_trials: int
    probabilities: list[float]
    failed: list[bool]


def forecast(table: Table, tasks: Sequence[str], seeds: int) -> list[Forecasts]:
    """Return forecasts over some tasks and seeds."""
    found = []
    for regime, own_trials in product((NONE, NORMAL), OWN_TRIALS):
        probabilities: list[float] = []
        failed: list[bool] = []
        for task, seed in product(tasks, range(seeds)):
            history = history_of(table, sources(table, regime, task, seed))
            said, came = _judge(table.problem(task), history, seed, own_trials)
            probabilities += said
            failed += came
        found.append(Forecasts(regime, own_trials, probabilities, failed))
    return found


def _judge(
    problem: Problem, history: History, seed: int, own_trials: int
) -> tuple[list[float], list[bool]]:
    """Return the probability of failure of random configurations, and which failed."""
    arm = SamplerArm(
        problem, History.empty(), seed, sampler="random", options={}, trials=own_trials
    )
    simulate(problem, arm, workers=1, trials=own_trials)
    forecaster = FailureForecaster(
        problem.space, load=problem.load, history=history, task_name=problem.task
    )
    chooser = UniformChooser(np.random.default_rng([seed, JUDGED]))
    judged = [draw(problem.space, chooser) for _ in range(JUDGED)]
    said = forecaster.probabilities(judged, arm.study).any
    return said.tolist(), [problem.evaluate(one).score is None for one in judged]


def write_forecasts(folder: Path, found: Sequence[Forecasts]) -> None:
    """Keep forecasts in the folder of a run."""
    text = json.dumps([asdict(one) for one in found])
    (folder / FILE).write_text(text, encoding="utf-8")


def read_forecasts(folder: Path) -> list[Forecasts]:
    """Return the forecasts of a run; none if there are none."""
    path = folder / FILE
    return [Forecasts(**one) for one in json.loads(path.read_text())] if path.is_file() else []
