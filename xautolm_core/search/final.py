"""The one look at the test split, in a process of its own."""

from __future__ import annotations

import contextlib
import ctypes
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from xautolm_core.search.contract import TestReport
from xautolm_core.trial.files import write_json_atomic

if TYPE_CHECKING:
    from collections.abc import Sequence

REQUEST_FILE = "test-request.json"
OUT_FILE = "test.json"
LOG_FILE = "test.log"
MODULE = "xautolm_core.trial.evaluate"

_PR_SET_PDEATHSIG = 1
_POLL_SECONDS = 0.2


def evaluate_on_test(
    *,
    model_folder: Path,
    task_folder: Path,
    work_folder: Path,
    threads: int,
    limit_seconds: float | None,
    give_up: Callable[[], bool],
    command: Sequence[str] = (sys.executable, "-m", MODULE),
) -> tuple[TestReport | None, str]:
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
        The report, or None and the reason in words.
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
    with (work_folder / LOG_FILE).open("wb") as log:
        process = subprocess.Popen(
            [*command, str(request)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_die_with_parent,  # noqa: PLW1509
        )
        stopped = _watch(process, limit_seconds, give_up)
    if stopped:
        return None, stopped
    if process.returncode != 0:
        return None, f"it ended with exit code {process.returncode}, see {LOG_FILE}"
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
    except (OSError, ValueError, KeyError, TypeError) as error:
        return None, f"its answer cannot be read ({type(error).__name__})"
    for leftover in (request, answer, work_folder / LOG_FILE):
        leftover.unlink(missing_ok=True)
    return report, ""


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


_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def _die_with_parent() -> None:
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
