"""One attempt of a trial: the fields that its result and its experience share."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from pydantic import Field

from xautolm_core.records.base import Record
from xautolm_core.records.energy import EnergyReading
from xautolm_core.records.outcome import Failure
from xautolm_core.records.outcome import Outcome
from xautolm_core.records.scores import Score

CutBy = Literal["deadline", "wall"]


class TrialProgress(Record):
    """How much of the planned training was done.

    Attributes:
        rows: Training rows used after the data fraction.
        planned_steps: Optimiser steps of the configuration on these rows.
        scheduled_steps: Length of the schedule after it was shrunk; the steps done where it was
            cut.
        steps: Steps done.
        epochs: Epochs completed (fractional where the last was cut).
        best_epoch: The evaluation whose weights were kept, from 1 on; 0 before the first.
        tokens: Tokens seen in training, padding left out.
        padded_tokens: Tokens computed, padding included.
    """

    rows: int = 0
    planned_steps: int = 0
    scheduled_steps: int = 0
    steps: int = 0
    epochs: float = 0.0
    best_epoch: int = 0
    tokens: int = 0
    padded_tokens: int = 0


class TrialEvaluation(Record):
    """One evaluation on validation data during training.

    Attributes:
        epoch: Passes over the training rows by then, those of a continuation's earlier trials
            included; fractional where the schedule ends within one.
        score: The primary score of the kind of task: macro-F1, or the F1 of answers; in [0, 1].
        seconds: Training plus evaluation up to then, as ``AttemptRecord.time_seconds`` counts them;
            of a continuation with the trials that it continues.
        joules: Likewise the energy; None where nothing was metered.
    """

    epoch: float = Field(ge=0)
    score: float = Field(ge=0, le=1)
    seconds: float = Field(ge=0)
    joules: float | None = Field(default=None, ge=0, allow_inf_nan=False)


class AttemptRecord(Record):
    """The outcome of an attempt of a trial, with its scores and costs.

    Attributes:
        search_id: Search that the trial belongs to.
        trial_number: Number within the search.
        attempt: Number of the attempt within the trial.
        outcome: How it ended.
        cut_by: What ended an attempt that is ``ok`` before the end of its schedule: its soft
            deadline or its wall limit. Its seconds are right-censored: the whole schedule would
            have taken longer. None for a schedule that reached its end, also for one that was
            shrunk to fit.
        scores: Score name to score on validation data: ``macro_f1``, ``accuracy``; of answers
            ``f1``, ``exact_match``.
        seconds: Phase to wall-clock seconds: ``startup`` (launch to the trial's first line),
            ``download`` (of task and model, on another machine), ``load_data``, ``tokenize``,
            ``load_model``, ``train`` (with the probe), ``evaluate``, ``latency``, ``save``.
        reused_seconds: What earlier trials spent on the frozen backbone's features that this one
            read from the cache; part of ``time_seconds``, so that the times of equal
            configurations compare, but spent only once, and not part of any total.
        reused_joules: Energy of these features, as far as it was metered; None if nothing was
            reused, or nothing could be metered.
        latency_ms: Median milliseconds a text at inference, batch of one, if measured.
        peak_host_bytes: Peak resident memory of the trial's processes.
        peak_gpu_bytes: Peak memory that the trial had reserved on its GPU; None without one.
        energy: Of training and evaluation, by component; of a trial that was killed up to its last
            heartbeat. Empty if nothing could be metered.
        failure: Why it failed, if it did.
        continues: Number of the trial whose checkpoint it continued; None for a new one.
            ``seconds`` and ``energy`` are its own.
        cumulative_seconds: Training plus evaluation of a continuation and of all trials that it
            continues; None for a new one.
        cumulative_joules: Likewise the joules; None also where one of them has no reading.
        device: ``cpu`` or ``cuda``.
        threads: CPU threads that it used.
        concurrent_trials: Trials that the launcher was running when this one started, itself too.
        versions: Software versions.
        started_at: When the trial itself began (UTC).
        ended_at: When it ended (UTC).
    """

    search_id: str
    trial_number: int = Field(ge=0)
    attempt: int = Field(default=0, ge=0)
    outcome: Outcome
    cut_by: CutBy | None = None
    scores: Mapping[str, Score] = Field(default_factory=dict)
    seconds: Mapping[str, float] = Field(default_factory=dict)
    reused_seconds: float = 0.0
    reused_joules: float | None = None
    latency_ms: float | None = None
    peak_host_bytes: int | None = None
    peak_gpu_bytes: int | None = None
    energy: tuple[EnergyReading, ...] = ()
    failure: Failure | None = None
    continues: int | None = Field(default=None, ge=0)
    cumulative_seconds: float | None = None
    cumulative_joules: float | None = None
    device: str = "cpu"
    threads: int = 1
    concurrent_trials: int = 1
    versions: Mapping[str, str] = Field(default_factory=dict)
    started_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def energy_joules(self) -> float | None:
        """Joules of all components; None if nothing could be metered."""
        return sum(one.joules for one in self.energy) if self.energy else None

    @property
    def is_unmetered(self) -> bool:
        """Whether it trained without any reading of its energy."""
        return "train" in self.seconds and not self.energy

    @property
    def time_seconds(self) -> float | None:
        """Its own training plus evaluation seconds; None if neither ran.

        Features of a frozen backbone from the cache count with their original cost.
        """
        parts = [self.seconds[p] for p in ("train", "evaluate") if p in self.seconds]
        return sum(parts) + self.reused_seconds if parts else None

    @property
    def comparable_seconds(self) -> float | None:
        """Seconds of the configuration, the search's time objective.

        That is ``time_seconds``; of a continuation that of all that it continues.
        """
        return self.time_seconds if self.cumulative_seconds is None else self.cumulative_seconds

    @property
    def comparable_joules(self) -> float | None:
        """Joules of the configuration; None if it has no reading.

        A continuation counts its whole chain, and cached features count with their original cost,
        so that equal configurations compare. Cached features that were not metered are assumed to
        have drawn the same power as the rest.
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

    @property
    def held_seconds(self) -> float:
        """Seconds from its start to its end on its machine, without queueing.

        The sum of its phases where a time is missing, or the clock was set back.
        """
        return self._seconds_since(self.started_at)

    def _seconds_since(self, moment: datetime | None) -> float:
        if moment is not None and self.ended_at is not None:
            between = (self.ended_at - moment).total_seconds()
            if between > 0:
                return between
        return float(sum(s for s in self.seconds.values() if math.isfinite(s) and s > 0))


class TrialResult(AttemptRecord):
    """The result of an attempt of a trial, as the trial and its launcher report it.

    Attributes:
        model_folder: Name of the model's folder below ``out_folder``, if a model was saved; also of
            a trial that did not end ok, but had evaluated and saved a state before.
        checkpoint_folder: Name of the checkpoint's folder below ``out_folder``, if one was kept.
        progress: Of a continuation with all trials that it continues.
        saved_scores: Scores of the model in ``model_folder`` where the trial did not end ok;
            ``scores`` is empty then.
        evaluations: The trial's own evaluations, in order.
        precision: Numeric precision of its computation.
        launched_at: When the trial was submitted to the launcher (UTC).
        first_step_at: When its first training step began.
    """

    schema_version: Literal[1] = 1
    saved_scores: Mapping[str, Score] = Field(default_factory=dict)
    progress: TrialProgress = TrialProgress()
    evaluations: tuple[TrialEvaluation, ...] = ()
    model_folder: str | None = None
    checkpoint_folder: str | None = None
    precision: str = "float32"
    launched_at: datetime | None = None
    first_step_at: datetime | None = None

    @property
    def model_scores(self) -> Mapping[str, Score]:
        """Scores of the model in ``model_folder``, however the trial has ended."""
        return self.scores or self.saved_scores

    @property
    def wall_seconds(self) -> float:
        """Seconds from the launch to the end, queueing included."""
        return self._seconds_since(self.launched_at or self.started_at)
