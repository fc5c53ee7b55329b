"""Table (a): the synthetic conditional space of fine-tuning, with failures."""

from __future__ import annotations

from functools import cache
from functools import cached_property

import numpy as np

from benchmarks.replay import synthetic_space as made_up
from benchmarks.replay.problem import HISTORY_TRIALS
from benchmarks.replay.problem import Needs
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
from xautolm_core.space.parameters import Integer
from xautolm_core.space.space import Branch
from xautolm_core.space.space import SearchSpace
from xautolm_core.space.space import SpaceModel

SCALE_TRIALS = 2_000
"""Random trials of a task whose extremes scale its objectives."""

MODEL_NAMES = tuple(f"made-up/model-{index:02d}" for index in range(made_up.MODELS))
_MODEL_INDEX = {name: index for index, name in enumerate(MODEL_NAMES)}
_PREFIX = "encoder-"
_FAMILY_SIZE = 3
_SCALE_SEED = 4_242
_VOCABULARY = 30_000
_GIGABYTE = 1e9


class SyntheticTable:
    """The twelve tasks of ``synthetic_space``; a store holds random trials of each."""

    name = "synthetic"
    tasks = tuple(f"made-up-{index:02d}" for index in range(made_up.TASKS))

    @cached_property
    def space(self) -> SearchSpace:
        """Four fine-tuning methods with the same twelve models, each with its own parameters."""
        return SearchSpace(
            name="synthetic",
            branches=tuple(_branch(method) for method in made_up.METHODS),
            models={name: _model(index) for name, index in _MODEL_INDEX.items()},
        )

    @cache  # noqa: B019 - one table a process
    def problem(self, task: str) -> Problem:
        """Return a task to search on."""
        known = made_up.SyntheticTask(self.tasks.index(task))

        def evaluate(configuration: Configuration) -> Observed:
            return observe(known, as_tuple(configuration))

        def needs(configuration: Configuration) -> Needs:
            memory, seconds = known.estimates(as_tuple(configuration))
            return Needs(
                seconds=seconds,
                gpu_bytes=memory * _GIGABYTE,
                allowed_seconds=known.time_limit,
                allowed_gpu_bytes=known.memory_limit * _GIGABYTE,
            )

        drawn = np.random.RandomState(_SCALE_SEED + known.index)
        sample = [observe(known, made_up.random_configuration(drawn)) for _ in range(SCALE_TRIALS)]
        return Problem(
            table=self.name,
            task=task,
            space=self.space,
            offered=self.space,
            task_features=task_vector(known.features()),
            system_features=system_vector(known.memory_limit),
            evaluate=evaluate,
            scale=Scale.of(sample),
            needs=needs,
            seconds_allowed=known.time_limit,
        )

    def source(self, task: str, seed: int) -> list[RecordedTrial]:
        """Return ``HISTORY_TRIALS`` random trials of a task, the same for a seed."""
        known = made_up.SyntheticTask(self.tasks.index(task))
        drawn = np.random.RandomState([seed, known.index])
        chosen = [made_up.random_configuration(drawn) for _ in range(HISTORY_TRIALS)]
        return [RecordedTrial(as_configuration(x), observe(known, x)) for x in chosen]

    def family(self, generator: np.random.Generator) -> frozenset[str]:
        """Return three models drawn at random."""
        drawn = generator.choice(made_up.MODELS, _FAMILY_SIZE, replace=False)
        return frozenset(MODEL_NAMES[index] for index in drawn)


def observe(task: made_up.SyntheticTask, x: made_up.SyntheticConfiguration) -> Observed:
    """Return the outcome of a configuration on a task."""
    outcome, score, seconds = task.evaluate(x)
    return Observed(Outcome(outcome), score, seconds)


def as_configuration(x: made_up.SyntheticConfiguration) -> Configuration:
    """Return a configuration of the search space."""
    model, method, rate, batch, epochs, length = x
    return Configuration(
        branch=_PREFIX + method,
        model=MODEL_NAMES[model],
        method=method,
        parameters={
            "learning_rate": rate,
            "batch_size": batch,
            "epochs": epochs,
            "max_length": length,
        },
    )


def as_tuple(configuration: Configuration) -> made_up.SyntheticConfiguration:
    """Return a configuration of the search space as ``synthetic_space`` has it."""
    given = configuration.parameters
    return (
        _MODEL_INDEX[str(configuration.model)],
        configuration.method,
        float(given["learning_rate"] or 0),
        int(given["batch_size"] or 0),
        int(given["epochs"] or 0),
        int(given["max_length"] or 0),
    )


def _branch(method: str) -> Branch:
    name = _PREFIX + method
    return Branch(
        name=name,
        method=method,
        model=Categorical("model", MODEL_NAMES, "encoder.model"),
        parameters=(
            Categorical("learning_rate", made_up.LEARNING_RATES, f"{name}.learning_rate"),
            Categorical("batch_size", made_up.BATCH_SIZES, f"{name}.batch_size"),
            Integer("epochs", 1, made_up.MOST_EPOCHS, f"{name}.epochs"),
            Categorical("max_length", made_up.LENGTHS, f"{name}.max_length"),
        ),
    )


def _model(index: int) -> SpaceModel:
    parameters = round(10 ** made_up.LOG10_PARAMETERS[index])
    relative_width, relative_layers = made_up.width_and_layers(index)
    width, layers = round(relative_width), max(round(relative_layers), 1)
    embedding = min(_VOCABULARY * width, parameters // 2)
    return SpaceModel(
        ModelReference(id=MODEL_NAMES[index]),
        ModelDescriptor(
            architecture="bert",
            kind=ModelKind.ENCODER,
            parameters=parameters,
            embedding_parameters=embedding,
            layers=layers,
            width=width,
            feed_forward_width=4 * width,
            heads=max(width // 64, 1),
            vocabulary=_VOCABULARY,
            max_length=max(made_up.LENGTHS),
            computed_parameters=parameters - embedding,
        ),
    )
