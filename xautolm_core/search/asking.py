"""Run a saved model on a split, in a process of its own that ends with this one.

The process is ended at its limit, on an interrupt, or with its parent.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from typing import TypeVar

from pydantic import ValidationError

from xautolm_core.errors import LaunchError
from xautolm_core.launch.processes import die_with_parent
from xautolm_core.search.class_test import read_classes
from xautolm_core.search.final_test_kinds import final_test_kind
from xautolm_core.trial.answers import MODULE
from xautolm_core.trial.answers import Answers
from xautolm_core.trial.answers import AnswersRequest
from xautolm_core.whole_files import write_json

if TYPE_CHECKING:
    from xautolm_core.search.final_test_kinds import TestedModel
    from xautolm_core.tasks.task import AnyTask

T = TypeVar("T")

REQUEST_FILE = "answers-request.json"
OUT_FILE = "answers.json"
LOG_FILE = "answers.log"

_POLL_SECONDS = 0.2
_OWN_WORDS = "xautolm: "
"""Prefix of the errors of our own programs."""


def _never() -> bool:
    return False


@dataclass(frozen=True)
class Asking:
    """How a model is run.

    Attributes:
        threads: CPU threads; 0 for all that this process may use.
        limit_seconds: Time limit of the process; None for none.
        give_up: Called several times a second; True ends the process.
        command: Command to run, with the request's path appended.
        most_rows: Rows that texts are written for, at most; None for as many as a test has.
    """

    threads: int = 0
    limit_seconds: float | None = None
    give_up: Callable[[], bool] = _never
    command: Sequence[str] = (sys.executable, "-m", MODULE)
    most_rows: int | None = None


def score_on_test(
    model_folder: Path, task_folder: Path, work_folder: Path, asking: Asking, *, task: AnyTask
) -> tuple[TestedModel | None, str]:
    """Score a model on the test split of the task that it was trained on.

    Args:
        model_folder: The saved model.
        task_folder: The prepared task.
        work_folder: Where request, log and answers are written.
        asking: How the model is run.
        task: The task of that folder.

    Returns:
        The scores with the answers, or None and the reason in words.
    """
    kind = final_test_kind(task.type)
    return _answers_of(
        model_folder, task_folder, work_folder, asking, read=lambda found: kind.read(found, task)
    )


def ask_model(
    model_folder: Path, task_folder: Path, work_folder: Path, asking: Asking, *, rows: int
) -> Answers:
    """Return a classifier's predictions for the test split of a prepared task, with any classes.

    Args:
        model_folder: The saved model.
        task_folder: The prepared task.
        work_folder: Where request, log and answers are written; created if missing.
        asking: How the model is run.
        rows: Number of rows of the split.

    Raises:
        LaunchError: The model gave no predictions, for the stated reason.
    """
    answers, problem = _answers_of(
        model_folder,
        task_folder,
        work_folder,
        asking,
        read=lambda document: read_classes(document, rows=rows),
    )
    if answers is None:
        raise LaunchError(
            f"The model could not be run: {problem}",
            hint="Remove the cause, or register another model",
        )
    return answers


def _answers_of(
    model_folder: Path,
    task_folder: Path,
    work_folder: Path,
    asking: Asking,
    *,
    read: Callable[[bytes], T],
) -> tuple[T | None, str]:
    """Return predictions, or None and the reason; files are kept only in the latter case."""
    from xautolm_core.features.cgroup import cpu_count

    work_folder.mkdir(parents=True, exist_ok=True)
    request_file, log = work_folder / REQUEST_FILE, work_folder / LOG_FILE
    request = AnswersRequest(
        model_folder=model_folder,
        task_folder=task_folder,
        out_file=work_folder / OUT_FILE,
        threads=asking.threads or cpu_count(),
        most_rows=asking.most_rows,
    )
    request.out_file.unlink(missing_ok=True)
    write_json(request_file, request)
    problem = _run_watched(
        [*asking.command, str(request_file)],
        log,
        limit_seconds=asking.limit_seconds,
        give_up=asking.give_up,
    )
    if problem:
        return None, problem
    try:
        answers = read(request.out_file.read_bytes())
    except (OSError, ValidationError) as error:
        return None, f"its predictions cannot be read ({type(error).__name__})"
    except ValueError as error:
        return None, str(error)
    for leftover in (request_file, request.out_file, log):
        leftover.unlink(missing_ok=True)
    return answers, ""


def _run_watched(
    command: Sequence[str],
    log_file: Path,
    *,
    limit_seconds: float | None,
    give_up: Callable[[], bool],
) -> str:
    """Run a program.

    Args:
        command: The command.
        log_file: File for its output.
        limit_seconds: Time limit; None for none.
        give_up: Called several times a second; True ends it.

    Returns:
        Empty if it ended with exit code 0, else the reason in words.
    """
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=partial(die_with_parent, os.getpid()),  # noqa: PLW1509
        )
        stopped = _watch(process, limit_seconds, give_up)
    if stopped:
        return stopped
    if process.returncode != 0:
        words = _own_words(log_file)
        return f"it ended with exit code {process.returncode}, see {log_file.name}{words}"
    return ""


def _own_words(log: Path) -> str:
    """Return the program's own last error; other lines could hold anything."""
    try:
        lines = log.read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    said = [line.removeprefix(_OWN_WORDS) for line in lines if line.startswith(_OWN_WORDS)]
    return f": {said[-1]}" if said else ""


def _watch(
    process: subprocess.Popen[bytes], limit_seconds: float | None, give_up: Callable[[], bool]
) -> str:
    begin = time.monotonic()
    try:
        while process.poll() is None:
            if give_up():
                return "it was interrupted"
            if limit_seconds is not None and time.monotonic() - begin > limit_seconds:
                return f"it took longer than {limit_seconds:.0f} s"
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_POLL_SECONDS)
        return ""
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
