"""The schema of an experience: one attempt of one trial, without any text of the task."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime

from pydantic import Field

from xautolm_core.records.attempt import AttemptRecord
from xautolm_core.records.base import Record
from xautolm_core.records.configuration import Configuration
from xautolm_core.records.features import FeatureVector

SCHEMA_VERSION = 1


def experience_id(search_id: str, trial_number: int, attempt: int) -> str:
    """Return the id of an experience: the same attempt always has the same id."""
    return hashlib.sha256(f"{search_id}/{trial_number}/{attempt}".encode()).hexdigest()[:32]


class ExperiencePlan(Record):
    """Estimates and limits of an attempt, set before it ran.

    Each is None where it was not known, or not limited.

    Attributes:
        estimated_seconds: Of training on its rows; None for a continuation.
        estimated_host_bytes: Peak resident memory.
        estimated_gpu_bytes: Peak memory on the GPU; None without one.
        allowed_seconds: What the whole schedule may take by the estimate: a trial with a deadline
            shrinks it to a twentieth, so this is twenty times its deadline.
        allowed_host_bytes: Host memory.
        allowed_gpu_bytes: Memory of its GPU.
    """

    estimated_seconds: float | None = None
    estimated_host_bytes: int | None = None
    estimated_gpu_bytes: int | None = None
    allowed_seconds: float | None = None
    allowed_host_bytes: int | None = None
    allowed_gpu_bytes: int | None = None


class ExperiencePrediction(Record):
    """The sampler's predictions before the trial ran; None where it predicted nothing.

    Medians and the ends of intervals that should contain 80 % of the outcomes.

    Attributes:
        score_median: ``macro_f1`` on validation data.
        score_low: Likewise.
        score_high: Likewise.
        seconds_median: ``time_seconds``.
        seconds_low: Likewise.
        seconds_high: Likewise.
        joules_median: Joules of training and evaluation.
        joules_low: Likewise.
        joules_high: Likewise.
        failure_probability: Probability of running out of memory or time, or diverging.
    """

    score_median: float | None = None
    score_low: float | None = None
    score_high: float | None = None
    seconds_median: float | None = None
    seconds_low: float | None = None
    seconds_high: float | None = None
    joules_median: float | None = None
    joules_low: float | None = None
    joules_high: float | None = None
    failure_probability: float | None = Field(default=None, ge=0, le=1)


class Experience(AttemptRecord):
    """One attempt of one trial: its outcome, task, machine and configuration.

    Attributes:
        id: See ``experience_id``.
        tenant: Owner of the experience.
        origin: ``trial`` for own trials; else the name of an importer.
        task_name: The user's name of the task, stable over retrainings.
        task_fingerprint: Digest of the task's content.
        task_type: Kind of task.
        task_features: Meta-features of the task.
        system_features: Meta-features of the machine.
        configuration: The configuration, with active hyper-parameters only.
        model_descriptor: Descriptor of its model (numbers and short names); None without a model.
        plan: Estimates and limits before it ran; None if unknown.
        data_fraction: Share of the training rows that it used.
        schedule_fraction: Share of the configuration's steps in its schedule, or of the steps done
            where it was cut; of a continuation with the steps before it.
        sampler: Name of the sampler that proposed it.
        warm_started: Whether history biased that sampler.
        predicted: Predictions of that sampler; None if it made none.
        seed: The trial's seed.
        provenance: Origin of an imported experience; empty for own trials.
        ended_at: UTC.
    """

    schema_version: int = SCHEMA_VERSION
    id: str
    tenant: str = "default"
    origin: str = "trial"
    task_name: str
    task_fingerprint: str
    task_type: str
    task_features: FeatureVector
    system_features: FeatureVector
    configuration: Configuration
    model_descriptor: Mapping[str, int | float | bool | str | tuple[str, ...]] | None = None
    plan: ExperiencePlan | None = None
    data_fraction: float = 1.0
    schedule_fraction: float = 1.0
    sampler: str = ""
    warm_started: bool = False
    predicted: ExperiencePrediction | None = None
    seed: int = 0
    provenance: Mapping[str, str] = Field(default_factory=dict)
    ended_at: datetime
