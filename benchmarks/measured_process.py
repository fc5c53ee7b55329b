"""Processes of a benchmark: output, exit code, seconds and memory of each."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping
from collections.abc import Sequence
from datetime import UTC
from datetime import datetime
from pathlib import Path
from typing import Any

Called = Mapping[str, Any]


def call(command: Sequence[str], log: Path, *, limit_seconds: float | None = None) -> Called:
    """Run a command; return its output, exit code, seconds and the memory of its largest process.

    Args:
        command: The command.
        log: Where its standard error goes.
        limit_seconds: It is killed after that; its exit code is then None.
    """
    begun_at, begin = datetime.now(UTC), time.monotonic()
    output = log.with_suffix(".out")
    with log.open("wb") as errors, output.open("wb") as written:
        process = subprocess.Popen(command, stdout=written, stderr=errors)
        try:
            ended = _wait(process.pid, limit_seconds)
        except BaseException:
            # A search ends its trials first.
            process.terminate()
            process.wait()
            raise
        if ended is None:
            process.kill()
            _, _, usage = os.wait4(process.pid, 0)
            code = None
        else:
            status, usage = ended
            code = os.waitstatus_to_exitcode(status)
        # The process was waited for by its id, to have its usage: record that in its object.
        process.returncode = -1 if code is None else code
    return {
        "stdout": output.read_text(encoding="utf-8"),
        "exit_code": code,
        "begun_at": begun_at.isoformat(),
        "wall_seconds": time.monotonic() - begin,
        "peak_bytes": usage.ru_maxrss * 1024,
    }


def _wait(pid: int, limit_seconds: float | None) -> tuple[int, Any] | None:
    """Wait for a process; None if it takes longer than the limit."""
    if limit_seconds is None:
        return os.wait4(pid, 0)[1:]
    end = time.monotonic() + limit_seconds
    while time.monotonic() < end:
        found, status, usage = os.wait4(pid, os.WNOHANG)
        if found:
            return status, usage
        time.sleep(0.1)
    return None


def check(called: Called, log: Path, *allowed: int) -> None:
    """End the benchmark with the last lines of a log if a process has failed."""
    if called["exit_code"] not in allowed:
        tail = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:])
        raise SystemExit(f"error: exit code {called['exit_code']}, see {log}\n{tail}")
