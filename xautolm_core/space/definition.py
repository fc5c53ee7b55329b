"""Parse a space's file into branches, models and starts, before any model is searched for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from xautolm_core.errors import ConfigError
from xautolm_core.errors import SpaceError
from xautolm_core.records.configuration import Configuration
from xautolm_core.records.configuration import Value
from xautolm_core.space.hyperparameters import HYPERPARAMETERS
from xautolm_core.space.hyperparameters import name_fault
from xautolm_core.space.hyperparameters import suggestion
from xautolm_core.space.parameters import Boolean
from xautolm_core.space.parameters import Categorical
from xautolm_core.space.parameters import Integer
from xautolm_core.space.parameters import Parameter
from xautolm_core.space.presets import preset_names
from xautolm_core.space.presets import preset_text
from xautolm_core.space.schema import BranchEntry
from xautolm_core.space.schema import ModelEntry
from xautolm_core.space.schema import SpaceFile
from xautolm_core.space.schema import StartEntry
from xautolm_core.space.space import Branch
from xautolm_core.space.space import admits
from xautolm_core.yaml_document import Document
from xautolm_core.yaml_document import parse
from xautolm_core.yaml_document import read

_FREE_KEY = "x-"


Place = tuple[str | int, ...]

_BOOLEAN = "boolean"
_FORMS = "Write a list of values, {low: 1, high: 4}, boolean, or one fixed value"


def read_domain(document: Document, branch: str, method: str, name: str, content: Any) -> Parameter:
    """Return the hyper-parameter of a branch with its domain.

    Raises:
        SpaceError: The method has no such hyper-parameter, or the domain is wrong.
    """
    path: Place = ("branches", branch, "parameters", name)
    problem, hint = name_fault(name, method)
    if problem:
        raise document.error(path, problem, hint)
    handle = f"{branch}.{name}"
    if content == _BOOLEAN:
        _check(document, path, name, True)
        return Boolean(name=name, handle=handle)
    if isinstance(content, dict):
        return _integer(document, path, name, handle, content)
    if isinstance(content, list):
        return _categorical(document, path, name, handle, content)
    _check(document, path, name, content)
    return Categorical(name=name, choices=(content,), handle=handle)


def _integer(
    document: Document, path: Place, name: str, handle: str, content: dict[str, Any]
) -> Integer:
    if set(content) != {"low", "high"}:
        raise document.error(path, "a range has the keys low and high, and no others", _FORMS)
    low, high = content["low"], content["high"]
    for key, bound in content.items():
        if isinstance(bound, bool) or not isinstance(bound, int):
            raise document.error(
                (*path, key),
                f"{bound!r} is not a whole number",
                "Give whole numbers, or a list of values",
            )
        _check(document, (*path, key), name, bound)
    if low > high:
        raise document.error(path, f"low ({low}) is above high ({high})", "Swap them")
    return Integer(name=name, low=low, high=high, handle=handle)


def _categorical(
    document: Document, path: Place, name: str, handle: str, content: list[Any]
) -> Categorical:
    if not content:
        raise document.error(path, "the list of values is empty", "Give at least one value")
    seen: list[tuple[bool, Value]] = []
    for index, value in enumerate(content):
        place: Place = (*path, index)
        _check(document, place, name, value)
        # 1 and true are equal in Python, but not here; 1 and 1.0 are.
        mark = (isinstance(value, bool), value)
        if mark in seen:
            raise document.error(place, f"{value!r} appears twice in the list", "Remove one")
        seen.append(mark)
    return Categorical(name=name, choices=tuple(content), handle=handle)


def _check(document: Document, path: Place, name: str, value: Any) -> None:
    fault = HYPERPARAMETERS[name].fault_of(value)
    if fault:
        shown = "null" if value is None else repr(value)
        raise document.error(path, f"{fault}, not {shown}", _FORMS)


@dataclass(frozen=True)
class SpaceDefinition:
    """A checked space definition.

    Attributes:
        name: Its name.
        description: Text for the reader.
        task_type: Type of the tasks that it is for.
        source: Preset name or path of the file.
        folder: Folder that relative paths in the file start from; None for a preset.
        models: Model id to entry, of all groups.
        branches: The branches with all models of their groups.
        starts: Configurations to try first; their revision is not filled in yet.
        cheap: Whether the cheap methods belong to it.
    """

    name: str
    description: str
    task_type: str
    source: str
    folder: Path | None
    models: Mapping[str, ModelEntry]
    branches: tuple[Branch, ...]
    starts: tuple[Configuration, ...]
    cheap: bool = True


def read_definition(name_or_path: str) -> SpaceDefinition:
    """Return the definition of a preset or of a file.

    Raises:
        SpaceError: There is none, or it is wrong; the message names the line and the fix.
    """
    if name_or_path in preset_names():
        return parse_definition(preset_text(name_or_path), f"{name_or_path}.yaml")
    path = Path(name_or_path).expanduser()
    try:
        document = read(path, SpaceError)
    except FileNotFoundError:
        hint = f"Presets: {', '.join(preset_names())}; or give the path of a YAML file"
        raise SpaceError(f"There is no search space {name_or_path!r}", hint=hint) from None
    return _definition(document, folder=path.resolve().parent)


def parse_definition(text: str, source: str, *, folder: Path | None = None) -> SpaceDefinition:
    """Return the definition that a YAML text holds.

    Args:
        text: The YAML.
        source: Name of the file, for messages.
        folder: Folder that relative paths in it start from.

    Raises:
        SpaceError: It is wrong; the message names the line and the fix.
    """
    return _definition(parse(text, source, SpaceError), folder=folder)


def _definition(document: Document, *, folder: Path | None) -> SpaceDefinition:
    file = _validate(document)
    models = _models(document, file)
    branches = tuple(_branch(document, file, name) for name in file.branches)
    starts = tuple(
        _start(document, index, start, branches) for index, start in enumerate(file.starts)
    )
    return SpaceDefinition(
        name=file.name,
        description=file.description,
        task_type=file.task,
        source=document.source,
        folder=folder,
        models=models,
        branches=branches,
        starts=starts,
        cheap=file.cheap,
    )


def _validate(document: Document) -> SpaceFile:
    data = document.data
    if not isinstance(data, dict):
        raise document.error(
            (), "this is not a search space", "Begin with 'name:', 'models:' and 'branches:'"
        )
    content = {k: v for k, v in data.items() if not str(k).startswith(_FREE_KEY)}
    try:
        return SpaceFile.model_validate(content)
    except ValidationError as error:
        raise _translated(document, error) from error


def _translated(document: Document, error: ValidationError) -> ConfigError:
    """Return pydantic's first error as one of ours."""
    errors = error.errors(include_url=False)
    # An unknown key often causes the others ("field required"), so it comes first.
    first = next((e for e in errors if e["type"] == "extra_forbidden"), errors[0])
    path = tuple(part for part in first["loc"] if part not in {"[key]"})
    more = f" ({len(errors) - 1} more after it)" if len(errors) > 1 else ""
    match first["type"]:
        case "extra_forbidden":
            hint = suggestion(str(path[-1]), _fields_at(path))
            return document.error(path, f"unknown key{more}", hint)
        case "missing":
            return document.error(
                path[:-1], f"{path[-1]!r} is missing{more}", f"Add the key '{path[-1]}:'"
            )
        case "value_error":
            problem = str(first["ctx"]["error"])
            return document.error(path, f"{problem}{more}", "Correct it")
        case _:
            shown = repr(first["input"])
            shown = shown if len(shown) <= 60 else f"{shown[:57]}..."
            message = first["msg"][:1].lower() + first["msg"][1:]
            return document.error(path, f"{message}, not {shown}{more}", "Correct the value")


def _fields_at(path: tuple[str | int, ...]) -> list[str]:
    model: Any = SpaceFile
    if path[0] == "models" and len(path) > 3:
        model = ModelEntry
    elif path[0] == "branches" and len(path) > 2:
        model = BranchEntry
    elif path[0] == "starts" and len(path) > 2:
        model = StartEntry
    return [field.alias or name for name, field in model.model_fields.items()]


def _models(document: Document, file: SpaceFile) -> dict[str, ModelEntry]:
    known: dict[str, ModelEntry] = {}
    for group, entries in file.models.items():
        seen: set[str] = set()
        for index, entry in enumerate(entries):
            path = ("models", group, index)
            if entry.id in seen:
                raise document.error(
                    path, f"model {entry.id!r} appears twice in this group", "Remove one of them"
                )
            seen.add(entry.id)
            if known.setdefault(entry.id, entry) != entry:
                raise document.error(
                    path,
                    f"model {entry.id!r} is described differently in another group",
                    "Use one description (a YAML anchor)",
                )
    return known


def _branch(document: Document, file: SpaceFile, name: str) -> Branch:
    entry = file.branches[name]
    path = ("branches", name)
    if entry.models not in file.models:
        raise document.error(
            (*path, "models"),
            f"there is no group of models {entry.models!r}",
            suggestion(entry.models, list(file.models)),
        )
    if {"warmup_steps", "warmup_ratio"} <= set(entry.parameters):
        raise document.error(
            (*path, "parameters", "warmup_ratio"),
            "warmup_steps and warmup_ratio exclude each other",
            "Keep one of them",
        )
    parameters = tuple(
        read_domain(document, name, entry.method, key, value)
        for key, value in entry.parameters.items()
    )
    ids = tuple(model.id for model in file.models[entry.models])
    model = Categorical(name="model", choices=ids, handle=f"{entry.models}.model")
    return Branch(name=name, method=entry.method, model=model, parameters=parameters)


def _start(
    document: Document, index: int, start: StartEntry, branches: tuple[Branch, ...]
) -> Configuration:
    path = ("starts", index)
    branch = next((b for b in branches if b.name == start.branch), None)
    if branch is None:
        raise document.error(
            (*path, "branch"),
            f"there is no branch {start.branch!r}",
            suggestion(start.branch, [b.name for b in branches]),
        )
    if start.model not in branch.model.choices:
        raise document.error(
            (*path, "model"),
            f"branch {branch.name!r} has no model {start.model!r}",
            suggestion(start.model, [str(c) for c in branch.model.choices]),
        )
    _check_start_parameters(document, path, start, branch)
    return Configuration(
        branch=branch.name,
        model=start.model,
        method=branch.method,
        parameters={p.name: start.parameters[p.name] for p in branch.parameters},
    )


def _check_start_parameters(
    document: Document, path: tuple[str | int, ...], start: StartEntry, branch: Branch
) -> None:
    place = (*path, "parameters")
    names = [p.name for p in branch.parameters]
    for name in start.parameters:
        if name not in names:
            raise document.error(
                (*place, name),
                f"branch {branch.name!r} has no hyper-parameter {name!r}",
                suggestion(name, names),
            )
    missing = [name for name in names if name not in start.parameters]
    if missing:
        raise document.error(
            place,
            f"a start is complete, but {', '.join(missing)} is missing",
            "Give a value to every hyper-parameter of the branch",
        )
    for parameter in branch.parameters:
        value = start.parameters[parameter.name]
        if not admits(parameter, value):
            raise document.error(
                (*place, parameter.name),
                f"{_shown(value)} is not in the domain of branch {branch.name!r}",
                f"Use one of: {_domain(parameter)}; or add it there",
            )


def _domain(parameter: Parameter) -> str:
    match parameter:
        case Categorical(choices=choices):
            return ", ".join(map(_shown, choices))
        case Integer(low=low, high=high):
            return f"{low} to {high}"
        case Boolean():
            return "true, false"


def _shown(value: Value) -> str:
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)
