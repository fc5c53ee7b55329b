"""What a replay is made of: tasks whose every outcome is known, and trials of other tasks."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from typing import Protocol

import numpy as np

from xautolm_core.features import system_features
from xautolm_core.features import task_features
from xautolm_core.records.configuration import Configuration
from xautolm_core.records.experience import Experience
from xautolm_core.records.experience import experience_id
from xautolm_core.records.features import FeatureVector
from xautolm_core.records.outcome import Outcome
from xautolm_core.search.contract import Objective
from xautolm_core.search.resource_load import ResourceLoad
from xautolm_core.space.space import SearchSpace

OBJECTIVES = (Objective.F1, Objective.TIME)
TASK_TYPE = "text-classification"
HISTORY_TRIALS = 40
"""Trials that the history holds of each other task."""

_FIRST_DAY = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Observed:
    """The outcome of a trial.

    Attributes:
        outcome: How it ended.
        score: Macro-F1 in [0, 1]; None for a failure.
        seconds: What it took, failures included.
    """

    outcome: Outcome
    score: float | None
    seconds: float


@dataclass(frozen=True)
class RecordedTrial:
    """A configuration and its outcome."""

    configuration: Configuration
    observed: Observed


@dataclass(frozen=True)
class Needs:
    """What a configuration is estimated to need and is allowed, known before it runs.

    Attributes:
        seconds: Estimated training and evaluation.
        gpu_bytes: Estimated peak memory.
        allowed_seconds: The trial's time limit.
        allowed_gpu_bytes: The memory of the GPU.
    """

    seconds: float
    gpu_bytes: float
    allowed_seconds: float
    allowed_gpu_bytes: float

    @property
    def load(self) -> ResourceLoad:
        """The needs relative to the limits."""
        return ResourceLoad(
            log_memory=math.log(self.gpu_bytes / self.allowed_gpu_bytes),
            log_time=math.log(self.seconds / self.allowed_seconds),
            seconds=self.seconds,
        )


@dataclass(frozen=True)
class Scale:
    """Extremes by which the objectives of a task are scaled, and the hypervolume that counts as 1.

    The reference point of every hypervolume is (``low_score``, ``high_log_seconds``).
    """

    low_score: float
    high_score: float
    low_log_seconds: float
    high_log_seconds: float
    whole: float = 1.0

    def unit(self, score: float, seconds: float) -> tuple[float, float]:
        """Return both objectives, maximised, 0 at the worst and 1 at the best of the extremes."""
        height = self.high_log_seconds - self.low_log_seconds
        return (
            (score - self.low_score) / (self.high_score - self.low_score),
            (self.high_log_seconds - math.log(seconds)) / height,
        )

    @classmethod
    def of(cls, observed: Sequence[Observed]) -> Scale:
        """Return the extremes of some trials; failures do not count."""
        scores = [one.score for one in observed if one.score is not None]
        logs = [math.log(one.seconds) for one in observed if one.score is not None]
        return cls(min(scores), max(scores), min(logs), max(logs))


@dataclass(frozen=True)
class Problem:
    """One task to search on.

    Attributes:
        table: Name of its table.
        task: Its name.
        space: What is searched; the same for all tasks of a table.
        offered: The part of the space in which every configuration has an outcome, for engines
            that have no notion of infeasibility.
        task_features: Meta-features of the task.
        system_features: Meta-features of the machine.
        evaluate: From a configuration to its outcome, deterministic.
        scale: How outcomes are scaled.
        needs: What is estimated of a configuration beforehand; None if nothing is.
        infeasible: Why a configuration has no outcome, or None if it has one.
        seconds_allowed: Time limit of a trial; None if unbounded.
    """

    table: str
    task: str
    space: SearchSpace
    offered: SearchSpace
    task_features: FeatureVector
    system_features: FeatureVector
    evaluate: Callable[[Configuration], Observed]
    scale: Scale
    needs: Callable[[Configuration], Needs] | None = None
    infeasible: Callable[[Configuration], str | None] | None = None
    seconds_allowed: float | None = None

    @property
    def load(self) -> Callable[[Configuration], ResourceLoad] | None:
        """What samplers are given of the needs."""
        needs = self.needs
        return None if needs is None else lambda configuration: needs(configuration).load


class Table(Protocol):
    """Tasks of one space, all of whose outcomes are known."""

    name: str
    tasks: tuple[str, ...]

    def problem(self, task: str) -> Problem:
        """Return a task to search on."""
        ...

    def source(self, task: str, seed: int) -> list[RecordedTrial]:
        """Return the trials that a store with this seed holds of a task."""
        ...

    def family(self, generator: np.random.Generator) -> frozenset[str]:
        """Return the models of a family drawn at random."""
        ...


def experiences(problem: Problem, trials: Sequence[RecordedTrial]) -> list[Experience]:
    """Return a task's trials as the experiences of one search."""
    begin = _FIRST_DAY + timedelta(days=zlib.crc32(problem.task.encode()) % 300)
    return [
        _experience(problem, trial, number, begin + timedelta(minutes=5 * number))
        for number, trial in enumerate(trials)
    ]


def _experience(
    problem: Problem, trial: RecordedTrial, number: int, ended_at: datetime
) -> Experience:
    model = problem.space.model_of(trial.configuration)
    observed = trial.observed
    search = f"{problem.table}-{problem.task}"
    scores = {} if observed.score is None else {"macro_f1": {"value": float(observed.score)}}
    failed = observed.outcome.is_failure
    return Experience.model_validate(
        {
            "id": experience_id(search, number, 0),
            "search_id": search,
            "trial_number": number,
            "task_name": problem.task,
            "task_fingerprint": search,
            "task_type": TASK_TYPE,
            "task_features": _features(problem.task_features),
            "system_features": _features(problem.system_features),
            "configuration": trial.configuration,
            "model_descriptor": None if model is None else model.descriptor.model_dump(),
            "plan": None if problem.needs is None else _plan(problem.needs(trial.configuration)),
            "outcome": observed.outcome,
            "scores": scores,
            "seconds": {"train": float(observed.seconds)},
            "failure": {"kind": observed.outcome.value} if failed else None,
            "sampler": "random",
            "ended_at": ended_at,
        }
    )


def _features(vector: FeatureVector) -> FeatureVector:
    return FeatureVector(
        extractor=vector.extractor,
        version=vector.version,
        values=dict(vector.values),
        units=dict(vector.units),
    )


def _plan(needs: Needs) -> Mapping[str, float | int]:
    return {
        "estimated_seconds": float(needs.seconds),
        "estimated_gpu_bytes": round(needs.gpu_bytes),
        "allowed_seconds": float(needs.allowed_seconds),
        "allowed_gpu_bytes": round(needs.allowed_gpu_bytes),
    }


def task_vector(values: Mapping[str, float]) -> FeatureVector:
    """Return meta-features of a task under the name and version of the real extractor."""
    units = {name: task_features.UNITS.get(name, "1") for name in values}
    return FeatureVector(
        extractor=task_features.EXTRACTOR,
        version=task_features.VERSION,
        values=dict(values),
        units=units,
    )


def system_vector(gpu_gigabytes: float) -> FeatureVector:
    """Return meta-features of a machine that differs from others in its GPU's memory alone."""
    values = {
        "physical_cores": 8.0,
        "logical_cores": 16.0,
        "max_cpu_ghz": 4.0,
        "total_ram_gb": 64.0,
        "gpu_memory_gb": gpu_gigabytes,
    }
    units = {name: system_features.UNITS[name] for name in values}
    return FeatureVector(
        extractor=system_features.EXTRACTOR,
        version=system_features.VERSION,
        values=dict(values),
        units=units,
    )
