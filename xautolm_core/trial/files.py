"""Files of a trial's folder, written so that a reader never sees a partial one."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from xautolm_core.records.attempt import TrialResult
from xautolm_core.trial.contract import CHECKPOINT_FOLDER
from xautolm_core.trial.contract import HEARTBEAT_FILE
from xautolm_core.trial.contract import MODEL_FOLDER
from xautolm_core.trial.contract import RESULT_FILE
from xautolm_core.trial.contract import SPEC_FILE
from xautolm_core.trial.contract import TrialSpec
from xautolm_core.whole_files import write_json

_SAVED_FOLDER = re.compile(r"saved-(\d+)")


def prepare_folder(spec: TrialSpec) -> None:
    """Write the spec to its folder, after removing what an earlier run of the attempt has left.

    Raises:
        OSError: The folder cannot be written.
    """
    spec.out_folder.mkdir(parents=True, exist_ok=True)
    for name in (RESULT_FILE, HEARTBEAT_FILE):
        (spec.out_folder / name).unlink(missing_ok=True)
    delete_folders(saved_folders(spec.out_folder))
    for name in (MODEL_FOLDER, CHECKPOINT_FOLDER):
        if (folder := spec.out_folder / name).exists():
            shutil.rmtree(folder)
    write_json(spec.out_folder / SPEC_FILE, spec)


def saved_folders(out_folder: Path) -> list[Path]:
    """Return the folders of saved states, that of the last evaluation first."""
    found = [
        (int(match[1]), folder)
        for folder in (out_folder.iterdir() if out_folder.is_dir() else ())
        if (match := _SAVED_FOLDER.fullmatch(folder.name)) and folder.is_dir()
    ]
    return [folder for _, folder in sorted(found, reverse=True)]


def delete_folders(folders: Iterable[Path]) -> None:
    """Delete folders; what cannot be deleted stays."""
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def delete_checkpoint(out_folder: Path) -> None:
    """Delete what a trial has kept for its continuation, as far as it lies in its folder."""
    delete_folders([out_folder / CHECKPOINT_FOLDER])


def belongs_to(result: TrialResult, spec: TrialSpec) -> bool:
    """Whether a result is of this very attempt."""
    return (result.search_id, result.trial_number, result.attempt) == (
        spec.search_id,
        spec.trial_number,
        spec.attempt,
    )


def read_result(folder: Path) -> TrialResult | None:
    """Return the result in a trial's folder; None if there is none, or none that is whole."""
    try:
        return TrialResult.model_validate_json((folder / RESULT_FILE).read_bytes())
    except (OSError, ValidationError):
        return None


def read_heartbeat(folder: Path) -> dict[str, Any] | None:
    """Return the last heartbeat in a trial's folder; None if there is none, or none whole."""
    try:
        document = json.loads((folder / HEARTBEAT_FILE).read_bytes())
    except (OSError, ValueError):
        return None
    return document if isinstance(document, dict) else None
