"""The options of a search, and the parts of them that are kept in the run folder."""

from __future__ import annotations

import contextlib
import numbers
import os
import shutil
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated
from typing import Any
from typing import Literal
from typing import Protocol
from typing import runtime_checkable

from pydantic import BaseModel
from pydantic import BeforeValidator
from pydantic import ConfigDict
from pydantic import Field
from pydantic import ValidationError

from xautolm_core.errors import ConfigError
from xautolm_core.search.contract import SearchSpec
from xautolm_core.tasks.quoting import Quoting
from xautolm_core.tasks.source import complete_task
from xautolm_core.tasks.source import read_task_spec
from xautolm_core.tasks.spec import TaskSpec
from xautolm_core.validation import first_problem

DATA_FOLDER = "data"
"""In a run folder: data that were given in memory."""
SPACE_FILE = "space.yaml"
"""In a run folder: a space that was given as text."""


@runtime_checkable
class SavedData(Protocol):
    """Data in memory, which are kept in the run folder.

    Attributes:
        name: Name of the task, if none is given.
    """

    name: str

    def save(self, folder: Path) -> Path:
        """Write them to an empty folder, and return what ``read_task_spec`` takes.

        Raises:
            DataError: They cannot be written.
        """
        ...


def _written(given: object) -> object:
    """Return a quantity as it is written on a command line."""
    if isinstance(given, timedelta):
        return str(given.total_seconds())
    is_number = isinstance(given, numbers.Real) and not isinstance(given, bool)
    return str(given) if is_number else given


def _whole(given: object) -> object:
    """Return an integer of numpy as one of Python."""
    if isinstance(given, bool) or not isinstance(given, numbers.Integral):
        return given
    return int(given)


def _path_text(given: object) -> object:
    return os.fspath(given) if isinstance(given, os.PathLike) else given


def _path(given: object) -> object:
    return Path(given) if isinstance(given, str | os.PathLike) else given


def _several(given: object) -> object:
    """Return several things, or the only one, which needs no list around it."""
    # A string is a sequence, too: of its letters.
    if isinstance(given, str | os.PathLike):
        return (given,)
    if isinstance(given, Iterable) and not isinstance(given, bytes | Mapping):
        return tuple(given)
    return given


def _joined(given: object) -> object:
    names = _several(given)
    if isinstance(names, tuple) and all(isinstance(name, str) for name in names):
        return ",".join(names)
    return given


def _settings(given: object) -> object:
    if isinstance(given, str | os.PathLike):
        return Path(given)
    if isinstance(given, Mapping) and all(isinstance(name, str) for name in given):
        return given
    raise ValueError("Input should be a path, or map names to values")


_Quantity = Annotated[str, BeforeValidator(_written)]
_Whole = Annotated[int, BeforeValidator(_whole)]
_Address = Annotated[str, BeforeValidator(_path_text)]
_Path = Annotated[Path, BeforeValidator(_path)]
_Names = Annotated[str, BeforeValidator(_joined)]
_Texts = Annotated[tuple[str, ...], BeforeValidator(_several)]
_Settings = Annotated[Path | Mapping[str, Any], BeforeValidator(_settings)]


class SearchOptions(BaseModel):
    """The options as given; None or empty where they were not.

    Lists may be written with commas or be one thing, quantities be numbers, paths be strings.

    Lists may be written with commas or be one thing, quantities be numbers, paths be strings.

    Attributes:
        data: What ``read_task_spec`` takes, a description, or data in memory.
        space: Preset, path of a file, or YAML (of several lines).
        The others are as in ``xautolm.search``; quantities as people write them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    data: Any = None
    text: str | None = None
    text_pair: str | None = None
    label: str | None = None
    question: str | None = None
    context: str | None = None
    answers: str | None = None
    prompt: str | None = None
    completion: str | None = None
    messages: str | None = None
    type: str | None = None
    name: str | None = None
    drop_invalid: bool = False
    quoting: Annotated[Quoting, Field(strict=False)] | None = None
    space: _Address | None = None
    methods: _Names | None = None
    screening: bool | None = None
    sampler: str | None = None
    sampler_options: Mapping[str, Any] | None = None
    objectives: _Names | None = None
    seed: _Whole | None = None
    models: Annotated[tuple[_Path, ...], BeforeValidator(_several)] = ()
    offline: bool | None = None
    budget: _Quantity | None = None
    prices: _Texts = ()
    zone: str | None = None
    intensities: _Path | None = None
    grams_per_kwh: float | None = None
    pue: float | None = None
    trials: _Whole | None = None
    trial_timeout: _Quantity | None = None
    trial_memory: _Quantity | None = None
    workers: _Whole | None = None
    early_stopping: bool | None = None
    launcher: str | None = None
    launcher_settings: _Settings | None = None
    meters: _Texts = ()
    store: _Address | None = None
    read_stores: _Texts = ()
    tenant: str | None = None
    all_tenants: bool = False
    cold: bool = False
    out: _Path | None = None
    keep_models: Literal["front", "best", "all"] | None = None


def given_options(given: Mapping[str, Any], *, command: str = "search") -> SearchOptions:
    """Return the options of a search, checked for their types alone.

    Args:
        given: Name to what was given.
        command: Whose options they are, for the hint.

    Raises:
        ConfigError: One of them is of another type, or no choice.
    """
    try:
        return SearchOptions.model_validate(given)
    except ValidationError as error:
        problem = first_problem(error)
        option = problem.field.replace("_", "-")
        raise ConfigError(
            f"--{option}: {problem.message}", hint=f"See xautolm {command} --help"
        ) from error


def described_task(options: SearchOptions, data: object) -> TaskSpec:
    """Return the task of the data, with the columns, name and seed of the options.

    Args:
        options: Columns, name, seed and so on.
        data: What ``read_task_spec`` takes, or a description.

    Raises:
        DataError: The data do not exist, or the description is wrong.
    """
    given: dict[str, Any] = {
        "text": options.text,
        "text_pair": options.text_pair,
        "label": options.label,
        "question": options.question,
        "context": options.context,
        "answers": options.answers,
        "prompt": options.prompt,
        "completion": options.completion,
        "messages": options.messages,
        "type": options.type,
        "name": options.name,
        "seed": options.seed or 0,
        "drop_invalid": options.drop_invalid,
        "quoting": options.quoting,
    }
    if isinstance(data, TaskSpec):
        return complete_task(data, **given)
    return read_task_spec(str(data), **given)


def keep_what_is_in_memory(
    spec: SearchSpec, options: SearchOptions, out_folder: Path, made: list[Path]
) -> SearchSpec:
    """Write data and space to the run folder, and return the search that names them there.

    Args:
        spec: The search; a space that was given as text is its ``space``.
        options: The options as given.
        out_folder: The run folder, absolute.
        made: Receives the created files and folders, also where writing fails.

    Raises:
        DataError: The data cannot be written.
        FileExistsError: Another search uses the folder.
        OSError: The disk cannot be written.
    """
    changes: dict[str, Any] = {}
    if isinstance(options.data, SavedData):
        kept = out_folder / DATA_FOLDER
        kept.mkdir()
        made.append(kept)
        path = options.data.save(kept)
        changes["task"] = described_task(options.model_copy(update={"name": spec.task.name}), path)
    if "\n" in spec.space:
        file = out_folder / SPACE_FILE
        with file.open("x", encoding="utf-8") as text:
            made.append(file)
            text.write(spec.space)
        changes["space"] = str(file)
    return spec.model_copy(update=changes)


def remove_made(made: Sequence[Path], above: Sequence[Path] = ()) -> None:
    """Remove the files and folders of a search that did not begin, and nothing else.

    Args:
        made: Files and folders to remove, with their content.
        above: Parents created for these, the outermost first; they stay if others use them.
    """
    for path in reversed(made):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
    for path in reversed(above):
        with contextlib.suppress(OSError):
            path.rmdir()
