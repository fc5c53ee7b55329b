"""The fork server's supervision of one trial: limits, signals, and the facts of its end."""

from __future__ import annotations

import os
import signal
import time
from enum import StrEnum
from pathlib import Path

from pydantic import ValidationError

from xautolm_core.launch import processes
from xautolm_core.launch import watchdog
from xautolm_core.launch.memory_groups import MemoryGroup
from xautolm_core.launch.memory_groups import OwnGroup
from xautolm_core.launch.protocol import Ended
from xautolm_core.launch.protocol import Start
from xautolm_core.records.outcome import Failure
from xautolm_core.trial.contract import RESULT_FILE
from xautolm_core.trial.endings import EndedBy
from xautolm_core.trial.endings import ProcessEnd
from xautolm_core.trial.endings import signal_name

_RESULT_CHECK_SECONDS = 0.5
_REPORT_BYTES = 64 * 1024


class Stage(StrEnum):
    """The stage of a trial's process."""

    RUNNING = "running"
    TERMINATING = "terminating"
    KILLED = "killed"
    REAPED = "reaped"


class WatchedTrial:
    """A trial's process with its limits.

    Args:
        order: The order of the launcher.
        pid: The trial's process.
        group: Its memory group, or None.
        own_group: The fork server's own group, which then counts OOM kills.
        watch_memory: Whether to enforce the memory limit by polling.
        report: Pipe for an exception of the process.
        grace_seconds: Time between SIGTERM and SIGKILL at the wall-clock limit.
        linger_seconds: See ``Settings``.
    """

    def __init__(
        self,
        order: Start,
        pid: int,
        *,
        group: MemoryGroup | None,
        own_group: OwnGroup | None,
        watch_memory: bool,
        report: int,
        grace_seconds: float,
        linger_seconds: float,
    ) -> None:
        self.order = order
        self.pid = pid
        self.group = group
        self.stage = Stage.RUNNING
        self.reaped_at = 0.0
        self._own_group = own_group
        self._own_group_kills = own_group.oom_kills() if own_group else 0
        self._watch_memory = watch_memory and order.memory_limit_bytes is not None
        self._report = report
        self._grace_seconds = grace_seconds
        self._linger_seconds = linger_seconds
        self._started_at = time.monotonic()
        self._kill_at: float | None = None
        self._ended_by: EndedBy | None = None
        self._peak_bytes: int | None = None
        self._exit_code: int | None = None
        self._signal: str | None = None
        self._result_seen_at: float | None = None
        self._next_result_check = 0.0

    @property
    def is_watched_closely(self) -> bool:
        """Whether it must be checked ten times a second."""
        return self.stage is not Stage.RUNNING or self._watch_memory

    def tick(self) -> None:
        """Compare the trial with its limits, and enforce them."""
        if self.stage not in (Stage.RUNNING, Stage.TERMINATING):
            return
        now = time.monotonic()
        limit = self.order.wall_limit_seconds
        if self._is_beyond_memory():
            self.kill("memory")
        elif self._kill_at is not None:
            if now >= self._kill_at:
                self.kill(self._ended_by)
        elif limit is not None and now - self._started_at >= limit:
            self.terminate("wall_limit", self._grace_seconds)
        elif self._lingers(now):
            self.terminate("lingering", self._grace_seconds)

    def terminate(self, why: EndedBy, grace_seconds: float) -> None:
        """Send SIGTERM to the trial's process, and plan SIGKILL for after the grace."""
        if self.stage is Stage.RUNNING:
            self._ended_by = why
            self.stage = Stage.TERMINATING
            processes.send_signal(self.pid, signal.SIGTERM)
        elif self.stage is not Stage.TERMINATING:
            return
        kill_at = time.monotonic() + grace_seconds
        self._kill_at = min(kill_at, self._kill_at or kill_at)

    def kill(self, why: EndedBy | None) -> None:
        """Kill the trial's process and all its descendants."""
        self._ended_by = why
        self.stage = Stage.KILLED
        if self.group is not None:
            self.group.kill()
        processes.kill_all([self.pid])

    def reaped(self, status: int) -> None:
        """Record the process's end, with the ``status`` of waitpid."""
        if os.WIFSIGNALED(status):
            self._signal = signal_name(os.WTERMSIG(status))
        else:
            self._exit_code = os.WEXITSTATUS(status)
        self.stage = Stage.REAPED
        self.reaped_at = time.monotonic()

    def facts(self) -> Ended:
        """Return how the trial ended, once its process was reaped."""
        if self.group is not None:
            kills = self.group.oom_kills()
            hit = self.group.limit_was_hit()
            peak = self.group.peak_bytes()
        else:
            kills = self._own_group.oom_kills() - self._own_group_kills if self._own_group else 0
            hit = self._ended_by == "memory"
            peak = self._peak_bytes
        end = ProcessEnd(
            exit_code=self._exit_code,
            signal=self._signal,
            ended_by=self._ended_by,
            oom_kills=kills,
            limit_was_hit=hit,
            peak_bytes=peak,
            failure=self._read_report(),
        )
        return Ended(key=self.order.key, end=end)

    def _is_beyond_memory(self) -> bool:
        if self.group is not None:
            # The kernel may have killed a descendant that the trial's process waits for.
            return self.group.oom_kills() > 0
        if not self._watch_memory:
            return False
        limit = self.order.memory_limit_bytes
        used = watchdog.tree_bytes([self.pid, *processes.descendants(self.pid)], limit)
        self._peak_bytes = max(used, self._peak_bytes or 0)
        return limit is not None and used > limit

    def _lingers(self, now: float) -> bool:
        if now < self._next_result_check:
            return False
        self._next_result_check = now + _RESULT_CHECK_SECONDS
        if self._result_seen_at is None:
            if (Path(self.order.out_folder) / RESULT_FILE).exists():
                self._result_seen_at = now
            return False
        return now - self._result_seen_at >= self._linger_seconds

    def _read_report(self) -> Failure | None:
        try:
            text = os.read(self._report, _REPORT_BYTES)
        except BlockingIOError:  # a process that outlived the sweep still holds the other end
            text = b""
        finally:
            os.close(self._report)
        try:
            return Failure.model_validate_json(text) if text else None
        except ValidationError:
            return None
