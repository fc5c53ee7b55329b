"""Choices of earlier trials of a search, for trials that build on them."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

from pydantic import ValidationError

from xautolm_core.trial.linear.fitting import LinearTrial
from xautolm_core.trial.linear.regression import Setting
from xautolm_core.whole_files import write_json


def recall(trial: LinearTrial, part: str) -> Setting | None:
    """Return what an earlier trial on the same rows chose for a part; None if none did.

    Args:
        trial: The trial that asks.
        part: The part, with all that its features depend on.
    """
    try:
        return Setting.model_validate_json(_file(trial, part).read_bytes())
    except (OSError, ValidationError):
        return None


def remember(trial: LinearTrial, part: str, setting: Setting) -> None:
    """Keep what a trial has chosen for a part; it is optional: a failure to write it is ignored."""
    with contextlib.suppress(OSError):
        write_json(_file(trial, part), setting, durable=False)


def _file(trial: LinearTrial, part: str) -> Path:
    budget = trial.spec.budget
    seen = (trial.spec.task_folder.name, budget.data_fraction, budget.max_validation_rows, part)
    digest = hashlib.sha256("\n".join(map(str, seen)).encode()).hexdigest()[:24]
    return trial.spec.cache_folder / "settings" / f"{digest}.json"
