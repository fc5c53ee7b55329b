"""From the options of ``xautolm search`` to a checked request; nothing is written here."""

from __future__ import annotations

import importlib.util
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import fields
from dataclasses import replace
from datetime import UTC
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from xautolm_core.errors import ConfigError
from xautolm_core.errors import MissingExtraError
from xautolm_core.request.basis import basis_of
from xautolm_core.request.budgets import Budget
from xautolm_core.request.budgets import Grid
from xautolm_core.request.budgets import parse_budget
from xautolm_core.request.budgets import spending_limits
from xautolm_core.request.locations import absolute_store
from xautolm_core.request.locations import check_can_write
from xautolm_core.request.locations import check_new_run_folder
from xautolm_core.request.locations import default_run_folder
from xautolm_core.request.locations import store_location
from xautolm_core.request.quantities import parse_duration
from xautolm_core.request.quantities import parse_pairs
from xautolm_core.request.quantities import parse_size
from xautolm_core.request.read_stores import read_stores
from xautolm_core.search.contract import DEFAULT_SAMPLER
from xautolm_core.search.contract import SEARCH_FILE
from xautolm_core.search.contract import Objective
from xautolm_core.search.contract import ReadStore
from xautolm_core.search.contract import SearchSpec
from xautolm_core.search.contract import SpendingLimits
from xautolm_core.search.samplers.factory import SAMPLER_NAMES
from xautolm_core.space.cheap import parse_methods
from xautolm_core.space.methods import has_model
from xautolm_core.tasks.quoting import Quoting
from xautolm_core.tasks.source import read_task_spec
from xautolm_core.validation import first_problem

# These samplers do not look at the history anyway.
_WITHOUT_HISTORY = ("zero_shot", "random")
_KEEP = ("front", "best", "all")
_CHANGEABLE = frozenset(
    {
        "budget",
        "prices",
        "zone",
        "intensities",
        "grams_per_kwh",
        "pue",
        "trials",
        "trial_timeout",
        "trial_memory",
        "workers",
        "no_screening",
        "no_early_stopping",
        "keep_models",
        "offline",
    }
)
_NEEDED_MODULES = ("torch", "transformers", "peft")


@dataclass(frozen=True)
class SearchOptions:
    """The options as they were given; None, False and empty where they were not."""

    data: str | None = None
    text: str | None = None
    text_pair: str | None = None
    label: str | None = None
    name: str | None = None
    drop_invalid: bool = False
    quoting: Quoting | None = None
    space: str | None = None
    methods: str | None = None
    no_screening: bool = False
    sampler: str | None = None
    sampler_options: tuple[str, ...] = ()
    objectives: str | None = None
    seed: int | None = None
    models: tuple[Path, ...] = ()
    offline: bool = False
    budget: str | None = None
    prices: tuple[str, ...] = ()
    zone: str | None = None
    intensities: Path | None = None
    grams_per_kwh: float | None = None
    pue: float | None = None
    trials: int | None = None
    trial_timeout: str | None = None
    trial_memory: str | None = None
    workers: int | None = None
    no_early_stopping: bool = False
    store: str | None = None
    read_stores: tuple[str, ...] = ()
    tenant: str | None = None
    all_tenants: bool = False
    cold: bool = False
    out: Path | None = None
    keep_models: str | None = None


@dataclass(frozen=True)
class SearchRequest:
    """A search that can be run.

    Attributes:
        spec: What is asked.
        out_folder: The run folder, absolute.
        resume: Whether the folder holds a run that goes on.
    """

    spec: SearchSpec
    out_folder: Path
    resume: bool = False


def new_search(options: SearchOptions) -> SearchRequest:
    """Return the request of a new search.

    Raises:
        ConfigError: An option is wrong, or a folder cannot be used.
        DataError: The argument names no data.
    """
    if options.data is None:
        raise ConfigError(
            "no data given", hint="Write for example: xautolm search reviews.csv --budget 10m"
        )
    methods = parse_methods(options.methods or "", "--methods")
    _require_trial_packages(methods)
    limits = _limits(options, SpendingLimits())
    sampler = _sampler(options)
    sampler_options = parse_pairs(options.sampler_options, "--sampler-option")
    if options.cold and sampler == "guarded":
        sampler_options = {**sampler_options, "history": False}
    tenant = {} if options.tenant is None else {"tenant": _tenant(options.tenant)}
    objectives = parse_objectives(options.objectives or "f1,time")
    seed = options.seed or 0
    task = read_task_spec(
        options.data,
        text=options.text,
        text_pair=options.text_pair,
        label=options.label,
        name=options.name,
        seed=seed,
        drop_invalid=options.drop_invalid,
        quoting=options.quoting,
    )
    now = datetime.now(UTC)
    out_folder = (options.out or default_run_folder(task.name or "task", now)).expanduser()
    check_new_run_folder(out_folder)
    store = absolute_store(store_location(options.store))
    _check_store(store)
    spec = _validated(
        {
            "search_id": f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}",
            "task": task,
            "space": _space(options.space or "starter"),
            "methods": methods,
            "sampler": sampler,
            "sampler_options": sampler_options,
            "objectives": objectives,
            "seed": seed,
            "store": store,
            "read_stores": _read_stores(options, store),
            "all_tenants": options.all_tenants,
            "model_folders": tuple(_model_folder(folder) for folder in options.models),
            "created_at": now,
            **limits,
            **tenant,
        }
    )
    return SearchRequest(spec, out_folder.absolute())


def resumed_search(options: SearchOptions, run: Path) -> SearchRequest:
    """Return the request to go on with a run, with the limits that were given anew.

    Raises:
        ConfigError: The folder holds no run, or an option was given that cannot change.
    """
    folder = run.expanduser().absolute()
    given = [
        field.name
        for field in fields(options)
        if getattr(options, field.name) not in (None, False, ()) and field.name not in _CHANGEABLE
    ]
    if given:
        name = "read_store" if given[0] == "read_stores" else given[0]
        what = "other data" if name == "data" else f"--{name.replace('_', '-')}"
        raise ConfigError(
            f"--resume goes on with the search as it was: {what} cannot be given",
            hint="Leave it out, or start a new search",
        )
    spec = _read_spec(folder)
    _require_trial_packages(spec.methods)
    changed = {**spec.model_dump(), **_limits(options, spec.spending)}
    check_can_write(folder, "--resume")
    _check_store(spec.store)
    return SearchRequest(_validated(changed), folder, resume=True)


def parse_objectives(text: str) -> tuple[Objective, ...]:
    """Return the objectives of a list such as ``f1,time``.

    Raises:
        ConfigError: One of them is unknown or comes twice, or ``f1`` is not the first.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    known = [objective.value for objective in Objective]
    for name in names:
        if name not in known:
            raise ConfigError(
                f"--objectives: '{name}' is no objective", hint=f"Known are {', '.join(known)}"
            )
    if len(set(names)) < len(names):
        raise ConfigError(f"--objectives: '{text}' names one twice", hint="Name each once")
    if not names or names[0] != Objective.F1.value:
        raise ConfigError("--objectives: f1 must be the first", hint="Write for example f1,time")
    return tuple(Objective(name) for name in names)


def _limits(options: SearchOptions, spending: SpendingLimits) -> dict[str, Any]:
    """Return the fields of those limits that were given.

    Args:
        options: As they were given.
        spending: What the search had before.
    """
    limits: dict[str, Any] = {}
    budget = Budget() if options.budget is None else parse_budget(options.budget)
    if budget.seconds is not None:
        limits["budget_seconds"] = budget.seconds
    grid = _grid(options, budget)
    if replace(budget, seconds=None) != Budget() or options.prices or grid != Grid():
        limits["spending"] = spending_limits(
            budget, options.prices, spending, gpus_per_trial=_gpus_per_trial(), grid=grid
        )
    if options.trials is not None:
        limits["max_trials"] = options.trials
    if options.trial_timeout is not None:
        limits["trial_timeout_seconds"] = parse_duration(options.trial_timeout, "--trial-timeout")
    if options.trial_memory is not None:
        limits["trial_memory_bytes"] = parse_size(options.trial_memory, "--trial-memory")
    if options.workers is not None:
        limits["workers"] = options.workers
    if options.no_screening:
        limits["screening"] = False
    if options.no_early_stopping:
        limits["early_stopping"] = False
    if options.keep_models is not None:
        if options.keep_models not in _KEEP:
            raise ConfigError(
                f"--keep-models: '{options.keep_models}' is no choice",
                hint=f"Known are {', '.join(_KEEP)}",
            )
        limits["keep_models"] = options.keep_models
    if options.offline:
        limits["offline"] = True
    return limits


def _grid(options: SearchOptions, budget: Budget) -> Grid:
    """Return what energy emits, where that is given, or a budget of carbon asks for it."""
    given = (options.zone, options.intensities, options.grams_per_kwh, options.pue)
    if budget.carbon_grams is None and all(one is None for one in given):
        return Grid()
    basis = basis_of(
        None,
        zone=options.zone,
        intensities=options.intensities,
        grams_per_kwh=options.grams_per_kwh,
        pue=options.pue,
    )
    return Grid(basis.location, basis.pue)


def _gpus_per_trial() -> int:
    """Return how many GPUs a trial holds here: the first one, if there is any."""
    from xautolm_core.features.gpus import list_gpus

    return min(1, len(list_gpus()))


def _sampler(options: SearchOptions) -> str:
    sampler = options.sampler or DEFAULT_SAMPLER
    if sampler not in SAMPLER_NAMES:
        raise ConfigError(
            f"--sampler: there is no sampler '{sampler}'",
            hint=f"Known are {', '.join(SAMPLER_NAMES)}",
        )
    if not options.cold or sampler in (*_WITHOUT_HISTORY, "guarded"):
        return sampler
    if sampler == "knn":
        raise ConfigError(
            "--cold: the sampler knn is nothing without history",
            hint="Choose --sampler zero_shot or leave --cold out",
        )
    # The warm start is all that the xautolm sampler adds to the zero-shot one.
    return "zero_shot"


def _tenant(name: str) -> str:
    from xautolm_core.experience.keys import given_tenant

    return given_tenant(name, "--tenant")


def _space(name: str) -> str:
    """Return a space's name, or the absolute path of its file, so that a resume finds it."""
    path = Path(name).expanduser()
    return str(path.absolute()) if path.is_file() else name


def _model_folder(folder: Path) -> Path:
    if not folder.expanduser().is_dir():
        raise ConfigError(f"--models: {folder} is no folder", hint="Give a folder with models")
    return folder.expanduser().absolute()


def _check_store(location: str) -> None:
    """Refuse a store that cannot be written to: bad input, as long as nothing has begun."""
    if "://" not in location:
        check_can_write(Path(location), "--store")


def _read_stores(options: SearchOptions, own: str) -> tuple[ReadStore, ...]:
    """Return the stores that are read besides; the own one is read anyway."""
    if options.cold:
        return ()
    return tuple(one for one in read_stores(options.read_stores) if one.store != own)


def _read_spec(folder: Path) -> SearchSpec:
    file = folder / SEARCH_FILE
    if not file.is_file():
        raise ConfigError(
            f"--resume: {folder} holds no search ({SEARCH_FILE} is missing)",
            hint="Give the run folder that the search printed",
        )
    try:
        return SearchSpec.model_validate_json(file.read_bytes())
    except (ValidationError, OSError) as error:
        raise ConfigError(
            f"--resume: {file} cannot be read ({_first_line(error)})",
            hint="It may come from another version; start a new search",
        ) from error


def _validated(values: Mapping[str, Any]) -> SearchSpec:
    try:
        return SearchSpec.model_validate(values)
    except ValidationError as error:
        raise ConfigError(_first_line(error), hint="See xautolm search --help") from error


def _first_line(error: ValidationError | OSError) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return str(first_problem(error))


def _require_trial_packages(methods: tuple[str, ...]) -> None:
    if methods and not any(map(has_model, methods)):
        return
    if any(importlib.util.find_spec(module) is None for module in _NEEDED_MODULES):
        raise MissingExtraError("trial", "Fine-tuning")
