"""From the options of a search to a checked request."""

from __future__ import annotations

import importlib.util
import secrets
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
from datetime import UTC
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from xautolm_core.energy.surroundings import METERS
from xautolm_core.errors import ConfigError
from xautolm_core.errors import MissingExtraError
from xautolm_core.errors import StoreError
from xautolm_core.errors import XautolmError
from xautolm_core.launch.choice import LAUNCHERS
from xautolm_core.launch.choice import LOCAL
from xautolm_core.objects.addresses import scheme_of
from xautolm_core.objects.open import STORAGES
from xautolm_core.plugins import PluginReference
from xautolm_core.records.methods import has_model
from xautolm_core.request.basis import basis_of
from xautolm_core.request.budgets import Budget
from xautolm_core.request.budgets import Grid
from xautolm_core.request.budgets import parse_budget
from xautolm_core.request.budgets import spending_limits
from xautolm_core.request.launching import given_cluster
from xautolm_core.request.launching import plugin_settings
from xautolm_core.request.launching import resumed_cluster
from xautolm_core.request.locations import absolute_store
from xautolm_core.request.locations import check_can_write
from xautolm_core.request.locations import check_new_run_folder
from xautolm_core.request.locations import default_run_folder
from xautolm_core.request.locations import reserve_run_folder
from xautolm_core.request.locations import store_location
from xautolm_core.request.options import SavedData
from xautolm_core.request.options import SearchOptions
from xautolm_core.request.options import described_task
from xautolm_core.request.options import keep_what_is_in_memory
from xautolm_core.request.options import remove_made
from xautolm_core.request.quantities import parse_duration
from xautolm_core.request.quantities import parse_size
from xautolm_core.request.read_stores import read_stores
from xautolm_core.search.contract import DEFAULT_SAMPLER
from xautolm_core.search.contract import DEFAULT_SPACE
from xautolm_core.search.contract import SEARCH_FILE
from xautolm_core.search.contract import Objective
from xautolm_core.search.contract import ReadStore
from xautolm_core.search.contract import SearchSpec
from xautolm_core.search.contract import SpendingLimits
from xautolm_core.search.samplers.contract import SAMPLERS
from xautolm_core.search.samplers.factory import check_sampler
from xautolm_core.space.cheap import parse_methods
from xautolm_core.tasks.spec import TaskSpec
from xautolm_core.validation import first_problem

REGISTRIES = {one.group: one for one in (SAMPLERS, LAUNCHERS, METERS, STORAGES)}

if TYPE_CHECKING:
    from xautolm_core.launch.kubernetes.settings import ClusterSettings

_KEEP = ("front", "best", "all")
_NEEDED_MODULES = ("torch", "transformers", "peft")


@dataclass(frozen=True)
class SearchRequest:
    """A search that can be run.

    Attributes:
        spec: What is asked.
        out_folder: The run folder, absolute.
        resume: Whether the folder holds a run that goes on.
        cluster: How trials run on a cluster; None where they run on this machine.
        made: What was made for the search so far: it goes if the search does not begin.
        above: Folders that were made for these, the outermost first.
    """

    spec: SearchSpec
    out_folder: Path
    resume: bool = False
    cluster: ClusterSettings | None = None
    made: tuple[Path, ...] = ()
    above: tuple[Path, ...] = ()


def new_search(options: SearchOptions) -> SearchRequest:
    """Return the request of a new search; data and a space in memory are written to its folder.

    A folder of the default name is made at once, so that no other search takes it.

    Raises:
        ConfigError: An option is wrong, or a folder cannot be used. Nothing is left.
        DataError: The argument names no data, or they cannot be written. Nothing is left.
        StoreError: The disk cannot be written. Nothing is left.
    """
    if options.data is None:
        raise ConfigError(
            "no data given", hint="Write for example: xautolm search reviews.csv --budget 10m"
        )
    methods = parse_methods(options.methods or "", "--methods")
    cluster = given_cluster(options.launcher, options.launcher_settings)
    if cluster is None:
        _require_trial_packages(methods)
    limits = _limits(options, SpendingLimits(), cluster)
    sampler, sampler_options = _sampler(options)
    launcher = options.launcher or LOCAL
    tenant = {} if options.tenant is None else {"tenant": _tenant(options.tenant)}
    objectives = parse_objectives(options.objectives or "f1,time")
    in_memory = options.data if isinstance(options.data, SavedData) else None
    if in_memory is None:
        task = described_task(options, options.data)
    else:
        task = TaskSpec(name=options.name or in_memory.name)
    now = datetime.now(UTC)
    out_folder = (options.out or default_run_folder(task.name or "task", now)).expanduser()
    check_new_run_folder(out_folder)
    store = absolute_store(store_location(options.store))
    _check_store(store)
    read = _read_stores(options, store)
    stores = (store, *(one.store for one in read))
    spec = _validated(
        {
            "search_id": f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}",
            "task": task,
            "space": _space(options.space or DEFAULT_SPACE),
            "methods": methods,
            "sampler": sampler,
            "sampler_options": sampler_options,
            "objectives": objectives,
            "seed": options.seed or 0,
            "launcher": launcher,
            "launcher_settings": plugin_settings(launcher, options.launcher_settings),
            "meters": options.meters,
            "plugins": _plugins(sampler, launcher, options.meters, stores),
            "store": store,
            "read_stores": read,
            "all_tenants": options.all_tenants,
            "model_folders": tuple(_model_folder(folder) for folder in options.models),
            "created_at": now,
            **limits,
            **tenant,
        }
    )
    needs_folder = options.out is None or in_memory is not None or "\n" in spec.space
    if not needs_folder:
        return SearchRequest(spec, out_folder.absolute(), cluster=cluster)
    made: list[Path] = []
    above: tuple[Path, ...] = ()
    try:
        out_folder, is_new, above = reserve_run_folder(options.out, task.name or "task", now)
        if is_new:
            made.append(out_folder)
        spec = keep_what_is_in_memory(spec, options, out_folder, made)
    except BaseException as error:
        remove_made(made, above)
        if isinstance(error, OSError):
            raise _unwritable(error, out_folder) from error
        raise
    return SearchRequest(spec, out_folder, cluster=cluster, made=tuple(made), above=above)


def _unwritable(error: OSError, out_folder: Path) -> XautolmError:
    """Return in words why nothing could be kept in a run folder."""
    if isinstance(error, FileExistsError):
        return ConfigError(f"--out: {out_folder} is not empty", hint="Give a new or empty folder")
    return StoreError(
        f"The run folder {out_folder} cannot be written: {error.strerror or error}",
        hint="Make room or restore its rights, or give another one with --out",
    )


def resumed_search(options: SearchOptions, run: Path) -> SearchRequest:
    """Return the request to go on with a run, with the limits that were given anew.

    Args:
        options: Of these the limits count; the search stays as it was in all else.
        run: The run folder.

    Raises:
        ConfigError: The folder holds no run, a limit is wrong, or a plug-in of the search is
            missing or of another version.
    """
    folder = run.expanduser().absolute()
    spec = _read_spec(folder)
    cluster = resumed_cluster(
        options.launcher, options.launcher_settings, folder, known=spec.launcher
    )
    if cluster is None:
        _require_trial_packages(spec.methods)
    for plugin in spec.plugins:
        REGISTRIES[plugin.group].require(plugin)
    changed = {**spec.model_dump(), **_limits(options, spec.spending, cluster)}
    if cluster is None and options.launcher_settings is not None:
        changed["launcher_settings"] = plugin_settings(spec.launcher, options.launcher_settings)
    check_can_write(folder, "--resume")
    _check_store(spec.store)
    return SearchRequest(_validated(changed), folder, resume=True, cluster=cluster)


def _plugins(
    sampler: str, launcher: str, meters: Sequence[str], stores: Sequence[str]
) -> tuple[PluginReference, ...]:
    """Return what other packages give to a search, after a look whether it can be imported.

    Raises:
        ConfigError: There is no such name, or its package is broken.
    """
    schemes = [scheme_of(address) for address in stores]
    named = [(SAMPLERS, sampler), (LAUNCHERS, launcher), *((METERS, name) for name in meters)]
    named += [(STORAGES, scheme) for scheme in dict.fromkeys(schemes) if scheme in STORAGES]
    found = []
    for registry, name in named:
        if (plugin := registry.reference(name)) is not None:
            registry.load(name)
            found.append(plugin)
    return tuple(found)


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


def _limits(
    options: SearchOptions, spending: SpendingLimits, cluster: ClusterSettings | None
) -> dict[str, Any]:
    """Return the fields of those limits that were given.

    Args:
        options: As they were given.
        spending: What the search had before.
        cluster: Where its trials run; None for this machine.
    """
    limits: dict[str, Any] = {}
    budget = Budget() if options.budget is None else parse_budget(options.budget)
    if budget.seconds is not None:
        limits["budget_seconds"] = budget.seconds
    grid = _grid(options, budget)
    if replace(budget, seconds=None) != Budget() or options.prices or grid != Grid():
        limits["spending"] = spending_limits(
            budget, options.prices, spending, gpus_per_trial=_gpus_per_trial(cluster), grid=grid
        )
    if options.trials is not None:
        limits["max_trials"] = options.trials
    if options.trial_timeout is not None:
        limits["trial_timeout_seconds"] = parse_duration(options.trial_timeout, "--trial-timeout")
    if options.trial_memory is not None:
        limits["trial_memory_bytes"] = parse_size(options.trial_memory, "--trial-memory")
    if options.workers is not None:
        limits["workers"] = options.workers
    for name in ("screening", "early_stopping", "offline"):
        if getattr(options, name) is not None:
            limits[name] = getattr(options, name)
    if options.keep_models is not None:
        if options.keep_models not in _KEEP:
            raise ConfigError(
                f"--keep-models: '{options.keep_models}' is no choice",
                hint=f"Known are {', '.join(_KEEP)}",
            )
        limits["keep_models"] = options.keep_models
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


def _gpus_per_trial(cluster: ClusterSettings | None) -> int:
    """Return how many GPUs a trial holds: on this machine the first one, if there is any."""
    if cluster is not None:
        return cluster.resources.gpu_count
    from xautolm_core.features.gpus import list_gpus

    return min(1, len(list_gpus()))


def _sampler(options: SearchOptions) -> tuple[str, dict[str, Any]]:
    """Return the sampler and its options, which leave out the history of a cold search."""
    name = options.sampler or DEFAULT_SAMPLER
    given = dict(options.sampler_options)
    checked = check_sampler(name, given)
    if not options.cold or not checked.learns:
        return name, given
    if "history" in type(checked).model_fields:
        return name, {**given, "history": False}
    if name == "xautolm":
        # The warm start is all that it adds to the zero-shot one.
        return "zero_shot", given
    raise ConfigError(
        f"--cold: the sampler {name} is nothing without history",
        hint="Choose --sampler zero_shot or leave --cold out",
    )


def _tenant(name: str) -> str:
    from xautolm_core.experience.keys import given_tenant

    return given_tenant(name, "--tenant")


def _space(name: str) -> str:
    """Return a space's name, YAML, or the absolute path of its file, so that a resume finds it."""
    if "\n" in name:
        return name
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
        spec = SearchSpec.model_validate(values)
        spec.model_dump_json()
    except ValidationError as error:
        raise ConfigError(_first_line(error), hint="See xautolm search --help") from error
    except PydanticSerializationError as error:
        raise ConfigError(
            f"What is given cannot be kept with the run ({error})",
            hint="Give settings and options as numbers, strings, lists and mappings",
        ) from error
    return spec


def _first_line(error: ValidationError | OSError) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return str(first_problem(error))


def _require_trial_packages(methods: tuple[str, ...]) -> None:
    if methods and not any(map(has_model, methods)):
        return
    if any(importlib.util.find_spec(module) is None for module in _NEEDED_MODULES):
        raise MissingExtraError("trial", "Fine-tuning")
