"""Runs a trial in a process of its own, and sees how that ends."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from xautolm_core.trial.contract import HEARTBEAT_FILE
from xautolm_core.trial.contract import RESULT_FILE
from xautolm_core.trial.contract import SPEC_FILE
from xautolm_core.trial.contract import TrialSpec
from xautolm_core.trial.endings import EndedBy
from xautolm_core.trial.endings import ProcessEnd
from xautolm_core.trial.endings import signal_name
from xautolm_core.trial.sigterm import Termination

_LOOK_SECONDS = 0.1
_LINGER_SECONDS = 10.0
STARTUP_SECONDS = 300.0
"""What a trial may take for its imports, which are slow where nothing of them is in memory yet."""
# Where a container has no memory left, the kernel should kill the trial rather than its supervisor.
_OOM_SCORE_ADJUSTMENT = "500"


class MemoryWatch(Protocol):
    """What is known of the memory of this process's container."""

    def is_beyond_limit(self) -> bool:
        """Whether a trial has to be ended for the memory that is in use."""
        ...

    def oom_kills(self) -> int:
        """Return how many processes of the container the kernel has killed for lack of memory."""
        ...


def supervise(
    spec: TrialSpec,
    *,
    termination: Termination,
    memory: MemoryWatch | None,
    environment: Mapping[str, str],
    grace_seconds: float,
    startup_seconds: float = STARTUP_SECONDS,
) -> ProcessEnd:
    """Run a trial whose spec lies in its folder, and wait for its end.

    SIGTERM is passed on to it. It is ended when it runs into the wall-clock limit of its budget or
    into the memory limit, and when it is still there long after it wrote its result. The wall-clock
    limit counts from its first heartbeat on: imports say nothing about a configuration.

    Args:
        spec: The trial.
        termination: Tells of SIGTERM.
        memory: Tells of the container's memory; None if nothing is known of it.
        environment: Variables to set for the trial.
        grace_seconds: Between SIGTERM and SIGKILL.
        startup_seconds: Until its first heartbeat.

    Raises:
        OSError: No process can be started.
    """
    kills_before = memory.oom_kills() if memory else 0
    # A session of its own, so that what it has started can be ended with it.
    process = subprocess.Popen(
        [sys.executable, "-m", "xautolm_core.trial", str(spec.out_folder / SPEC_FILE)],
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    with contextlib.suppress(OSError):
        Path(f"/proc/{process.pid}/oom_score_adj").write_text(_OOM_SCORE_ADJUSTMENT)
    try:
        watch = _Watch(
            spec,
            process,
            termination,
            memory,
            grace_seconds=grace_seconds,
            startup_seconds=startup_seconds,
        )
        ended_by = watch.wait()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        status = process.wait()
    kills = memory.oom_kills() - kills_before if memory else 0
    return ProcessEnd(
        exit_code=status if status >= 0 else None,
        signal=signal_name(-status) if status < 0 else None,
        ended_by=ended_by,
        oom_kills=kills,
        # The limit is that of the container: what the kernel took, it took for that.
        limit_was_hit=kills > 0 or ended_by == "memory",
        has_supervisor=True,
    )


class _Watch:
    """Looks at a process ten times a second."""

    def __init__(
        self,
        spec: TrialSpec,
        process: subprocess.Popen[bytes],
        termination: Termination,
        memory: MemoryWatch | None,
        *,
        grace_seconds: float,
        startup_seconds: float,
    ) -> None:
        self._process = process
        self._termination = termination
        self._memory = memory
        self._grace_seconds = grace_seconds
        self._wall_limit_seconds = spec.budget.wall_limit_seconds
        self._result_file: Path = spec.out_folder / RESULT_FILE
        self._heartbeat_file: Path = spec.out_folder / HEARTBEAT_FILE
        self._startup_until = time.monotonic() + startup_seconds
        self._began_at: float | None = None
        self._result_seen_at: float | None = None
        self._kill_at: float | None = None
        self._ended_by: EndedBy | None = None

    def wait(self) -> EndedBy | None:
        """Return once the process has ended, with the reason if it was ended from here."""
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_LOOK_SECONDS)
                return self._ended_by
            now = time.monotonic()
            if self._memory is not None and self._memory.is_beyond_limit():
                # At once: a trial that saves its model would use more still.
                self._ended_by = "memory"
                self._process.kill()
                self._process.wait()
            elif self._kill_at is None:
                self._ask_to_end(now)
            elif now >= self._kill_at:
                self._process.kill()

    def _ask_to_end(self, now: float) -> None:
        if self._termination.asked:
            self._ended_by = "termination"
        elif (beyond := self._beyond_limit(now)) is not None:
            self._ended_by = beyond
        elif self._lingers(now):
            self._ended_by = "lingering"
        else:
            return
        self._process.terminate()
        self._kill_at = now + self._grace_seconds

    def _beyond_limit(self, now: float) -> EndedBy | None:
        if self._began_at is None:
            if not self._heartbeat_file.exists():
                return "startup" if now >= self._startup_until else None
            self._began_at = now
        limit = self._wall_limit_seconds
        return "wall_limit" if limit is not None and now - self._began_at >= limit else None

    def _lingers(self, now: float) -> bool:
        if self._result_seen_at is None:
            self._result_seen_at = now if self._result_file.exists() else None
            return False
        return now - self._result_seen_at >= _LINGER_SECONDS
