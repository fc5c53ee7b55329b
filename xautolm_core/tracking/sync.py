"""Brings MLflow up to what a run folder says. Whatever was sent before is found, not sent again.

The order makes every interruption harmless: a run carries the tags that it is found by from its
first moment, the digest of its document comes last, and so does the end of the search's own run.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from xautolm_core.errors import XautolmError
from xautolm_core.report.document import is_untrained
from xautolm_core.report.page import shared_page
from xautolm_core.search.contract import BEST_MODEL_FOLDER
from xautolm_core.search.contract import PARETO_FILE
from xautolm_core.search.contract import REPORT_FILE
from xautolm_core.search.contract import TRIALS_FILE
from xautolm_core.tasks.spec import TaskType
from xautolm_core.tasks.task_type import primary_name
from xautolm_core.tracking.documents import TRIAL_TAG
from xautolm_core.tracking.documents import RunDocument
from xautolm_core.tracking.documents import search_document
from xautolm_core.tracking.documents import trial_document
from xautolm_core.tracking.seen_search import SeenSearch
from xautolm_core.tracking.server import KnownRun
from xautolm_core.tracking.server import MlflowServer

MODEL_PLACE = "model"
_FILES = (PARETO_FILE, TRIALS_FILE)
_FILES_TAG = "xautolm.files"
_MODEL_TAG = "xautolm.model"
_CARD_FILE = "README.md"
_READ_BYTES = 1 << 20
_UNPLAIN = re.compile(r"[^A-Za-z0-9._ -]+")
_EXPERIMENT_VARIABLE = "MLFLOW_EXPERIMENT_NAME"


@dataclass(frozen=True)
class Synchronised:
    """What a synchronisation came to.

    Attributes:
        run_id: The search's own run.
        experiment_id: Where it is.
        sent: Runs that something was sent for.
        runs: Runs of the search, its own included.
        model: ``name/version`` of the registered model; empty without one.
        note: What the user should know, in words; empty for nothing.
    """

    run_id: str
    experiment_id: str
    sent: int
    runs: int
    model: str = ""
    note: str = ""


def synchronise(
    server: MlflowServer, seen: SeenSearch, *, parent_run: str | None = None
) -> Synchronised:
    """Send what MLflow does not have yet of a search.

    Args:
        server: Where to.
        seen: The search. Its files and its model are sent once it has ended.
        parent_run: Run below which that of the search is to be.

    Raises:
        StoreError: The server does not answer, or refuses. What it has stays.
        ConfigError: The experiment is deleted, or a package is missing.
    """
    name = os.environ.get(_EXPERIMENT_VARIABLE) or f"xautolm/{seen.task_name}"
    experiment = server.experiment_of(name)
    known: dict[str, KnownRun] = {}
    for run in server.runs_of(experiment, seen.spec.search_id):
        known.setdefault(run.tags.get(TRIAL_TAG, ""), run)
    document = search_document(seen)
    own = known.get("") or server.create(experiment, document, parent=parent_run)
    sent = 0
    best = seen.best
    for record in seen.trials:
        one = trial_document(record, is_best=best is not None and record.number == best.number)
        sent += _send_trial(server, known, own, one)
    model, note = "", ""
    if seen.result is not None:
        sent += _send_files(server, own, seen)
        if best is not None:
            model, note = _send_model(server, own, seen)
    sent += server.complete(own, document)
    return Synchronised(
        run_id=own.run_id,
        experiment_id=own.experiment_id,
        sent=sent,
        runs=1 + len(seen.trials),
        model=model,
        note=note,
    )


def registered_name(task: str) -> str:
    """Return what the model of a task is called: MLflow allows neither slashes nor colons."""
    return _UNPLAIN.sub("-", task).strip(" -.") or "task"


def _send_trial(
    server: MlflowServer, known: dict[str, KnownRun], own: KnownRun, document: RunDocument
) -> bool:
    run = known.get(document.identity[TRIAL_TAG])
    if run is None:
        run = server.create(own.experiment_id, document, parent=own.run_id)
    return server.complete(run, document)


def _send_files(server: MlflowServer, own: KnownRun, seen: SeenSearch) -> bool:
    """Send the search's files, and a report of its own: that of the run folder shows texts."""
    assert seen.result is not None
    folder = seen.out_folder
    with tempfile.TemporaryDirectory(prefix="xautolm-mlflow-") as temporary:
        report = Path(temporary) / REPORT_FILE
        # Of a moment that does not change: an equal report is sent once.
        page = shared_page(seen.result, written_at=seen.last_moment)
        report.write_text(page, encoding="utf-8")
        files = [report, *(folder / name for name in _FILES if (folder / name).is_file())]
        digest = _digest(files)
        if own.tags.get(_FILES_TAG) == digest:
            return False
        server.send_files(own, files)
    server.tag(own, _FILES_TAG, digest)
    return True


def _send_model(server: MlflowServer, own: KnownRun, seen: SeenSearch) -> tuple[str, str]:
    """Send the chosen model and register it; return ``name/version`` and what there is to say."""
    from xautolm_core.tracking.pyfunc import save_pyfunc

    folder = seen.out_folder / BEST_MODEL_FOLDER
    best, result = seen.best, seen.result
    if best is None or result is None or not folder.is_dir():
        return "", ""
    if result.task_type != TaskType.TEXT_CLASSIFICATION:
        return "", f"Models for {result.task_type} are not registered in MLflow yet"
    if is_untrained(result, best.configuration):
        return "", "The model stays here: its vocabulary was learnt from the task's texts"
    digest = _digest(sorted(path for path in folder.rglob("*") if path.is_file()))
    name = registered_name(seen.task_name)
    if own.tags.get(_MODEL_TAG) != digest:
        with tempfile.TemporaryDirectory(prefix="xautolm-mlflow-") as temporary:
            form = Path(temporary) / MODEL_PLACE
            try:
                save_pyfunc(folder, form)
            except (XautolmError, OSError) as error:
                return "", f"The model is not in MLflow: {error}"
            server.send_folder(own, form, MODEL_PLACE)
        server.tag(own, _MODEL_TAG, digest)
    version = server.version_of(name, own, (_MODEL_TAG, digest))
    if version is None:
        version = server.register(
            name,
            own,
            MODEL_PLACE,
            tags={**_version_tags(seen), _MODEL_TAG: digest},
            card=_card(folder),
        )
    return f"{name}/{version}", ""


def _version_tags(seen: SeenSearch) -> dict[str, str]:
    """Return the tags of a registered model: where it comes from, and how good it is."""
    best, result = seen.best, seen.result
    assert best is not None
    tags = {
        "xautolm.search_id": seen.spec.search_id,
        "xautolm.trial": str(best.number),
        "xautolm.method": best.configuration.method,
        "xautolm.base_model": best.configuration.model_label,
        "xautolm.fingerprint": seen.fingerprint,
    }
    name = primary_name(best.result.model_scores)
    if name is not None:
        tags[f"xautolm.{name}.validation"] = f"{best.result.model_scores[name].value:.6f}"
    if result is not None and result.test is not None:
        tags[f"xautolm.{name}.test"] = f"{result.test.score:.6f}"
    return {name: value for name, value in tags.items() if value}


def _card(folder: Path) -> str:
    """Return the model card without its head, which is for the hub."""
    try:
        text = (folder / _CARD_FILE).read_text(encoding="utf-8")
    except OSError:
        return ""
    return re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.DOTALL).strip()


def _digest(files: Sequence[Path]) -> str:
    """Return a digest of names and content of files."""
    whole = hashlib.sha256()
    for file in files:
        whole.update(f"{file.name}\0{file.stat().st_size}\0".encode())
        with file.open("rb") as stream:
            while part := stream.read(_READ_BYTES):
                whole.update(part)
    return whole.hexdigest()[:16]
