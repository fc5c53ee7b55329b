"""What goes into a trial, as JSON at the process boundary; ``records.attempt`` comes out."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from pydantic import BaseModel
from pydantic import ConfigDict
from pydantic import Field
from pydantic import model_validator

from xautolm_core.records.configuration import Configuration
from xautolm_core.space.model import ModelReference
from xautolm_core.tasks.spec import TaskType

TRIALS_FOLDER = "trials"
"""Of a run folder, and of a search's objects: the folders of all attempts."""
ATTEMPT_NAME = re.compile(r"(\d{4,})-(\d+)")
"""Format of ``attempt_name``: number of the trial, and of its attempt."""
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


def attempt_name(number: int, attempt: int) -> str:
    """Return the name of the folder of an attempt."""
    return f"{number:04d}-{attempt}"


class TrialBudget(BaseModel):
    """Limits of one trial.

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
    """The complete description of a trial. It is written before the trial is started.

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
        continues: Number of the trial that this one continues, in the same search; None to begin
            anew. All that matters has to be the same but the epochs and the budget.
        resume_from: Folder of that trial's checkpoint.
        keep_checkpoint: Write a checkpoint to ``out_folder/checkpoint`` at the end.
        meters: Names of energy meters that are asked before those that are always there.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    schema_version: Literal[1] = 1
    search_id: str
    trial_number: int = Field(ge=0)
    attempt: int = Field(default=0, ge=0)
    task_type: str = TaskType.TEXT_CLASSIFICATION
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
    meters: tuple[str, ...] = ()
    heartbeat_seconds: float = Field(default=2.0, gt=0)

    @model_validator(mode="after")
    def _check_model(self) -> TrialSpec:
        if (self.model is None) != (self.configuration.model is None):
            raise ValueError("the trial's model is not that of its configuration")
        if (self.continues is None) != (self.resume_from is None):
            raise ValueError("a continuation needs both continues and resume_from")
        return self
