"""What goes into a trial and what comes out of it, as JSON at the process boundary."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel
from pydantic import ConfigDict
from pydantic import Field
from pydantic import model_validator

from xautolm_core.outcomes import Outcome
from xautolm_core.records.energy import EnergyReading
from xautolm_core.records.failure import Failure
from xautolm_core.records.scores import Score
from xautolm_core.space.configuration import Configuration
from xautolm_core.space.model import ModelReference
from xautolm_core.tasks.spec import TaskType

SPEC_FILE = "spec.json"
RESULT_FILE = "result.json"
HEARTBEAT_FILE = "heartbeat.json"
LOG_FILE = "trial.log"
MODEL_FOLDER = "model"
CHECKPOINT_FOLDER = "checkpoint"
FEATURES_FOLDER = "features"
"""In the trials' common cache: features of frozen backbones."""
SAVED_FILE = "saved.json"
"""Beside a trial's model: the result as of the save (see ``xautolm_core.trial.saved_state``)."""
MODEL_CARD_FILE = "xautolm.json"

CutBy = Literal["deadline", "wall"]


class TrialBudget(BaseModel):
    """What one trial may use.

    Attributes:
        soft_deadline_seconds: Training plus evaluation should be over by then; the trial probes its
            speed and shrinks (or stops, see ``on_overrun``).
        wall_limit_seconds: The trial is killed after this wall-clock time, counted from where it
            begins: its machine, its data and its imports are there by then.
        host_memory_bytes: The launcher lets the trial have no more than this; None for no limit.
        data_fraction: Share of the training rows to use (stratified, seeded), in (0, 1].
        max_steps: At most this many optimiser steps; with those before it in a continuation.
        max_validation_rows: Evaluate on a stratified sample of at most this many rows.
        on_overrun: ``shrink`` plans fewer steps so that the schedule ends in time; ``stop``
            ends the trial at once as a timeout.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    soft_deadline_seconds: float | None = Field(default=None, gt=0)
    wall_limit_seconds: float | None = Field(default=None, gt=0)
    host_memory_bytes: int | None = Field(default=None, gt=0)
    data_fraction: float = Field(default=1.0, gt=0, le=1)
    max_steps: int | None = Field(default=None, gt=0)
    max_validation_rows: int | None = Field(default=None, gt=0)
    on_overrun: Literal["shrink", "stop"] = "shrink"


class TrialSpec(BaseModel):
    """Everything that a trial needs to know. It is written before the trial is started.

    Attributes:
        search_id: The search that it belongs to.
        trial_number: From 0 on within the search.
        attempt: From 0 on; a repeated infrastructure fault makes a new attempt.
        task_folder: Folder of the prepared task (see ``xautolm_core.tasks.prepared``).
        out_folder: Folder of this attempt: result, heartbeat, log and model are written there.
        cache_folder: Folder of tokenised data, shared by all trials.
        model: Where the configuration's model is; None for a method without one.
        device: ``auto`` takes a GPU where there is one.
        threads: CPU threads of the trial.
        measure_latency: Also measure milliseconds a text at inference.
        save_model: Write the best epoch's model to ``out_folder/model``.
        continues: Number of the trial that this one goes on from, in the same search; None to begin
            anew. All that matters has to be the same but the epochs and the budget.
        resume_from: Folder of that trial's checkpoint.
        keep_checkpoint: Write a checkpoint to ``out_folder/checkpoint`` at the end.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    schema_version: Literal[1] = 1
    search_id: str
    trial_number: int = Field(ge=0)
    attempt: int = Field(default=0, ge=0)
    task_type: TaskType = TaskType.TEXT_CLASSIFICATION
    task_folder: Path
    out_folder: Path
    cache_folder: Path
    configuration: Configuration
    model: ModelReference | None = None
    seed: int = Field(ge=0)
    budget: TrialBudget = TrialBudget()
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: int = Field(default=1, ge=1)
    measure_latency: bool = False
    save_model: bool = True
    continues: int | None = Field(default=None, ge=0)
    resume_from: Path | None = None
    keep_checkpoint: bool = False
    heartbeat_seconds: float = Field(default=2.0, gt=0)

    @model_validator(mode="after")
    def _check_model(self) -> TrialSpec:
        if (self.model is None) != (self.configuration.model is None):
            raise ValueError("the trial's model is not that of its configuration")
        if (self.continues is None) != (self.resume_from is None):
            raise ValueError("a continuation needs both continues and resume_from")
        return self


class Progress(BaseModel):
    """How much of the planned training was done.

    Attributes:
        rows: Training rows used after the data fraction.
        planned_steps: Optimiser steps of the configuration on these rows.
        scheduled_steps: Steps that the schedule was laid out for, after a shrink; those done where
            it was cut.
        steps: Steps done.
        epochs: Epochs completed (fractional where the last was cut).
        best_epoch: The evaluation whose weights were kept, from 1 on; 0 before the first.
        tokens: Tokens seen in training, padding left out.
        padded_tokens: Tokens computed, padding included.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    rows: int = 0
    planned_steps: int = 0
    scheduled_steps: int = 0
    steps: int = 0
    epochs: float = 0.0
    best_epoch: int = 0
    tokens: int = 0
    padded_tokens: int = 0


class Evaluation(BaseModel):
    """What one evaluation on validation found while a trial was training.

    Attributes:
        epoch: Passes over the training rows by then, those of a continuation's earlier trials
            included; fractional where the schedule ends within one.
        macro_f1: In [0, 1].
        seconds: Training plus evaluation up to then, as ``TrialResult.time_seconds`` counts them;
            of a continuation with the trials that it continues.
        joules: The same of the energy; None where nothing was read.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    epoch: float = Field(ge=0)
    macro_f1: float = Field(ge=0, le=1)
    seconds: float = Field(ge=0)
    joules: float | None = Field(default=None, ge=0, allow_inf_nan=False)


class TrialResult(BaseModel):
    """What an attempt of a trial came to.

    Attributes:
        outcome: How it ended.
        scores: Score name to score on validation: ``macro_f1``, ``accuracy``.
        seconds: Phase to wall-clock seconds: ``startup`` (launch to the trial's first line),
            ``download`` (of task and model, on another machine), ``load_data``, ``tokenize``,
            ``load_model``, ``train`` (with the probe), ``evaluate``, ``latency``, ``save``.
        reused_seconds: What earlier trials spent on the frozen backbone's features that this one
            read from the cache; part of ``time_seconds``, so that the times of equal
            configurations compare, but spent once only.
        reused_joules: Energy that these had cost, as far as it was read; None if nothing was
            reused, or nothing could be read.
        latency_ms: Median milliseconds a text at inference, batch of one, if measured.
        peak_host_bytes: Peak resident memory of the trial's processes.
        peak_gpu_bytes: Peak memory that the trial had reserved on its GPU; None without one.
        energy: Of training and evaluation, by component; of a trial that was killed up to its last
            heartbeat.
        model_folder: Name of the model's folder below ``out_folder``, if a model was saved; also of
            a trial that did not end ok, but had evaluated and saved a state before.
        checkpoint_folder: Name of the checkpoint's folder below ``out_folder``, if one was kept.
        continues: As in the spec. ``seconds`` and ``energy`` are this trial's own, ``progress`` is
            that of all trials that it continues, with it.
        cumulative_seconds: Training plus evaluation of a continuation and of all trials that it
            continues; None for a trial that began anew.
        cumulative_joules: The same of the joules; None also where one of them read none.
        saved_scores: Scores of the state in ``model_folder`` where the trial did not end ok;
            ``scores`` stays empty then.
        evaluations: The trial's own, in their order.
        cut_by: What ended a trial that is ``ok`` before the end of its schedule: its soft deadline
            or its wall limit. Its seconds are right-censored: the whole schedule would have taken
            longer. None for a schedule that reached its end, also for one that was shrunk to fit.
        launched_at: When the launcher was asked for it (UTC).
        first_step_at: When its first training step began.
        concurrent_trials: Trials that the launcher was running when this one was started, with it.
    """

    model_config = ConfigDict(extra="ignore", frozen=True, protected_namespaces=())

    schema_version: Literal[1] = 1
    search_id: str
    trial_number: int
    attempt: int = 0
    outcome: Outcome
    cut_by: CutBy | None = None
    scores: Mapping[str, Score] = Field(default_factory=dict)
    saved_scores: Mapping[str, Score] = Field(default_factory=dict)
    seconds: Mapping[str, float] = Field(default_factory=dict)
    reused_seconds: float = 0.0
    reused_joules: float | None = None
    latency_ms: float | None = None
    progress: Progress = Progress()
    evaluations: tuple[Evaluation, ...] = ()
    peak_host_bytes: int | None = None
    peak_gpu_bytes: int | None = None
    energy: tuple[EnergyReading, ...] = ()
    failure: Failure | None = None
    model_folder: str | None = None
    checkpoint_folder: str | None = None
    continues: int | None = None
    cumulative_seconds: float | None = None
    cumulative_joules: float | None = None
    device: str = "cpu"
    precision: str = "float32"
    threads: int = 1
    concurrent_trials: int = 1
    versions: Mapping[str, str] = Field(default_factory=dict)
    launched_at: datetime | None = None
    started_at: datetime | None = None
    first_step_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def energy_joules(self) -> float | None:
        """Joules of all components; None if nothing could be read."""
        return sum(one.joules for one in self.energy) if self.energy else None

    @property
    def model_scores(self) -> Mapping[str, Score]:
        """Scores of the model in ``model_folder``, however the trial has ended."""
        return self.scores or self.saved_scores

    @property
    def time_seconds(self) -> float | None:
        """Training plus evaluation seconds, the search's time objective; None if neither ran.

        Features of a frozen backbone that came from the cache count with what they had cost.
        """
        parts = [self.seconds[p] for p in ("train", "evaluate") if p in self.seconds]
        return sum(parts) + self.reused_seconds if parts else None

    @property
    def comparable_seconds(self) -> float | None:
        """What the configuration takes: ``time_seconds``, of a continuation that of its chain."""
        if self.continues is None or self.cumulative_seconds is None:
            return self.time_seconds
        return self.cumulative_seconds

    @property
    def comparable_joules(self) -> float | None:
        """What the configuration draws; None if it has no reading.

        That of a continuation with its whole chain, and as if nothing had been found in the cache,
        so that equal configurations compare. Where what is in the cache was not metered, it is
        taken to have drawn the power of the rest.
        """
        if self.continues is not None:
            return self.cumulative_joules
        joules, seconds = self.energy_joules, self.time_seconds
        if joules is None:
            return None
        if self.reused_joules is not None:
            return joules + self.reused_joules
        if not seconds or self.reused_seconds >= seconds:
            return joules
        return joules * seconds / (seconds - self.reused_seconds)
