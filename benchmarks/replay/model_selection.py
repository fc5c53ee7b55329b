"""Table (b): which of 190 language models, on 33 real text classification tasks.

The evaluations are those of the public MTEB results (CC0): frozen encoders with a linear probe, so
model selection only, without hyper-parameters and without failures. Seconds come from different
machines. The tasks correlate strongly (median rank correlation about 0.68), which flatters
transfer. Wherever a figure of this table is quoted, that is to be said.

The only meta-feature of a task is its language. In a model's descriptor 0 means that the source
does not say, or that there is no bound: the number of parameters is not known of 26 models, the
width of 10, the longest input of 16, the parameters of the embeddings of 151; layers, heads and
vocabulary of all.
"""

from __future__ import annotations

import ast
import csv
import gzip
import math
import os
from collections import Counter
from collections import defaultdict
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np

from benchmarks.replay.measures import hypervolume_of
from benchmarks.replay.problem import HISTORY_TRIALS
from benchmarks.replay.problem import Observed
from benchmarks.replay.problem import Problem
from benchmarks.replay.problem import RecordedTrial
from benchmarks.replay.problem import Scale
from benchmarks.replay.problem import system_vector
from benchmarks.replay.problem import task_vector
from xautolm_core.records.configuration import Configuration
from xautolm_core.records.outcome import Outcome
from xautolm_core.space.model import ModelDescriptor
from xautolm_core.space.model import ModelKind
from xautolm_core.space.model import ModelReference
from xautolm_core.space.parameters import Categorical
from xautolm_core.space.space import Branch
from xautolm_core.space.space import SearchSpace
from xautolm_core.space.space import SpaceModel

DATA_SETTING = "XAUTOLM_DATA_DIR"
FOLDER = "model_selection_replay"
LEAST_MODELS = 60
"""Tasks with fewer evaluated models are left out."""

_BRANCH, _METHOD = "encoder-head", "head"
_HANDLE = "encoder.model"
_SEVERAL = 5
"""A model of more languages counts as multilingual."""


def data_folder() -> Path | None:
    """Return the folder of the table, or None if it is not there."""
    base = os.environ.get(DATA_SETTING)
    folder = Path(base) / FOLDER if base else None
    return folder if folder is not None and folder.is_dir() else None


class ModelSelectionTable:
    """The evaluated models of each task.

    A few rows of old evaluators have no language. No model has both kinds for one task, so they are
    rows of the same task as all others.

    Args:
        folder: With ``evaluations.csv.gz`` and ``models.csv.gz``.

    Attributes:
        left_out: Tasks with fewer than ``LEAST_MODELS`` models.
    """

    name = "model_selection"

    def __init__(self, folder: Path) -> None:
        evaluated: dict[str, dict[str, Observed]] = defaultdict(dict)
        languages: dict[str, Counter[str]] = defaultdict(Counter)
        for row in _rows(folder / "evaluations.csv.gz"):
            task, model = row["task"], row["model"]
            if row["lang"]:
                languages[task][_language(row["lang"])] += 1
            elif model in evaluated[task]:
                continue
            evaluated[task][model] = Observed(Outcome.OK, float(row["f1"]), float(row["time"]))
        enough = {task for task, models in evaluated.items() if len(models) >= LEAST_MODELS}
        self.left_out = tuple(sorted(set(evaluated) - enough))
        self.tasks = tuple(sorted(enough))
        self._evaluated = {task: dict(sorted(evaluated[task].items())) for task in self.tasks}
        self._languages = {task: languages[task].most_common(1)[0][0] for task in self.tasks}
        names = sorted({model for models in self._evaluated.values() for model in models})
        described = {row["model"]: row for row in _rows(folder / "models.csv.gz")}
        self._models = {name: _model(name, described.get(name, {})) for name in names}
        self.space = self._space(names)
        self._organisations = _organisations(names)

    def _space(self, names: list[str]) -> SearchSpace:
        model = Categorical("model", tuple(names), _HANDLE)
        branch = Branch(name=_BRANCH, method=_METHOD, model=model, parameters=())
        return SearchSpace(
            name="model-selection",
            branches=(branch,),
            models={name: self._models[name] for name in names},
        )

    @cache  # noqa: B019 - one table a process
    def problem(self, task: str) -> Problem:
        """Return a task to search on; models that were not evaluated on it are infeasible."""
        evaluated = self._evaluated[task]

        def infeasible(configuration: Configuration) -> str | None:
            return None if configuration.model in evaluated else "was not evaluated on this task"

        spoken = self._languages[task]
        features = {
            f"language_{language}": float(language == spoken)
            for language in sorted(set(self._languages.values()))
        }
        return Problem(
            table=self.name,
            task=task,
            space=self.space,
            offered=self._space(list(evaluated)),
            task_features=task_vector(features),
            system_features=system_vector(0.0),
            evaluate=lambda configuration: evaluated[str(configuration.model)],
            scale=_scale(evaluated),
            infeasible=infeasible,
        )

    def source(self, task: str, seed: int) -> list[RecordedTrial]:
        """Return ``HISTORY_TRIALS`` random evaluated models of a task, the same for a seed."""
        evaluated = self._evaluated[task]
        drawn = np.random.RandomState([seed, self.tasks.index(task)])
        chosen = drawn.choice(len(evaluated), HISTORY_TRIALS, replace=False)
        names = list(evaluated)
        return [
            RecordedTrial(configuration_of(names[i]), evaluated[names[i]]) for i in chosen.tolist()
        ]

    def family(self, generator: np.random.Generator) -> frozenset[str]:
        """Return all models of an organisation that has three or more, drawn at random."""
        names = sorted(self._organisations)
        return self._organisations[names[int(generator.integers(len(names)))]]


def configuration_of(model: str) -> Configuration:
    """Return the configuration of a model."""
    return Configuration(branch=_BRANCH, model=model, method=_METHOD, parameters={})


def _scale(evaluated: Mapping[str, Observed]) -> Scale:
    scale = Scale.of(list(evaluated.values()))
    units = [scale.unit(one.score or 0.0, one.seconds) for one in evaluated.values()]
    return Scale(
        scale.low_score,
        scale.high_score,
        scale.low_log_seconds,
        scale.high_log_seconds,
        whole=hypervolume_of(units),
    )


def _rows(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _language(codes: str) -> str:
    """Return the language of a task, ``multi`` for several; ``svk`` is a slip for Slovak."""
    found = {code.split("-")[0] for code in codes.split(",")}
    if len(found) > 1:
        return "multi"
    return found.pop().replace("svk", "slk")


def _organisations(names: list[str]) -> dict[str, frozenset[str]]:
    """Return organisation to models, of those that have three or more."""
    found: dict[str, set[str]] = defaultdict(set)
    for name in names:
        found[name.split("__")[0]].add(name)
    return {name: frozenset(models) for name, models in found.items() if len(models) >= 3}


def _model(name: str, row: Mapping[str, str]) -> SpaceModel:
    width = _whole(row.get("embed_dim"))
    embedding = _whole(row.get("n_embedding_parameters"))
    parameters = _whole(row.get("n_parameters"))
    return SpaceModel(
        ModelReference(id=name),
        ModelDescriptor(
            architecture="encoder",
            kind=ModelKind.ENCODER,
            parameters=parameters,
            embedding_parameters=embedding,
            layers=0,
            width=width,
            feed_forward_width=0,
            heads=0,
            vocabulary=embedding // width if width else 0,
            max_length=_whole(row.get("max_tokens")),
            computed_parameters=max(parameters - embedding, 0),
            languages=_languages(row.get("languages") or "[]"),
        ),
    )


def _whole(text: str | None) -> int:
    number = float(text) if text else 0.0
    return int(number) if math.isfinite(number) else 0


def _languages(text: str) -> tuple[str, ...]:
    """Return the languages of a model as the source codes them, without their scripts."""
    codes = sorted({str(code).split("-")[0] for code in ast.literal_eval(text) or ()})
    return ("multilingual",) if len(codes) > _SEVERAL else tuple(codes)
