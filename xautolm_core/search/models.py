"""Models on disk during a search: keep the best one available, delete unneeded ones."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from xautolm_core.search.contract import ALTERNATIVE_FOLDER
from xautolm_core.search.contract import BEST_MODEL_FOLDER
from xautolm_core.search.contract import TrialRecord
from xautolm_core.search.folders import trial_folder
from xautolm_core.search.records import choose_alternative
from xautolm_core.trial.contract import MODEL_FOLDER
from xautolm_core.trial.contract import SAVED_FILE

_DRAFT = ".model-draft"
_OLD = ".model-old"


def model_folder(out_folder: Path, record: TrialRecord) -> Path:
    """Return the folder of a trial's own model."""
    folder = trial_folder(out_folder, record.number, record.result.attempt)
    return folder / (record.result.model_folder or MODEL_FOLDER)


def point_to_best(out_folder: Path, best: TrialRecord | None) -> None:
    """Point ``model`` in the run folder to the best trial's, by one atomic rename.

    While a search runs it is a symbolic link: that can be replaced at any time without a moment in
    which there is no model.
    """
    if best is None:
        return
    source = model_folder(out_folder, best)
    if not source.is_dir():
        return
    draft = out_folder / _DRAFT
    _remove(draft)
    draft.symlink_to(os.path.relpath(source, out_folder), target_is_directory=True)
    _swap(draft, out_folder / BEST_MODEL_FOLDER)


def settle_best(
    out_folder: Path, best: TrialRecord | None, alternative: TrialRecord | None
) -> None:
    """Turn ``model`` and ``alternative`` into real folders, by hard links where possible.

    Where the other kind has no model now, an earlier ``alternative`` is removed, as it would be
    taken for the model of another trial.

    Args:
        out_folder: The run folder.
        best: The chosen trial.
        alternative: The best trial of the other kind (``records.choose_alternative``).
    """
    # The trial's own notes are not part of the model.
    ignored = shutil.ignore_patterns(SAVED_FILE)
    for name, record in ((BEST_MODEL_FOLDER, best), (ALTERNATIVE_FOLDER, alternative)):
        source = None if record is None else model_folder(out_folder, record)
        if source is None or not source.is_dir():
            if name == ALTERNATIVE_FOLDER:
                _remove(out_folder / name)
            continue
        draft = out_folder / _DRAFT
        _remove(draft)
        try:
            shutil.copytree(source, draft, copy_function=_link, ignore=ignored)
        except OSError:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        _swap(draft, out_folder / name)


def delete_useless(
    out_folder: Path,
    records: Sequence[TrialRecord],
    best: TrialRecord | None,
    keep: Literal["front", "best", "all"],
) -> list[int]:
    """Delete the models of trials that the policy does not keep; return their numbers.

    The best one stays, and the best of the other kind for the final comparison.
    """
    deleted = []
    compared = [one.number for one in (best, choose_alternative(records, best)) if one is not None]
    for record in records:
        if keep == "all" or record.number in compared:
            continue
        if keep == "front" and record.on_front:
            continue
        folder = model_folder(out_folder, record)
        if folder.is_dir():
            shutil.rmtree(folder, ignore_errors=True)
            deleted.append(record.number)
    return deleted


def _swap(draft: Path, target: Path) -> None:
    old = target.with_name(_OLD)
    if target.is_symlink() and not draft.is_symlink():
        target.unlink()
    elif target.is_dir() and not target.is_symlink():
        _remove(old)
        target.rename(old)
    draft.rename(target) if not draft.is_symlink() else os.replace(draft, target)  # noqa: PTH105
    _remove(old)


def _remove(path: Path) -> None:
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.is_dir():
        shutil.rmtree(path)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without hard links
        shutil.copy2(source, target)
