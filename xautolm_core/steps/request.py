"""The run parameters of a pipeline, checked once and passed on as one document."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import contextmanager
from datetime import UTC
from datetime import datetime
from pathlib import Path
from typing import Any
from typing import Literal

from pydantic import BaseModel
from pydantic import ConfigDict
from pydantic import Field
from pydantic import ValidationError

from xautolm_core.errors import ConfigError
from xautolm_core.experience.keys import given_tenant
from xautolm_core.launch.kubernetes.settings import KubernetesSettings
from xautolm_core.objects.s3_settings import join_s3_uri
from xautolm_core.search.contract import DEFAULT_SAMPLER
from xautolm_core.search.contract import SearchSpec
from xautolm_core.search.samplers.factory import check_sampler
from xautolm_core.search.spending import SpendingLimits
from xautolm_core.space.cheap import parse_methods
from xautolm_core.tasks.source import read_task_spec
from xautolm_core.tasks.spec import TaskSpec
from xautolm_core.validation import first_problem

LIMITS = ("trials", "hours", "gpu_hours", "kwh", "cost", "carbon_grams")
PRICES = ("gpu_hour", "trial_hour", "kwh", "currency", "grams_per_kwh", "pue")
_SECONDS_PER_HOUR = 3600.0


Launching = Literal["kubernetes", "local", "rounds"]


class PipelineRequest(BaseModel):
    """A search as a pipeline runs it.

    Attributes:
        spec: The search; a space given as text is the file that ``search_spec`` writes.
        space_text: YAML of the space, if it was given as text.
        workspace: Address below which searches keep their objects.
        launcher: ``kubernetes`` runs trials as Jobs, ``local`` in the controller's own container,
            ``rounds`` leaves them to other steps of the pipeline.
        cluster: Settings of trial pods; None where there is no Job.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    spec: SearchSpec
    space_text: str | None = None
    workspace: str = Field(min_length=1)
    launcher: Launching = "kubernetes"
    cluster: KubernetesSettings | None = None

    @property
    def exchange_address(self) -> str:
        """Address of this search's own objects."""
        return join_s3_uri(self.workspace, self.spec.search_id)

    def search_spec(self, folder: Path) -> SearchSpec:
        """Return the search, with its space's file written to a folder of this machine."""
        if self.space_text is None:
            return self.spec
        return self.spec.model_copy(update={"space": str(space_file(self.space_text, folder))})


class MeasurementRequest(BaseModel):
    """The parameters that meta-features depend on: equal ones share a cached result.

    Attributes:
        task: The task.
        space: The space, whose tokenizers count tokens.
        space_text: YAML of the space, if it was given as text.
        workspace: Address below which the probe of the trials' machine keeps its answer.
        launcher: Decides which machine is measured.
        cluster: Settings of trial pods; None where there is no Job.
        extractors: Versions of the extractors.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    task: TaskSpec
    space: str
    space_text: str | None = None
    workspace: str
    launcher: Launching
    cluster: KubernetesSettings | None = None
    extractors: str

    @classmethod
    def of(cls, request: PipelineRequest, extractors: str) -> MeasurementRequest:
        """Return the measurement of a request."""
        return cls(
            task=request.spec.task,
            space=request.spec.space,
            space_text=request.space_text,
            workspace=request.workspace,
            launcher=request.launcher,
            cluster=request.cluster,
            extractors=extractors,
        )

    @property
    def digest(self) -> str:
        """Digest of all fields."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:16]


def read_request(text: str) -> PipelineRequest:
    """Parse the request of another step.

    Raises:
        ConfigError: It is malformed.
    """
    try:
        return PipelineRequest.model_validate_json(text)
    except ValidationError as error:
        raise ConfigError(f"This is not a request of a search: {first_problem(error)}") from error


def read_measurement(text: str) -> MeasurementRequest:
    """Parse the measurement of another step.

    Raises:
        ConfigError: It is malformed.
    """
    try:
        return MeasurementRequest.model_validate_json(text)
    except ValidationError as error:
        raise ConfigError(f"This is not a measurement: {first_problem(error)}") from error


def make_request(
    *,
    run_id: str,
    task: str,
    space: str,
    store: str,
    workspace: str,
    sampler: str = DEFAULT_SAMPLER,
    methods: str = "",
    screening: bool = True,
    objectives: str = "f1,time",
    limits: Mapping[str, Any] | None = None,
    prices: Mapping[str, Any] | None = None,
    trials_in_flight: int = 1,
    trial_timeout_minutes: float = 0.0,
    seed: int = 0,
    tenant: str = "default",
    launcher: str = "kubernetes",
    cluster: KubernetesSettings | None = None,
) -> PipelineRequest:
    """Check the run parameters of a pipeline.

    Args:
        run_id: Id of the run, and of the search.
        task: YAML or JSON of a task, or what ``xautolm search`` takes: an ``s3://`` address,
            a path in the container, the name of a data set on the hub.
        space: Preset, path in the container, or YAML.
        store: Address of the experience store.
        workspace: Address below which searches keep their objects.
        sampler: Name of the sampler.
        methods: As ``xautolm search --methods``; empty for all that the space has.
        screening: Compare the space's models on a few rows first.
        objectives: As ``xautolm search --objectives``.
        limits: Some of ``trials``, ``hours``, ``gpu_hours``, ``kwh``, ``cost`` and
            ``carbon_grams``.
        prices: Some of ``gpu_hour``, ``trial_hour``, ``kwh`` and ``currency``; carbon as
            ``grams_per_kwh`` (CO2e) and ``pue``.
        trials_in_flight: Trials at the same time.
        trial_timeout_minutes: Limit of one trial; 0 for a share of the budget.
        seed: Seed of splits, sampler and trials.
        tenant: Owner of the experiences.
        launcher: ``kubernetes``, ``local`` or ``rounds``.
        cluster: Settings of trial pods, for ``kubernetes``.

    Raises:
        ConfigError: A parameter is wrong; the message names it.
        DataError: The task is wrong.
    """
    settings = cluster if launcher == "kubernetes" else None
    for name, address in {"store": store, "workspace": workspace, "space": space}.items():
        if not address.strip():
            raise ConfigError(f"{name} is empty", hint="Give the run parameter a value")
    check_sampler(sampler, {})
    given_tenant(tenant, "tenant")
    allowed = dict(limits or {})
    _check_keys("limits", allowed, LIMITS)
    _check_keys("prices", prices or {}, PRICES)
    for name, value in allowed.items():
        if not isinstance(value, int | float) or isinstance(value, bool) or value <= 0:
            raise ConfigError(
                f"limits: {name} is {json.dumps(value)}",
                hint="Give a number greater than 0, or leave it out for no limit",
            )
    space_text = space if "\n" in space.strip() else None
    gpus = 0 if settings is None else settings.resources.gpu_count
    fields: dict[str, Any] = {
        "search_id": run_id,
        "task": task_spec(task, seed=seed),
        "space": "given as text" if space_text is not None else space,
        "sampler": sampler,
        "methods": parse_methods(methods, "methods"),
        "screening": screening,
        "objectives": [name.strip() for name in objectives.split(",") if name.strip()],
        "max_trials": allowed.get("trials"),
        "budget_seconds": _times(allowed.get("hours"), _SECONDS_PER_HOUR),
        "trial_timeout_seconds": _times(trial_timeout_minutes or None, 60.0),
        "spending": _spending(allowed, dict(prices or {}), gpus),
        "workers": trials_in_flight,
        "seed": seed,
        "store": store,
        "tenant": tenant,
        "created_at": datetime.now(UTC),
    }
    try:
        spec = SearchSpec.model_validate(fields)
        return PipelineRequest.model_validate(
            {
                "spec": spec,
                "space_text": space_text,
                "workspace": workspace,
                "launcher": launcher,
                "cluster": settings,
            }
        )
    except ValidationError as error:
        raise ConfigError(f"Run parameters: {first_problem(error)}") from error


def task_spec(task: str, *, seed: int = 0) -> TaskSpec:
    """Return the task that a run parameter describes.

    Raises:
        ConfigError: It is empty.
        DataError: It is wrong, or names data that do not exist.
    """
    if not task.strip():
        raise ConfigError(
            "task is empty", hint="Give the s3:// address of the data, or the YAML of a task"
        )
    with task_argument(task) as argument:
        try:
            return read_task_spec(argument, seed=seed)
        except ConfigError as error:
            if _is_yaml(task):
                error.problem = error.problem.replace(argument, "task")
            raise


@contextmanager
def task_argument(task: str) -> Iterator[str]:
    """Yield the data argument of ``xautolm search``: an address as it is, YAML as a file."""
    if not _is_yaml(task):
        yield task.strip()
        return
    with tempfile.TemporaryDirectory(prefix="xautolm-task-") as folder:
        file = Path(folder) / "task.yaml"
        file.write_text(task, encoding="utf-8")
        yield str(file)


def _is_yaml(task: str) -> bool:
    is_address = "://" in task and "\n" not in task and not task.startswith("{")
    return ":" in task and not is_address


def space_file(text: str, folder: Path) -> Path:
    """Write the YAML of a space to a folder; return the file, the same for equal texts."""
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    file = folder / f"space-{digest}.yaml"
    folder.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def _spending(
    limits: Mapping[str, Any], prices: Mapping[str, Any], gpus_per_trial: int
) -> SpendingLimits:
    fields = {
        "gpu_hours": limits.get("gpu_hours"),
        "energy_kwh": limits.get("kwh"),
        "cost": limits.get("cost"),
        "carbon_grams": limits.get("carbon_grams"),
        "gpus_per_trial": gpus_per_trial,
        "price_per_gpu_hour": prices.get("gpu_hour", 0.0),
        "price_per_trial_hour": prices.get("trial_hour", 0.0),
        "price_per_kwh": prices.get("kwh", 0.0),
        "currency": prices.get("currency", "USD"),
        "grams_per_kwh": prices.get("grams_per_kwh", 0.0),
        "intensity_source": "given by prices" if "grams_per_kwh" in prices else "",
        "pue": prices.get("pue", 1.0),
    }
    try:
        return SpendingLimits.model_validate(fields)
    except ValidationError as error:
        raise ConfigError(f"limits and prices: {first_problem(error)}") from None


def _check_keys(parameter: str, given: Mapping[str, Any], known: Sequence[str]) -> None:
    for name in given:
        if name not in known:
            raise ConfigError(
                f"{parameter}: there is no {name!r}", hint=f"Known are {', '.join(known)}"
            )


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor
