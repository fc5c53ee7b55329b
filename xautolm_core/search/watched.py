"""Runs a program to its end, and ends it at its limit, on an interrupt, or with its parent."""

from __future__ import annotations

import contextlib
import ctypes
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from collections.abc import Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_POLL_SECONDS = 0.2
_OWN_WORDS = "xautolm: "
"""What our own programs begin their errors with."""
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def run_watched(
    command: Sequence[str],
    log_file: Path,
    *,
    limit_seconds: float | None,
    give_up: Callable[[], bool] = lambda: False,
) -> str:
    """Run a program.

    Args:
        command: What to run.
        log_file: Where its output goes.
        limit_seconds: End it after so long; None for never.
        give_up: Asked several times a second; True ends it.

    Returns:
        Nothing if it ended with exit code 0, else the reason in words.
    """
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_die_with_parent,  # noqa: PLW1509
        )
        stopped = _watch(process, limit_seconds, give_up)
    if stopped:
        return stopped
    if process.returncode != 0:
        words = _own_words(log_file)
        return f"it ended with exit code {process.returncode}, see {log_file.name}{words}"
    return ""


def _own_words(log: Path) -> str:
    """Return what the program itself said last; other lines could hold anything."""
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


def _die_with_parent() -> None:
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
