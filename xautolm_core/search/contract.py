"""What a search is asked, what it says while it runs, and what it comes to."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any
from typing import Literal
from typing import Protocol

from pydantic import BaseModel
from pydantic import ConfigDict
from pydantic import Field
from pydantic import field_validator
from pydantic import model_validator

from xautolm_core.energy.intensity import LARGEST_GRAMS_PER_KWH
from xautolm_core.plugins import PluginReference
from xautolm_core.records.attempt import TrialResult
from xautolm_core.records.configuration import Configuration
from xautolm_core.records.outcome import Outcome
from xautolm_core.search.explanation import TrialExplanation
from xautolm_core.search.test_report import AnyTestReport
from xautolm_core.space.model import ModelDescriptor
from xautolm_core.tasks.spec import TaskSpec
from xautolm_core.tasks.spec import TaskType
from xautolm_core.tasks.task_type import PrimaryScore
from xautolm_core.tasks.task_type import task_kind

SEARCH_FILE = "search.json"
DEFAULT_SAMPLER = "guarded"
DEFAULT_SPACE = "default"
"""Stands for the preset of the kind of task, which the data tell."""
STUDY_FILE = "study.journal"
SUMMARY_FILE = "summary.json"
PARETO_FILE = "pareto.json"
TRIALS_FILE = "trials.parquet"
REPORT_FILE = "report.html"
BEST_MODEL_FOLDER = "model"
ALTERNATIVE_FOLDER = "alternative"
"""The best model of the other kind: a cheap one beside a language model, or vice versa."""


class Objective(StrEnum):
    """What a search optimises: the score is maximised, the others are minimised.

    Time is in seconds of training and evaluation, energy in joules of the same, latency in
    milliseconds a text.
    """

    F1 = "f1"
    TIME = "time"
    LATENCY = "latency"
    ENERGY = "energy"

    @property
    def maximize(self) -> bool:
        """Whether more is better."""
        return self is Objective.F1

    @property
    def grows_with_schedule(self) -> bool:
        """Whether a trial that was cut would have come to more of it."""
        return self in (Objective.TIME, Objective.ENERGY)


class ReadStore(BaseModel):
    """An experience store that a search reads besides the one that it writes.

    Attributes:
        name: What notes and reports call it.
        store: Folder or URI.
        trust: Weight of its experiences, in (0, 1]; those of the search's own store have 1.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,31}$")
    store: str = Field(min_length=1)
    trust: float = Field(default=0.5, gt=0, le=1, allow_inf_nan=False)

    @field_validator("name")
    @classmethod
    def _check_name(cls, value: str) -> str:
        if value == "own":
            raise ValueError("'own' is the store that is written")
        return value


class SpendingLimits(BaseModel):
    """What the trials of a search may use up, and what it costs.

    No trial is started that would go beyond a limit if it used as much as the largest so far; one
    that uses more still may.

    Attributes:
        gpu_hours: Hours of GPUs, from a trial's start to its end.
        energy_kwh: Energy that the trials' meters read; trials without a reading count as nothing.
        cost: Money, in ``currency``.
        carbon_grams: CO2e of that energy, location-based.
        gpus_per_trial: GPUs that one trial holds.
        price_per_gpu_hour: Of one GPU.
        price_per_trial_hour: Of all else that a trial holds.
        price_per_kwh: Of the energy that the trials' meters read.
        currency: What prices and cost are in.
        grams_per_kwh: CO2e of the grid.
        intensity_source: Where that is from, such as a table with zone and year.
        pue: Power usage effectiveness: what cost and carbon are of is drawn so many times; the
            limit on energy is of the trials' own.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    gpu_hours: float | None = Field(default=None, gt=0)
    energy_kwh: float | None = Field(default=None, gt=0)
    cost: float | None = Field(default=None, gt=0)
    carbon_grams: float | None = Field(default=None, gt=0)
    gpus_per_trial: int = Field(default=0, ge=0)
    price_per_gpu_hour: float = Field(default=0.0, ge=0)
    price_per_trial_hour: float = Field(default=0.0, ge=0)
    price_per_kwh: float = Field(default=0.0, ge=0)
    currency: str = Field(default="USD", pattern=r"^[A-Z]{3}$")
    grams_per_kwh: float = Field(default=0.0, ge=0, le=LARGEST_GRAMS_PER_KWH)
    intensity_source: str = ""
    pue: float = Field(default=1.0, ge=1, allow_inf_nan=False)

    @model_validator(mode="after")
    def _check_countable(self) -> SpendingLimits:
        if self.gpu_hours is not None and not self.gpus_per_trial:
            raise ValueError("gpu_hours limits nothing, because trials hold no GPU")
        if self.cost is not None and not self._price_per_hour + self.price_per_kwh:
            raise ValueError("cost limits nothing, because all prices are 0")
        if self.carbon_grams is not None and not self.grams_per_kwh:
            raise ValueError("carbon limits nothing, because no intensity of the grid is given")
        return self

    @property
    def is_limited(self) -> bool:
        """Whether anything is limited at all."""
        limits = (self.gpu_hours, self.energy_kwh, self.cost, self.carbon_grams)
        return any(limit is not None for limit in limits)

    @property
    def needs_energy(self) -> bool:
        """Whether a limit holds only if the trials' energy can be read."""
        by_energy = self.cost is not None and self.price_per_kwh > 0
        return self.energy_kwh is not None or self.carbon_grams is not None or by_energy

    @property
    def limits_time(self) -> bool:
        """Whether a limit is reached in the end, whatever can be read."""
        return self.gpu_hours is not None or (self.cost is not None and self._price_per_hour > 0)

    @property
    def _price_per_hour(self) -> float:
        return self.price_per_gpu_hour * self.gpus_per_trial + self.price_per_trial_hour


class SearchSpec(BaseModel):
    """Everything that decides a search. Kept in the run folder, so that it can be resumed.

    Attributes:
        search_id: Unique id of the search.
        task: The task as the user described it.
        space: Preset name or path of the space's file; ``default`` for the preset of the kind of
            task.
        methods: The space is restricted to them; empty for all that it has.
        screening: Whether the space's models are compared on a few rows first (see
            ``xautolm_core.search.screening``).
        sampler: ``guarded``, ``xautolm``, ``zero_shot``, ``knn``, ``random``, or one of a plug-in.
        sampler_options: Options of the sampler (see its documentation).
        launcher: Where trials run: ``local``, or a launcher of a plug-in.
        launcher_settings: What the launcher is told; no secrets, as they are kept with the run.
        meters: Names of energy meters that trials ask first, the best first.
        plugins: What other packages give to the search, with their versions.
        objectives: At least one, the first of them ``f1``.
        max_trials: Stop after so many trials, or None.
        budget_seconds: Stop after so many seconds, all included, or None.
        trial_timeout_seconds: Limit of one trial; derived from the budget if None.
        trial_memory_bytes: Memory limit of one trial; derived from this machine if None.
        spending: What the trials together may use up.
        workers: Trials at the same time.
        seed: Seed of sampler, splits and trials.
        store: Folder or URI of the experience store.
        tenant: Whose experiences are written, and read in the own store.
        all_tenants: Whether the experiences of other tenants in the own store are read too.
        read_stores: Stores that are read besides, with all tenants in them.
        early_stopping: Whether trials in the worse half at a rung are stopped (see
            ``xautolm_core.search.rungs``), where a budget of time or spending binds.
        keep_models: ``front`` keeps the models of the Pareto front, ``best`` one, ``all`` all.
        history: SHA-256 of the rows that the search started from, as its run folder keeps them
            (``history.parquet``); None as long as it has read none.
        created_at: UTC.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    schema_version: Literal[1] = 1
    search_id: str
    task: TaskSpec
    space: str = "starter"
    methods: tuple[str, ...] = ()
    screening: bool = True
    sampler: str = DEFAULT_SAMPLER
    sampler_options: Mapping[str, Any] = Field(default_factory=dict)
    launcher: str = "local"
    launcher_settings: Mapping[str, Any] = Field(default_factory=dict)
    meters: tuple[str, ...] = ()
    plugins: tuple[PluginReference, ...] = ()
    objectives: tuple[Objective, ...] = (Objective.F1, Objective.TIME)
    max_trials: int | None = Field(default=None, gt=0)
    budget_seconds: float | None = Field(default=None, gt=0)
    trial_timeout_seconds: float | None = Field(default=None, gt=0)
    trial_memory_bytes: int | None = Field(default=None, gt=0)
    spending: SpendingLimits = SpendingLimits()
    workers: int = Field(default=1, ge=1)
    seed: int = Field(default=0, ge=0)
    store: str
    tenant: str = "default"
    all_tenants: bool = False
    read_stores: tuple[ReadStore, ...] = ()
    early_stopping: bool = True
    keep_models: Literal["front", "best", "all"] = "front"
    model_folders: tuple[Path, ...] = ()
    offline: bool = False
    history: str | None = None
    created_at: datetime | None = None

    def space_for(self, task_type: str) -> str:
        """Return the space's name or path, for tasks of a kind."""
        return task_kind(task_type).space if self.space == DEFAULT_SPACE else self.space


@dataclass(frozen=True)
class WarmStartReport:
    """What the history did to the sampler before its first proposal.

    Attributes:
        applied: Experiences that were used as they are.
        mapped: Experiences of another space that were used in part.
        dropped: Experiences that were not used, by reason.
        prior_shift: How far the fine-tuner probabilities moved from uniform: the total variation
            distance, in [0, 1] (0 = not at all).
        neighbours: The most similar tasks: name, weight in [0, 1] and experiences.
        branch_probabilities: Fine-tuner to its probability at the start.
    """

    applied: int = 0
    mapped: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)
    prior_shift: float = 0.0
    neighbours: Sequence[tuple[str, float, int]] = ()
    branch_probabilities: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class TrialRecord:
    """One trial of a search, as the reports see it.

    Attributes:
        number: From 0 on.
        configuration: What was tried.
        result: How it ended (the last attempt).
        why: Where the configuration came from, in words.
        values: Objective name to value; empty if the trial did not end ok, and without energy if
            that could not be read.
        on_front: Whether it is on the Pareto front.
        explanation: What the sampler expected of it; None where it said nothing.
    """

    number: int
    configuration: Configuration
    result: TrialResult
    why: str
    values: Mapping[str, float]
    on_front: bool = False
    explanation: TrialExplanation | None = None


@dataclass(frozen=True)
class SearchResult:
    """What a search came to.

    Attributes:
        spec: What was asked.
        out_folder: The run folder.
        task: Name, fingerprint, labels, rows of each split, warnings.
        task_features: Feature name to value.
        system_features: Feature name to value or fact.
        trials: All trials, by number.
        best: Number of the chosen trial (best score on validation; the faster of equals).
        test: The chosen model on the test split; None if there is no model.
        warm_start: What the history did.
        seconds: Wall-clock seconds of the whole search.
        phase_seconds: What of it went to what (``load``, ``features``, ``trials``, ...).
        stopped_by: ``trials``, ``budget``, ``gpu_hours``, ``energy``, ``cost``, ``carbon``,
            ``unmetered``, ``rounds``, ``interrupted`` or ``exhausted``.
        notes: What the user should know, in words.
        models: Model id to what is known of it, of the space's models. Reports label those without
            pretraining wherever a score of theirs stands.
        unkept_experiences: Experiences that could not be written to the store; a resume writes
            them.
    """

    spec: SearchSpec
    out_folder: Path
    task: Mapping[str, Any]
    task_features: Mapping[str, float | None]
    system_features: Mapping[str, float | str | None]
    trials: Sequence[TrialRecord]
    best: int | None
    test: AnyTestReport | None
    warm_start: WarmStartReport
    seconds: float
    phase_seconds: Mapping[str, float]
    stopped_by: str
    notes: Sequence[str] = ()
    models: Mapping[str, ModelDescriptor] = field(default_factory=dict)
    unkept_experiences: int = 0

    @property
    def task_type(self) -> str:
        """Name of the kind of task."""
        return str(self.task.get("type") or TaskType.TEXT_CLASSIFICATION)

    @property
    def primary(self) -> PrimaryScore:
        """The score that was optimised."""
        return task_kind(self.task_type).primary

    @property
    def front(self) -> Sequence[TrialRecord]:
        """The trials of the Pareto front."""
        return [t for t in self.trials if t.on_front]

    @property
    def outcomes(self) -> Mapping[Outcome, int]:
        """Outcome to number of trials."""
        counts: dict[Outcome, int] = {}
        for trial in self.trials:
            counts[trial.result.outcome] = counts.get(trial.result.outcome, 0) + 1
        return counts


class SearchObserver(Protocol):
    """Is told how a search goes on. The command line's live view is one."""

    def phase(self, name: str, detail: str = "") -> None:
        """Say that a phase began, such as ``load``, ``features``, ``space``, ``history``."""
        ...

    def note(self, text: str, *, warning: bool = False) -> None:
        """Tell something that the user should know."""
        ...

    def warm_started(self, report: WarmStartReport) -> None:
        """Tell what the history did."""
        ...

    def trial_started(self, number: int, configuration: Configuration, why: str) -> None:
        """A trial was launched."""
        ...

    def trial_ended(
        self, record: TrialRecord, front: Sequence[TrialRecord], best: TrialRecord | None
    ) -> None:
        """A trial has ended; ``front`` and ``best`` are as of now."""
        ...

    def tick(self, seconds_left: float | None, running: Mapping[int, Mapping[str, Any]]) -> None:
        """Called about twice a second; ``running`` is trial number to its last heartbeat."""
        ...
