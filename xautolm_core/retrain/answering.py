"""What a saved model answers, found out by a process of its own."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from xautolm_core.errors import LaunchError
from xautolm_core.search.watched import run_watched
from xautolm_core.trial.answers import MODULE
from xautolm_core.trial.answers import Answers
from xautolm_core.trial.answers import AnswersRequest
from xautolm_core.trial.files import write_json_atomic

REQUEST_FILE = "answers-request.json"
OUT_FILE = "answers.json"
LOG_FILE = "answers.log"


@dataclass(frozen=True)
class Asking:
    """How models are asked.

    Attributes:
        threads: CPU threads; 0 for all that this process may use.
        limit_seconds: End the process after so long; None for never.
        command: What to run, with the request's path appended.
    """

    threads: int = 0
    limit_seconds: float | None = None
    command: Sequence[str] = (sys.executable, "-m", MODULE)


def ask_model(
    model_folder: Path, task_folder: Path, work_folder: Path, asking: Asking, *, rows: int
) -> Answers:
    """Return a model's answers to the test split of a prepared task.

    Args:
        model_folder: The saved model.
        task_folder: The prepared task.
        work_folder: Where request, log and answers are written; made if it does not exist.
        asking: How.
        rows: Rows of the split.

    Raises:
        LaunchError: There are no answers, for the reason given.
    """
    from xautolm_core.features.cgroup import cpu_count

    work_folder.mkdir(parents=True, exist_ok=True)
    request = AnswersRequest(
        model_folder=model_folder,
        task_folder=task_folder,
        out_file=work_folder / OUT_FILE,
        threads=asking.threads or cpu_count(),
    )
    request.out_file.unlink(missing_ok=True)
    write_json_atomic(work_folder / REQUEST_FILE, request)
    log = work_folder / LOG_FILE
    problem = run_watched(
        [*asking.command, str(work_folder / REQUEST_FILE)], log, limit_seconds=asking.limit_seconds
    )
    if problem:
        raise _failed(problem)
    try:
        answers = Answers.model_validate_json(request.out_file.read_bytes())
    except (OSError, ValidationError) as error:
        raise _failed("its answers cannot be read") from error
    predicted = np.asarray(answers.predicted, dtype=np.int64)
    if len(predicted) != rows or (rows and predicted.max() >= len(answers.labels)):
        raise _failed("its answers do not belong to the rows")
    return answers


def _failed(problem: str) -> LaunchError:
    return LaunchError(
        f"The model could not be asked: {problem}",
        hint="Mend that, or register another model",
    )
