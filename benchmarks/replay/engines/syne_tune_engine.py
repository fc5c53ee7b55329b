"""Searchers of Syne Tune, asked and told by JSON lines; runs in an environment of its own.

``morea`` is multi-objective regularised evolution. ``cts`` is the quantile-based transfer (copula
Thompson sampling): it has one objective, here the mean of both normal scores, and hears nothing of
the target. Neither knows conditional spaces.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd
from syne_tune.config_space import choice
from syne_tune.optimizer.schedulers.multiobjective import MultiObjectiveRegularizedEvolution
from syne_tune.optimizer.schedulers.transfer_learning import transfer_learning_task_evaluation
from syne_tune.optimizer.schedulers.transfer_learning.quantile_based import quantile_based_searcher

POPULATION, SAMPLE = 10, 5
"""The default population of 100 would be a random search of 40 trials."""

_OBJECTIVE = "both"


class Engine:
    """One search.

    Args:
        request: ``space``, ``seed``, ``searcher``, and ``history``: of each task its trials.
    """

    def __init__(self, request: Mapping[str, Any]) -> None:
        (branch,) = request["space"]["branches"]
        self._branch = branch["name"]
        space = {p["handle"]: choice(p["choices"]) for p in branch["parameters"]}
        self._pending: dict[int, dict[str, Any]] = {}
        self._is_multi_objective = request["searcher"] == "morea"
        if self._is_multi_objective:
            self._searcher = MultiObjectiveRegularizedEvolution(
                space,
                population_size=POPULATION,
                sample_size=SAMPLE,
                random_seed=request["seed"],
            )
        else:
            self._searcher = quantile_based_searcher.QuantileBasedSurrogateSearcher(
                space,
                {str(i): evaluations(space, trials) for i, trials in enumerate(request["history"])},
                random_seed=request["seed"],
            )

    def ask(self, number: int) -> dict[str, Any]:
        """Return the choices of a trial by handle."""
        chosen = dict(self._searcher.suggest())
        self._pending[number] = chosen
        return {"branch": self._branch, **chosen}

    def tell(self, number: int, told: Mapping[str, Any]) -> None:
        """Take the outcome of a trial."""
        chosen = self._pending.pop(number)
        if self._is_multi_objective:
            costs = [-told["score"], told["log_seconds"]]
            self._searcher.on_trial_complete(number, chosen, costs)


def evaluations(
    space: Mapping[str, Any], trials: Sequence[Mapping[str, Any]]
) -> transfer_learning_task_evaluation.TransferLearningTaskEvaluations:
    """Return the trials of a task with the mean of both normal scores, minimised."""
    errors = normal_scores([-one["score"] for one in trials])
    seconds = normal_scores([one["log_seconds"] for one in trials])
    return transfer_learning_task_evaluation.TransferLearningTaskEvaluations(
        configuration_space=dict(space),
        hyperparameters=pd.DataFrame([one["choices"] for one in trials]),
        objectives_names=[_OBJECTIVE],
        objectives_evaluations=((errors + seconds) / 2).reshape(-1, 1, 1, 1),
    )


def normal_scores(values: Sequence[float]) -> np.ndarray:
    """Return the normal scores of some values; ties go by their order."""
    ranks = np.argsort(np.argsort(values, kind="stable"), kind="stable")
    return np.asarray([NormalDist().inv_cdf((rank + 0.5) / len(values)) for rank in ranks])


def main() -> None:
    """Answer each line of the input by one line; what the engine prints goes elsewhere."""
    replies, sys.stdout = sys.stdout, sys.stderr
    engine: Engine | None = None
    for line in sys.stdin:
        request = json.loads(line)
        reply: dict[str, Any] = {}
        if engine is None:
            engine = Engine(request)
        elif "ask" in request:
            reply["choices"] = engine.ask(request["ask"])
        else:
            engine.tell(request["tell"], request)
        reply["cpu_seconds"] = time.process_time()
        print(json.dumps(reply), file=replies, flush=True)


if __name__ == "__main__":
    main()
