"""A model meets the test split, in a process of its own."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from xautolm_core.search.contract import TestReport
from xautolm_core.search.watched import run_watched
from xautolm_core.trial.files import write_json_atomic

if TYPE_CHECKING:
    from collections.abc import Sequence

REQUEST_FILE = "test-request.json"
OUT_FILE = "test.json"
LOG_FILE = "test.log"
MODULE = "xautolm_core.trial.evaluate"


@dataclass(frozen=True)
class Evaluation:
    """What a model came to on the test split.

    Attributes:
        report: Its scores.
        answers: Class index that it gave to each row, int64.
    """

    report: TestReport
    answers: np.ndarray


def evaluate_on_test(
    *,
    model_folder: Path,
    task_folder: Path,
    work_folder: Path,
    threads: int,
    limit_seconds: float | None,
    give_up: Callable[[], bool],
    command: Sequence[str] = (sys.executable, "-m", MODULE),
) -> tuple[Evaluation | None, str]:
    """Evaluate a model on the test split.

    Args:
        model_folder: The saved model.
        task_folder: The prepared task.
        work_folder: Where request, log and answer are written.
        threads: CPU threads.
        limit_seconds: End the evaluation after so long; None for never.
        give_up: Asked several times a second; True ends the evaluation.
        command: What to run, with the request's path appended.

    Returns:
        The evaluation, or None and the reason in words.
    """
    request, answer = work_folder / REQUEST_FILE, work_folder / OUT_FILE
    answer.unlink(missing_ok=True)
    write_json_atomic(
        request,
        {
            "model_folder": str(model_folder),
            "task_folder": str(task_folder),
            "split": "test",
            "out_file": str(answer),
            "threads": threads,
            "device": "auto",
        },
    )
    problem = run_watched(
        [*command, str(request)],
        work_folder / LOG_FILE,
        limit_seconds=limit_seconds,
        give_up=give_up,
    )
    if problem:
        return None, problem
    try:
        found = json.loads(answer.read_bytes())
        report = TestReport(
            macro_f1=float(found["macro_f1"]),
            accuracy=float(found["accuracy"]),
            per_class=found["per_class"],
            confusion=found["confusion"],
            rows=int(found["rows"]),
            seconds=float(found["seconds"]),
        )
        answers = np.asarray(found["predicted"], dtype=np.int64)
    except (OSError, ValueError, KeyError, TypeError) as error:
        return None, f"its answer cannot be read ({type(error).__name__})"
    for leftover in (request, answer, work_folder / LOG_FILE):
        leftover.unlink(missing_ok=True)
    return Evaluation(report, answers), ""
