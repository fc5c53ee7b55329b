"""The greedy portfolio: what together dominates most on the other tasks, in that order.

``x_next = argmax_x mean_t w_t (HV_t(P + x) - HV_t(P))`` over the tasks ``t`` of the history on
which ``x`` was tried, shrunk towards zero by ``_DOUBT`` tasks without a gain; a task of another
language counts half. Outcomes on the target change nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.replay.clock import ExhaustedError
from benchmarks.replay.measures import hypervolume_of
from benchmarks.replay.problem import Observed
from benchmarks.replay.problem import Problem
from benchmarks.replay.problem import RecordedTrial
from benchmarks.replay.problem import Scale
from xautolm_core.search.samplers.probabilistic_model import UniformChooser
from xautolm_core.space.draw import draw

if TYPE_CHECKING:
    from benchmarks.replay.regimes import Sources
    from xautolm_core.records.configuration import Configuration

OTHER_LANGUAGE = 0.5
_DOUBT = 1.0
_LANGUAGE = "language_"

Point = tuple[float, float]


class PortfolioArm:
    """Tries the portfolio of the history, then uniform draws.

    Args:
        problem: What is searched on.
        found: The trials of other tasks.
        weights: Of each of these tasks.
        seed: Of the draws when the portfolio is used up.
        size: Configurations of the portfolio.
    """

    other_cpu_seconds = 0.0

    def __init__(
        self,
        problem: Problem,
        found: Sources,
        weights: Mapping[str, float],
        seed: int,
        *,
        size: int,
    ) -> None:
        infeasible = problem.infeasible or (lambda _: None)
        self._waiting = [
            one for one in portfolio(found, weights, size=size) if infeasible(one) is None
        ][::-1]
        self._space = problem.offered
        self._chooser = UniformChooser(np.random.default_rng(seed))
        self._tried: set[str] = set()

    def ask(self, number: int) -> Configuration:
        """Return the next of the portfolio, or a draw that was not tried yet."""
        for _ in range(1_000):
            configuration = (
                self._waiting.pop() if self._waiting else draw(self._space, self._chooser)
            )
            key = configuration.model_dump_json()
            if key not in self._tried:
                self._tried.add(key)
                return configuration
        raise ExhaustedError

    def tell(self, number: int, configuration: Configuration, observed: Observed) -> None:
        """Do nothing: what comes out does not matter."""

    def explanation(self, number: int) -> None:
        """Return nothing: nothing is predicted."""


def language_weights(
    problem: Problem, features: Mapping[str, Mapping[str, float | None]]
) -> dict[str, float]:
    """Return the weight of each task: 1, or ``OTHER_LANGUAGE``.

    Args:
        problem: The current task.
        features: Task to its meta-features.
    """
    own = _language(problem.task_features.values)
    return {t: 1.0 if _language(f) == own else OTHER_LANGUAGE for t, f in features.items()}


def _language(features: Mapping[str, float | None]) -> tuple[str, ...]:
    return tuple(n for n, value in features.items() if n.startswith(_LANGUAGE) and value)


def portfolio(found: Sources, weights: Mapping[str, float], *, size: int) -> list[Configuration]:
    """Return the configurations that together dominate most, in the order of their gains.

    When nothing adds to what the others dominate, those with the largest gain alone follow.

    Args:
        found: The trials of other tasks.
        weights: Of each of these tasks.
        size: How many.
    """
    points = {task: _points(trials) for task, trials in found.items()}
    by_key: dict[str, Configuration] = {}
    where: dict[str, list[str]] = defaultdict(list)
    for task, of_task in points.items():
        for key, (configuration, _) in of_task.items():
            by_key[key] = configuration
            where[key].append(task)
    fronts: dict[str, list[Point]] = {task: [] for task in points}
    covered = dict.fromkeys(points, 0.0)
    shared = {key: sum(weights[t] for t in tasks) + _DOUBT for key, tasks in where.items()}

    def gain(key: str, task: str) -> float:
        added = [*fronts[task], points[task][key][1]]
        return weights[task] * (hypervolume_of(added) - covered[task])

    gains = {(key, task): gain(key, task) for key, tasks in where.items() for task in tasks}
    alone = {key: sum(gains[key, t] for t in tasks) / shared[key] for key, tasks in where.items()}
    chosen: list[str] = []
    left = list(by_key)
    while left and len(chosen) < size:
        now = {key: sum(gains[key, t] for t in where[key]) / shared[key] for key in left}
        best = max(left, key=lambda key: (now[key], alone[key]))
        if now[best] <= 0:
            break
        left.remove(best)
        chosen.append(best)
        for task in where[best]:
            fronts[task].append(points[task][best][1])
            covered[task] = hypervolume_of(fronts[task])
            for key in points[task]:
                gains[key, task] = gain(key, task)
    rest = sorted(left, key=lambda key: -alone[key])
    return [by_key[key] for key in (*chosen, *rest)][:size]


def _points(trials: list[RecordedTrial]) -> dict[str, tuple[Configuration, Point]]:
    """Return each configuration with both objectives scaled within the task; failures are 0."""
    observed = [one.observed for one in trials]
    succeeded = [one for one in observed if one.score is not None]
    scale = Scale.of(succeeded) if len(succeeded) > 1 else None
    if scale is None or _is_flat(scale):
        return {}
    found: dict[str, tuple[Configuration, Point]] = {}
    for one in trials:
        point = (0.0, 0.0)
        if one.observed.score is not None:
            point = scale.unit(one.observed.score, one.observed.seconds)
        found[one.configuration.model_dump_json()] = (one.configuration, point)
    return found


def _is_flat(scale: Scale) -> bool:
    return scale.low_score == scale.high_score or scale.low_log_seconds == scale.high_log_seconds
