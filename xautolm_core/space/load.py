"""Load a search space: read its file, find its models, leave unavailable ones out."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from xautolm_core.errors import SpaceError
from xautolm_core.errors import XautolmError
from xautolm_core.records.configuration import Configuration
from xautolm_core.records.methods import LINEAR_PROBE
from xautolm_core.records.methods import cheap_methods_of
from xautolm_core.records.methods import has_model
from xautolm_core.space.cheap import cheap_candidates
from xautolm_core.space.cheap import check_methods
from xautolm_core.space.cheap import probe_length
from xautolm_core.space.cheap import restrict
from xautolm_core.space.classifiers import misfit
from xautolm_core.space.conversion import conversion_of
from xautolm_core.space.conversion import converted_folder
from xautolm_core.space.definition import SpaceDefinition
from xautolm_core.space.definition import read_definition
from xautolm_core.space.schema import ModelEntry
from xautolm_core.space.screening import screening_candidates
from xautolm_core.space.sources import ModelSources
from xautolm_core.space.sources import ModelUnavailableError
from xautolm_core.space.space import Branch
from xautolm_core.space.space import SearchSpace
from xautolm_core.space.space import SpaceModel

_NAMES_SHOWN = 5
_PARALLEL_LOOKUPS = 8


def load_space(
    name_or_path: str,
    *,
    model_folders: Sequence[Path] = (),
    offline: bool = False,
    methods: Sequence[str] = (),
) -> SearchSpace:
    """Return a search space with its available models.

    A model is searched for in local folders (``model_folders``, then those of the environment
    variable ``XAUTOLM_MODELS``), in the installed package that its entry names, below an S3 prefix
    (its entry's, or ``XAUTOLM_MODELS_S3``), and on the hub. An unavailable one is left out with a
    warning, and so is a branch without models. None is searched for where no method needs one.

    Args:
        name_or_path: Name of a preset, or path of a YAML file.
        model_folders: Folders with models.
        offline: Never contact the hub.
        methods: Restriction of the space to these methods; empty for all.

    Raises:
        SpaceError: There is no such space, its file is wrong (the message names line and fix), a
            method is not known or not in it, or none of its models is available.
    """
    check_methods(methods)
    definition = read_definition(name_or_path)
    if methods and definition.cheap and not any(map(has_model, methods)):
        definition = replace(definition, models={}, branches=(), starts=())
    sources = ModelSources.from_environment(
        folders=model_folders, base=definition.folder, offline=offline
    )
    space = resolve(definition, sources)
    return restrict(space, methods) if methods else space


def convert_models(name_or_path: str, *, methods: Sequence[str] = ()) -> None:
    """Convert what a space has of models that packages bring in another format, once for this user.

    ``load_space`` does the same, and says what is wrong with the space or a model; a search calls
    this before its time begins.

    Args:
        name_or_path: Name of a preset, or path of a YAML file.
        methods: What the space is restricted to; empty for all that it has.
    """
    if methods and not any(map(has_model, methods)):
        return
    with contextlib.suppress(XautolmError, OSError):
        for entry in read_definition(name_or_path).models.values():
            conversion = conversion_of(entry.package or "", entry.path or "")
            if conversion is not None:
                converted_folder(conversion)


def resolve(definition: SpaceDefinition, sources: ModelSources) -> SearchSpace:
    """Return the space of a definition, with the models that the sources have.

    Raises:
        SpaceError: None of the models is available.
    """
    models, reasons = _find_all(definition.models.values(), sources)
    branches = tuple(
        found
        for branch in definition.branches
        if (found := _available(branch, models, definition.task_type))
    )
    warnings = _warnings(reasons)
    for branch in definition.branches:
        left = _misfits(branch, models, definition.task_type)
        warnings += _warnings(left, f" of branch {branch.name}")
    if definition.branches and not branches:
        raise SpaceError(
            f"No model of search space {definition.name!r} is available: {'; '.join(warnings)}",
            hint="Name a folder that holds them (--models FOLDER or XAUTOLM_MODELS), install the "
            "package that brings them, or use --space starter",
        )
    gone = {b.name for b in definition.branches} - {b.name for b in branches}
    if gone:
        warnings.append(f"Without models left out: branch {', '.join(sorted(gone))}")
    starts = tuple(
        _pinned(start, models[start.model])
        for start in definition.starts
        if start.model in models
        and not _misfit(models[start.model], start.method, definition.task_type)
    )
    cheap = cheap_methods_of(definition.task_type) if definition.cheap else ()
    probed = {
        name: model
        for name, model in models.items()
        if not any(_misfit(model, m, definition.task_type) for m in cheap if has_model(m))
    }
    return SearchSpace(
        name=definition.name,
        branches=branches,
        models=models,
        starts=starts,
        warnings=tuple(warnings),
        cheap=cheap_candidates(starts, probed, definition.task_type) if cheap else (),
        screening=screening_candidates(
            branches, probed, max_length=probe_length(starts, probed, definition.task_type)
        )
        if LINEAR_PROBE in cheap
        else (),
        task_type=definition.task_type,
    )


def _find_all(
    entries: Iterable[ModelEntry], sources: ModelSources
) -> tuple[dict[str, SpaceModel], dict[str, str]]:
    """Return model id to model, and model id to the reason why it is not available."""
    remaining = list(entries)
    models: dict[str, SpaceModel] = {}
    reasons: dict[str, str] = {}

    def look(entry: ModelEntry) -> tuple[str, SpaceModel | None, str]:
        try:
            return entry.id, sources.find(entry), ""
        except ModelUnavailableError as error:
            return entry.id, None, str(error)

    # The first one only: if the hub cannot be reached, the others need not wait for it.
    outcomes = [look(entry) for entry in remaining[:1]]
    with ThreadPoolExecutor(max_workers=_PARALLEL_LOOKUPS) as pool:
        outcomes += pool.map(look, remaining[1:])
    for identity, model, reason in outcomes:
        if model is None:
            reasons[identity] = reason
        else:
            models[identity] = model
    return models, reasons


def _available(branch: Branch, models: Mapping[str, SpaceModel], task_type: str) -> Branch | None:
    left = _misfits(branch, models, task_type)
    choices = tuple(c for c in branch.model.choices if c in models and c not in left)
    if not choices:
        return None
    return replace(branch, model=replace(branch.model, choices=choices))


def _misfits(branch: Branch, models: Mapping[str, SpaceModel], task_type: str) -> dict[str, str]:
    """Return the models of a branch that its method does not fit, each with the reason."""
    offered = {str(choice) for choice in branch.model.choices} & set(models)
    found = {name: _misfit(models[name], branch.method, task_type) for name in sorted(offered)}
    return {name: reason for name, reason in found.items() if reason}


def _misfit(model: SpaceModel, method: str, task_type: str) -> str:
    return misfit(model.descriptor.architecture, method, task_type) or ""


def _pinned(start: Configuration, model: SpaceModel) -> Configuration:
    return start.model_copy(update={"revision": model.reference.revision})


def _warnings(reasons: Mapping[str, str], place: str = "") -> list[str]:
    """Return one warning per reason, with its models.

    Args:
        reasons: Model id to the reason why it is left out.
        place: Part of the space that it is left out of, if not of the whole space.
    """
    by_reason: dict[str, list[str]] = {}
    for model, reason in reasons.items():
        by_reason.setdefault(reason, []).append(model)
    warnings = []
    for reason, names in by_reason.items():
        shown = ", ".join(names[:_NAMES_SHOWN])
        more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
        warnings.append(f"Left out{place}: {shown}{more}: {reason}")
    return warnings
