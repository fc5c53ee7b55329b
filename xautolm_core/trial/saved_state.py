"""The best evaluated state of a trial on disk, as the trial itself or its launcher finds it.

After an evaluation that improved on all before it, and where the time allows, a trial writes its
model to a folder ``saved-<evaluation>`` that appears whole, by a rename. ``saved.json`` in it holds
the result as of then and the sizes of the files. A trial killed at any moment leaves the last such
folder; whoever settles the trial makes it the trial's model by another rename.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel
from pydantic import ConfigDict
from pydantic import ValidationError

from xautolm_core.records.attempt import TrialResult
from xautolm_core.trial.contract import MODEL_FOLDER
from xautolm_core.trial.contract import SAVED_FILE
from xautolm_core.trial.contract import TrialSpec
from xautolm_core.trial.files import belongs_to
from xautolm_core.trial.files import delete_folders
from xautolm_core.trial.files import saved_folders

_log = logging.getLogger(__name__)


class SavedState(BaseModel):
    """What stands in ``saved.json``.

    Attributes:
        result: The trial's result as of the save, ``ok``, with the scores of the saved state.
        files: File name to bytes of everything else in the folder; empty where the trial saves no
            model, only its scores.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    result: TrialResult
    files: Mapping[str, int]

    @property
    def model_folder(self) -> str | None:
        """Name of the model's folder once the state is claimed; None without a model."""
        return MODEL_FOLDER if self.files else None


def saved_folder(out_folder: Path, evaluation: int) -> Path:
    """Return the folder of the state of an evaluation."""
    return out_folder / f"saved-{evaluation:04d}"


def read_saved(folder: Path, spec: TrialSpec) -> SavedState | None:
    """Return the state in a folder; None if it is not whole, or not of this very attempt."""
    try:
        state = SavedState.model_validate_json((folder / SAVED_FILE).read_bytes())
        whole = all((folder / name).stat().st_size == size for name, size in state.files.items())
    except (OSError, ValidationError):
        return None
    return state if whole and belongs_to(state.result, spec) else None


def claim_saved(spec: TrialSpec) -> SavedState | None:
    """Make the last saved state of an attempt its model, and delete the others.

    Safe to repeat: a state that was claimed before is found again.

    Returns:
        The state; None if nothing whole of this attempt was saved, or the disk refuses.
    """
    model = spec.out_folder / MODEL_FOLDER
    try:
        folders = saved_folders(spec.out_folder)
        for place, folder in enumerate(folders):
            state = read_saved(folder, spec)
            if state is None:
                continue
            if state.files:
                if model.exists():
                    shutil.rmtree(model)
                folder.rename(model)
            delete_folders(folders[place + 1 :])
            return state
    except OSError as error:
        _log.warning("the saved state of a trial cannot be taken: %s", error.strerror)
        return None
    return read_saved(model, spec)


def delete_older(out_folder: Path, evaluation: int) -> None:
    """Delete the states saved before that of an evaluation."""
    newest = saved_folder(out_folder, evaluation)
    delete_folders(folder for folder in saved_folders(out_folder) if folder != newest)
