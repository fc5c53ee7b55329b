"""From what the user names (a task file, data, a folder, a data set) to a task description."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from xautolm_core.errors import ConfigError
from xautolm_core.errors import DataError
from xautolm_core.objects.addresses import check_slashes
from xautolm_core.objects.addresses import is_s3_address
from xautolm_core.tasks.data_files import DATA_SUFFIXES
from xautolm_core.tasks.data_files import data_stem
from xautolm_core.tasks.data_files import data_suffix
from xautolm_core.tasks.data_files import is_container
from xautolm_core.tasks.data_files import missing
from xautolm_core.tasks.hub import looks_like_hub_name
from xautolm_core.tasks.quoting import Quoting
from xautolm_core.tasks.remote import check_remote
from xautolm_core.tasks.remote import is_remote_file
from xautolm_core.tasks.remote import remote_path
from xautolm_core.tasks.spec import TaskSpec
from xautolm_core.validation import did_you_mean
from xautolm_core.validation import first_problem
from xautolm_core.yaml_document import read

TASK_SUFFIXES = (".yaml", ".yml")
_SHOWN_CHARACTERS = 100
# A file of such a name says nothing of the task: its folder's name does.
_GENERIC_STEMS = frozenset({"train", "training", "data", "dataset", "all", "full", "input"})
_PATH_FIELDS = ("train", "validation", "test")


def read_task_spec(
    argument: str,
    *,
    text: str | None = None,
    text_pair: str | None = None,
    label: str | None = None,
    question: str | None = None,
    context: str | None = None,
    answers: str | None = None,
    prompt: str | None = None,
    completion: str | None = None,
    messages: str | None = None,
    type: str | None = None,
    name: str | None = None,
    seed: int = 0,
    drop_invalid: bool = False,
    quoting: Quoting | None = None,
) -> TaskSpec:
    """Describe the task that an argument of the command line names.

    What is given here goes before what a task file says (a seed of 0 and ``drop_invalid=False``
    are no statement).

    Args:
        argument: A YAML task file, a data file, a folder with ``train``, ``validation`` and
            ``test`` files, the ``s3://`` address of either, a folder of the ``datasets`` library,
            or a name on its hub.
        text: Column of the text.
        text_pair: Column of a second text.
        label: Column of the class.
        question: Column of the question.
        context: Column of the passage.
        answers: Column of the accepted answers.
        prompt: Column of the prompt.
        completion: Column of the text to be written.
        messages: Column of whole conversations.
        type: Name of the kind of task.
        name: Name of the task.
        seed: Seed of the splits.
        drop_invalid: Leave out rows that cannot be used.
        quoting: What the double quotes in CSV and TSV files are.

    Returns:
        The description, with absolute paths and a name.

    Raises:
        ConfigError: If the settings of an ``s3://`` address are wrong or incomplete.
        DataError: If the argument names nothing, or the task file is wrong.
    """
    given: dict[str, Any] = {
        "text": text,
        "text_pair": text_pair,
        "label": label,
        "question": question,
        "context": context,
        "answers": answers,
        "prompt": prompt,
        "completion": completion,
        "messages": messages,
        "type": type,
        "name": name,
        "seed": seed or None,
        "drop_invalid": drop_invalid or None,
        "quoting": quoting,
    }
    given = {key: value for key, value in given.items() if value is not None}
    path = Path(argument).expanduser()
    if is_s3_address(argument):
        fields = {"data": _locate(argument, Path.cwd())}
    elif data_suffix(path) in TASK_SUFFIXES and not path.is_dir():
        fields = _read_task_file(path)
    else:
        fields = {"data": _locate(argument, Path.cwd())}
    fields.update(given)
    fields.setdefault("name", _derive_name(fields, path))
    try:
        return TaskSpec.model_validate(fields)
    except ValidationError as error:
        raise DataError(f"{argument}: {first_problem(error)}") from error


def complete_task(
    spec: TaskSpec,
    *,
    text: str | None = None,
    text_pair: str | None = None,
    label: str | None = None,
    question: str | None = None,
    context: str | None = None,
    answers: str | None = None,
    prompt: str | None = None,
    completion: str | None = None,
    messages: str | None = None,
    type: str | None = None,
    name: str | None = None,
    seed: int = 0,
    drop_invalid: bool = False,
    quoting: Quoting | None = None,
) -> TaskSpec:
    """Return a description that was made in Python, with absolute paths and a name.

    Args:
        spec: The description; relative paths in it start from the working directory.
        text: As in ``read_task_spec``, and so are the others.
        text_pair: Likewise.
        label: Likewise.
        question: Likewise.
        context: Likewise.
        answers: Likewise.
        prompt: Likewise.
        completion: Likewise.
        messages: Likewise.
        type: Likewise.
        name: Likewise.
        seed: Likewise.
        drop_invalid: Likewise.
        quoting: Likewise.

    Raises:
        DataError: It names no data, or two kinds of them.
    """
    fields = spec.model_dump()
    if (spec.data is None) == (spec.train is None):
        raise DataError(
            "a task must name its data in exactly one way",
            hint="Give either 'data' or 'train' (with 'validation' and 'test')",
        )
    if spec.data is not None:
        fields["data"] = _locate(spec.data, Path.cwd())
    for field in _PATH_FIELDS:
        if fields[field] is not None:
            fields[field] = _absolute(Path.cwd() / Path(fields[field]).expanduser())
    given = {
        "text": text,
        "text_pair": text_pair,
        "label": label,
        "question": question,
        "context": context,
        "answers": answers,
        "prompt": prompt,
        "completion": completion,
        "messages": messages,
        "type": type,
        "name": name or spec.name or _derive_name(fields, Path(spec.data or str(spec.train))),
        "seed": seed or None,
        "drop_invalid": drop_invalid or None,
        "quoting": quoting,
    }
    fields.update({key: value for key, value in given.items() if value is not None})
    return TaskSpec.model_validate(fields)


def _locate(data: str, base: Path) -> str:
    """Return the absolute path of local data, an address, or the name of a data set of the hub."""
    try:
        check_slashes(data, "The address of the data")
    except ConfigError as error:
        raise DataError(error.problem, hint=error.hint) from None
    if is_s3_address(data):
        check_remote(data)
        if remote_path(data).suffix.lower() in TASK_SUFFIXES:
            raise DataError(
                f"s3:/{remote_path(data)} is a task file on a server",
                hint="Copy it to this machine; the data that it names may stay there",
            )
        return data
    if re.match(r"[a-z][a-z0-9+.-]*://", data):
        scheme = data.split(":", 1)[0]
        raise DataError(
            f"{data}: data cannot be read from {scheme}://",
            hint="Copy the files to a local folder or to s3://bucket/folder/ and give that",
        )
    path = base / Path(data).expanduser()
    try:
        if path.exists():
            return str(_absolute(path))
        is_file_name = data_suffix(path) in DATA_SUFFIXES + TASK_SUFFIXES or is_container(path)
        lies_here = path.is_symlink() or ("/" in data and path.parent.is_dir())
        if looks_like_hub_name(data) and not is_file_name and not lies_here:
            return data
        raise missing(path)
    except OSError as error:
        raise DataError(
            f"{data[:_SHOWN_CHARACTERS]} cannot be checked ({error.strerror})",
            hint="Check the path, and that you may read its folder",
        ) from error


def _absolute(path: Path) -> Path:
    """Return an absolute path, links as they are named: a task keeps its name when they move."""
    parts = path.absolute().parts
    # What comes before ".." may be a link: then only following it leads to the right place.
    last = max((place for place, part in enumerate(parts) if part == ".."), default=0)
    return Path(*parts[: last + 1]).resolve().joinpath(*parts[last + 1 :])


def _read_task_file(path: Path) -> dict[str, Any]:
    """Read a YAML task file; its relative paths start at its own folder."""
    try:
        document = read(path, DataError)
    except FileNotFoundError:
        raise missing(path) from None
    if not isinstance(document.data, dict):
        raise DataError(
            f"{path} is not a mapping of task fields",
            hint="Write at least 'data: FILE', see the documentation of tasks",
        )
    fields: dict[str, Any] = document.data
    for field in fields:
        if field not in TaskSpec.model_fields:
            raise DataError(
                f"{path}:{document.line([str(field)])}: unknown field '{field}'",
                hint=did_you_mean(str(field), TaskSpec.model_fields)
                or f"Known are: {', '.join(TaskSpec.model_fields)}",
            )
    try:
        TaskSpec.model_validate(fields)
    except ValidationError as error:
        problem = first_problem(error)
        raise DataError(
            f"{path}:{document.line([problem.field])}: {problem}",
            hint="Correct the task file at that line",
        ) from error
    if (fields.get("data") is None) == (fields.get("train") is None):
        raise DataError(
            f"{path} must name its data in exactly one way",
            hint="Write either 'data: FILE' or 'train: FILE' (with 'validation:', 'test:')",
        )
    base = path.resolve().parent
    if fields.get("data") is not None:
        fields["data"] = _locate(str(fields["data"]), base)
    for field in _PATH_FIELDS:
        if is_s3_address(str(fields.get(field))):
            raise DataError(
                f"{path}:{document.line([field])}: {field} cannot be an s3:// address",
                hint="Put train, validation and test into one folder there and give it as data",
            )
        if fields.get(field) is not None:
            fields[field] = str(_absolute(base / Path(str(fields[field])).expanduser()))
    if fields.get("name") is None:
        fields["name"] = safe_name(path.stem)
    return fields


def _derive_name(fields: Mapping[str, Any], argument: Path) -> str:
    """Name a task after its data: the same data file of next month has the same name."""
    data = fields.get("data")
    if data is None:
        return safe_name(argument.stem)
    remote = is_s3_address(str(data))
    path = Path(remote_path(str(data)) if remote else str(data))
    if not path.is_absolute():
        return safe_name(str(data))
    if not is_remote_file(str(data)) if remote else path.is_dir():
        return safe_name(path.name)
    stem = data_stem(path)
    if stem.lower() in _GENERIC_STEMS and path.parent.name:
        return safe_name(path.parent.name)
    return safe_name(stem)


def safe_name(name: str) -> str:
    """Return a name with no other characters than letters, digits, ``.``, ``_`` and ``-``."""
    return re.sub(r"[^\w.-]+", "-", name).strip("-.") or "task"
