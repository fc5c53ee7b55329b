"""SMAC3 with ParEGO, asked and told by JSON lines; runs in an environment of its own.

Failures are data for it: they cost the worst that was seen so far (``crash_cost``).
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ConfigSpace import Categorical
from ConfigSpace import ConfigurationSpace
from ConfigSpace import EqualsCondition
from ConfigSpace import Integer
from smac import HyperparameterOptimizationFacade as Facade
from smac import Scenario
from smac.model.random_forest.random_forest import RandomForest
from smac.multi_objective.parego import ParEGO
from smac.runhistory.dataclasses import TrialInfo
from smac.runhistory.dataclasses import TrialValue
from smac.runhistory.enumerations import StatusType

CHALLENGERS = 2_000
"""Random candidates a proposal; the default of 10,000 takes a tenth of a second longer."""

_BRANCH = "branch"
_MOST_LEAVES = 1_024
_WORST_COST = 1.0


def make_space(document: Mapping[str, Any], seed: int) -> ConfigurationSpace:
    """Return the conditional space: a branch decides which parameters there are."""
    space = ConfigurationSpace(seed=seed)
    names = [branch["name"] for branch in document["branches"]]
    several = len(names) > 1
    if several:
        space.add(Categorical(_BRANCH, names))
    for branch in document["branches"]:
        for parameter in branch["parameters"]:
            handle = parameter["handle"]
            if handle in space:
                continue
            if "choices" in parameter:
                # Numbers keep their order as places in the list.
                is_ordered = all(isinstance(c, int | float) for c in parameter["choices"])
                if is_ordered:
                    made = Integer(handle, (0, len(parameter["choices"]) - 1))
                else:
                    made = Categorical(handle, parameter["choices"])
            else:
                made = Integer(handle, (parameter["low"], parameter["high"]))
            space.add(made)
            if several and not parameter["shared"]:
                space.add(EqualsCondition(space[handle], space[_BRANCH], branch["name"]))
    return space


def forest(scenario: Scenario) -> RandomForest:
    """Return the facade's model; its defaults set memory aside for a million leaves a tree."""
    return RandomForest(
        log_y=True,
        n_trees=10,
        bootstrapping=True,
        ratio_features=1.0,
        min_samples_split=2,
        min_samples_leaf=1,
        max_leaf_nodes=_MOST_LEAVES,
        configspace=scenario.configspace,
        instance_features=scenario.instance_features,
        seed=scenario.seed,
    )


class Engine:
    """One search.

    Args:
        request: ``space``, ``seed`` and ``trials``.
        folder: Where SMAC writes.
    """

    def __init__(self, request: Mapping[str, Any], folder: Path) -> None:
        self._document = request["space"]
        space = make_space(self._document, request["seed"])
        scenario = Scenario(
            space,
            output_directory=folder,
            deterministic=True,
            objectives=["error", "log_seconds"],
            # One more: SMAC stops proposing when they are used up.
            n_trials=request["trials"] + 1,
            seed=request["seed"],
        )
        self._smac = Facade(
            scenario,
            target_function=None,
            model=forest(scenario),
            multi_objective_algorithm=ParEGO(scenario),
            acquisition_maximizer=Facade.get_acquisition_maximizer(
                scenario, challengers=CHALLENGERS
            ),
            config_selector=Facade.get_config_selector(scenario, retrain_after=1),
            logging_level=False,
            overwrite=True,
        )
        self._pending: dict[int, TrialInfo] = {}
        self._worst = [_WORST_COST, 0.0]

    def ask(self, number: int) -> dict[str, Any]:
        """Return the choices of a trial by handle."""
        info = self._smac.ask()
        self._pending[number] = info
        chosen = dict(info.config)
        found: dict[str, Any] = {
            _BRANCH: chosen.get(_BRANCH, self._document["branches"][0]["name"])
        }
        for branch in self._document["branches"]:
            for parameter in branch["parameters"]:
                handle = parameter["handle"]
                if handle not in chosen:
                    continue
                value = chosen[handle]
                choices = parameter.get("choices")
                if choices is not None and all(isinstance(c, int | float) for c in choices):
                    value = choices[int(value)]
                found[handle] = int(value) if choices is None else value
        return found

    def tell(self, number: int, told: Mapping[str, Any]) -> None:
        """Take the outcome of a trial."""
        info = self._pending.pop(number)
        status, costs = StatusType.SUCCESS, [1.0 - (told["score"] or 0.0), told["log_seconds"]]
        if told["score"] is None:
            status = (
                StatusType.MEMORYOUT if told["outcome"].startswith("oom") else StatusType.CRASHED
            )
            costs = list(self._worst)
        else:
            self._worst[1] = max(self._worst[1], costs[1])
        self._smac.tell(
            info, TrialValue(cost=costs, time=told["seconds"], status=status), save=False
        )


def main() -> None:
    """Answer each line of the input by one line; what the engine prints goes elsewhere."""
    replies, sys.stdout = sys.stdout, sys.stderr
    with tempfile.TemporaryDirectory() as folder:
        engine: Engine | None = None
        for line in sys.stdin:
            request = json.loads(line)
            reply: dict[str, Any] = {}
            if engine is None:
                engine = Engine(request, Path(folder))
            elif "ask" in request:
                reply["choices"] = engine.ask(request["ask"])
            else:
                engine.tell(request["tell"], request)
            reply["cpu_seconds"] = time.process_time()
            print(json.dumps(reply), file=replies, flush=True)


if __name__ == "__main__":
    main()
