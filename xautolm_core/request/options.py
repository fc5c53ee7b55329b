"""What may be said of a search, and what of it is kept in the run folder."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from pathlib import Path
from typing import Any
from typing import Protocol
from typing import runtime_checkable

from xautolm_core.search.contract import SearchSpec
from xautolm_core.tasks.quoting import Quoting
from xautolm_core.tasks.source import complete_task
from xautolm_core.tasks.source import read_task_spec
from xautolm_core.tasks.spec import TaskSpec

DATA_FOLDER = "data"
"""In a run folder: data that were in memory when the search was asked for."""
SPACE_FILE = "space.yaml"
"""In a run folder: a space that was given as text."""


@runtime_checkable
class SavedData(Protocol):
    """Data that are in memory, and are kept in the run folder.

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


@dataclass(frozen=True)
class SearchOptions:
    """The options as they were given; None and empty where they were not.

    Attributes:
        data: What ``read_task_spec`` takes, a description, or data in memory.
        space: Preset, path of a file, or YAML (of several lines).
        The others are as in ``xautolm.search``; quantities as people write them.
    """

    data: str | TaskSpec | SavedData | None = None
    text: str | None = None
    text_pair: str | None = None
    label: str | None = None
    question: str | None = None
    context: str | None = None
    answers: str | None = None
    name: str | None = None
    drop_invalid: bool = False
    quoting: Quoting | None = None
    space: str | None = None
    methods: str | None = None
    screening: bool | None = None
    sampler: str | None = None
    sampler_options: Mapping[str, Any] = field(default_factory=dict)
    objectives: str | None = None
    seed: int | None = None
    models: tuple[Path, ...] = ()
    offline: bool | None = None
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
    early_stopping: bool | None = None
    launcher: str | None = None
    launcher_settings: Path | Mapping[str, Any] | None = None
    meters: tuple[str, ...] = ()
    store: str | None = None
    read_stores: tuple[str, ...] = ()
    tenant: str | None = None
    all_tenants: bool = False
    cold: bool = False
    out: Path | None = None
    keep_models: str | None = None


def described_task(options: SearchOptions, data: object) -> TaskSpec:
    """Return the task of data with what the options say of it.

    Args:
        options: Columns, name, seed and so on.
        data: What ``read_task_spec`` takes, or a description.

    Raises:
        DataError: They name nothing, or the description is wrong.
    """
    given: dict[str, Any] = {
        "text": options.text,
        "text_pair": options.text_pair,
        "label": options.label,
        "question": options.question,
        "context": options.context,
        "answers": options.answers,
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
        options: As they were given.
        out_folder: The run folder, absolute.
        made: Gets what is made in it, also where writing fails.

    Raises:
        DataError: The data cannot be written.
        FileExistsError: Another search keeps something there.
        OSError: The disk cannot be written.
    """
    changes: dict[str, Any] = {}
    if isinstance(options.data, SavedData):
        kept = out_folder / DATA_FOLDER
        kept.mkdir()
        made.append(kept)
        path = options.data.save(kept)
        changes["task"] = described_task(replace(options, name=spec.task.name), path)
    if "\n" in spec.space:
        file = out_folder / SPACE_FILE
        with file.open("x", encoding="utf-8") as text:
            made.append(file)
            text.write(spec.space)
        changes["space"] = str(file)
    return spec.model_copy(update=changes)


def remove_made(made: Sequence[Path], above: Sequence[Path] = ()) -> None:
    """Remove what was made for a search that does not begin, and nothing else.

    Args:
        made: Files and folders, with all that is in them.
        above: Folders that were made for these, the outermost first: they stay if others use them.
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
