"""The steps of a scheduled retraining, over addresses that all steps can reach."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from typing import NamedTuple

import yaml

from xautolm_core.objects.s3_settings import join_s3_uri
from xautolm_core.steps.entry import step
from xautolm_core.steps.request import task_argument
from xautolm_core.steps.retrain import check_incumbent
from xautolm_core.steps.retrain import compare_models
from xautolm_core.steps.retrain import split_fresh
from xautolm_core.whole_files import write_json

SEARCH_FOLDER = "search-data"
FRESH_FOLDER = "fresh-data"


class Divided(NamedTuple):
    """The two sides of the current data.

    Attributes:
        task: YAML of the task that is searched.
        fresh: Address of the held-out rows.
    """

    task: str
    fresh: str


@step
def check_champion(
    task: str,
    registry: str,
    verdict_file: str,
    *,
    tolerance: float = 0.02,
    alpha: float = 0.05,
    min_rows: int = 100,
) -> bool:
    """Decide whether the model in use is still good enough on current data.

    Args:
        task: Current data: their address, or YAML of a task.
        registry: Address of the model registry.
        verdict_file: File for the verdict, as JSON.
        tolerance: Acceptable drop of macro-F1, in [0, 1).
        alpha: Probability of calling a model degraded at a true drop of the tolerance.
        min_rows: With fewer rows that are new to the model there is no decision.

    Returns:
        Whether a search is needed.

    Raises:
        ConfigError: The data or the registry cannot be used.
        LaunchError: The model could not be run.
    """
    with task_argument(task) as data:
        found = check_incumbent(
            data=data, registry=registry, tolerance=tolerance, alpha=alpha, min_rows=min_rows
        )
    _write(verdict_file, found)
    print(found["reason"], flush=True)
    return bool(found["retrain"])


@step
def divide_data(
    task: str, registry: str, workspace: str, run_id: str, *, fraction: float = 0.2
) -> Divided:
    """Hold out rows to compare champion and challenger on; the search gets the rest.

    Args:
        task: Current data: their address, or YAML of a task.
        registry: Address of the model registry.
        workspace: Address below which both sides are kept.
        run_id: The run; a step that is run again writes the same objects.
        fraction: Share to hold out, in (0, 1).

    Raises:
        ConfigError: The data or an address cannot be used.
        StoreError: The workspace cannot be written.
    """
    with (
        task_argument(task) as data,
        tempfile.TemporaryDirectory(prefix="xautolm-split-") as work,
    ):
        folder = Path(work)
        found = split_fresh(
            data=data,
            search_folder=str(folder / SEARCH_FOLDER),
            fresh_folder=str(folder / FRESH_FOLDER),
            fraction=fraction,
            registry=registry,
        )
        fields = yaml.safe_load(Path(found["task_file"]).read_text(encoding="utf-8"))
        place = join_s3_uri(workspace, run_id)
        for name in ("train", "validation", "test"):
            fields.pop(name, None)
        fields["data"] = _send(folder / SEARCH_FOLDER, place, SEARCH_FOLDER)
        fresh = _send(folder / FRESH_FOLDER, place, FRESH_FOLDER)
    print(f"searched: {found['search_rows']}; set aside: {found['set_aside']} rows", flush=True)
    return Divided(yaml.safe_dump(fields, sort_keys=False), fresh)


@step
def compare_challenger(
    registry: str,
    task_name: str,
    version: str,
    fresh: str,
    decision_file: str,
    *,
    alpha: float = 0.01,
    minimal_gain: float = 0.0,
) -> bool:
    """Compare a registered model with the one in use; put it in use if it is better.

    Args:
        registry: Address of the model registry.
        task_name: Name of the task.
        version: The challenger.
        fresh: Address of the held-out rows.
        decision_file: File for the decision, as JSON.
        alpha: Probability of promoting a challenger that is not better.
        minimal_gain: The observed gain must be at least this, in [0, 1).

    Returns:
        Whether the challenger is in use now.

    Raises:
        ConfigError: There is no such version.
        LaunchError: A model could not be run.
        StoreError: The registry cannot be used.
    """
    with _fetched(fresh) as folder:
        found = compare_models(
            registry=registry,
            task_name=task_name,
            version=version,
            fresh_folder=str(folder),
            alpha=alpha,
            minimal_gain=minimal_gain,
        )
    _write(decision_file, found)
    print(found["reason"], flush=True)
    return bool(found["is_champion"])


def _send(folder: Path, place: str, name: str) -> str:
    """Write the files of a folder as objects; return where a step finds them as data."""
    from xautolm_core.objects.addresses import folder_of_address
    from xautolm_core.objects.open import open_objects

    address = join_s3_uri(place, name)
    storage = open_objects(address)
    for file in sorted(path for path in folder.iterdir() if path.suffix != ".yaml"):
        storage.put(file.name, file.read_bytes())
    local = folder_of_address(address) if address.startswith("file:") else None
    # A folder's address ends in a slash, unlike a file's.
    return str(local) if local is not None else join_s3_uri(place, f"{name}/")


@contextmanager
def _fetched(address: str) -> Iterator[Path]:
    """Yield the objects of a folder as files."""
    from xautolm_core.objects.open import open_objects

    storage = open_objects(address)
    with tempfile.TemporaryDirectory(prefix="xautolm-fresh-") as name:
        for info in storage.list():
            if "/" not in info.key:  # a key comes from outside: it is never a path
                (Path(name) / info.key).write_bytes(storage.get(info.key))
        yield Path(name)


def _write(file: str, document: dict[str, Any]) -> None:
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    write_json(Path(file), document)
