"""Trials as processes of this machine, forked from a server with all imports done."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import sys
import time
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from datetime import UTC
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from xautolm_core.errors import LaunchError
from xautolm_core.launch.contract import TrialHandle
from xautolm_core.launch.contract import attempt_key
from xautolm_core.launch.local_trial import LocalTrial
from xautolm_core.launch.protocol import End
from xautolm_core.launch.protocol import Ended
from xautolm_core.launch.protocol import MemoryGuard
from xautolm_core.launch.protocol import Ready
from xautolm_core.launch.protocol import Settings
from xautolm_core.launch.protocol import Start
from xautolm_core.launch.protocol import Started
from xautolm_core.launch.protocol import Unusable
from xautolm_core.launch.server_process import ServerProcess
from xautolm_core.records.attempt import TrialResult
from xautolm_core.trial.contract import SPEC_FILE
from xautolm_core.trial.contract import TrialSpec
from xautolm_core.trial.files import belongs_to
from xautolm_core.trial.files import delete_checkpoint
from xautolm_core.trial.files import prepare_folder
from xautolm_core.trial.files import read_result

_log = logging.getLogger(__name__)

# Time that the fork server may take beyond the grace to end a trial and report it.
_END_SECONDS = 10.0


class LocalLauncher:
    """Runs trials on this machine, one process each. Implements ``Launcher``.

    The fork server is started at once and imports in the background; the first ``submit`` waits for
    it. One thread at a time may use a launcher.

    Args:
        target: ``module:function`` that is called with the ``TrialSpec`` in the trial's process.
        preload: Modules that the fork server imports; it calls ``preload()`` of those that have it.
        memory_guard: How ``budget.host_memory_bytes`` is enforced: ``cgroup`` by the kernel,
            ``watchdog`` by polling ten times a second, ``none`` not at all; ``auto`` takes the
            first of these that works here (never ``none``).
        grace_seconds: Time between SIGTERM and SIGKILL at the wall-clock limit.
        linger_seconds: Time after which a trial that has written its result is ended.
        start_timeout_seconds: Time limit of the fork server's imports.
        import_paths: Folders to search for modules, before ``sys.path``.
        environment: Variables to set for all trials.

    Raises:
        LaunchError: The fork server's process cannot be started.
    """

    def __init__(
        self,
        *,
        target: str = "xautolm_core.trial.run:run_trial",
        preload: Sequence[str] = ("xautolm_core.trial.run",),
        memory_guard: MemoryGuard = "auto",
        grace_seconds: float = 5.0,
        linger_seconds: float = 10.0,
        start_timeout_seconds: float = 120.0,
        import_paths: Sequence[Path] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._settings = Settings(
            launcher_pid=os.getpid(),
            target=target,
            preload=tuple(preload),
            import_paths=(*map(str, import_paths), *sys.path),
            python_path=os.environ.get("PYTHONPATH"),
            memory_guard=memory_guard,
            grace_seconds=grace_seconds,
            linger_seconds=linger_seconds,
        )
        self._start_timeout_seconds = start_timeout_seconds
        self._environment = dict(environment or {})
        self._trials: dict[str, LocalTrial] = {}
        self._unusable: Unusable | None = None
        self._closed = False
        self._server = self._start_server()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def memory_guard(self) -> MemoryGuard:
        """How memory limits are enforced here. Waits for the fork server.

        Raises:
            LaunchError: The fork server cannot be used.
        """
        self._wait_until_ready()
        assert self._server.ready is not None
        return self._server.ready.memory_guard

    @property
    def server_pid(self) -> int:
        """Process id of the fork server."""
        return self._server.pid

    def submit(self, spec: TrialSpec) -> TrialHandle:
        """Write the spec to its folder, then start the trial; return without waiting for it.

        Raises:
            LaunchError: No trial can be started, or this attempt is running already.
        """
        launched_at = datetime.now(UTC)
        key = attempt_key(spec.search_id, spec.trial_number, spec.attempt)
        if self._closed:
            raise LaunchError("a trial was submitted to a closed launcher")
        if key in self._trials and not self._trials[key].ended:
            raise LaunchError(
                f"trial {spec.trial_number}, attempt {spec.attempt}, is running already",
                hint="Increase the attempt's number to run it again",
            )
        _begin_attempt(spec)
        running = sum(not trial.ended for trial in self._trials.values())
        trial = self._trials[key] = LocalTrial(spec, launched_at, concurrent=running + 1)
        try:
            self._start(key, trial)
        except LaunchError:
            del self._trials[key]
            raise
        return TrialHandle.of(spec, str(trial.pid or ""))

    def poll(self, handle: TrialHandle) -> TrialResult | None:
        """Return the result, or None while the trial runs. Never blocks."""
        self._listen(0.0)
        return self._result_of(handle)

    def wait(self, handles: Sequence[TrialHandle], timeout_seconds: float) -> None:
        """Return as soon as one of the trials has ended, or after the timeout."""
        trials = [self._trials.get(handle.key) for handle in handles]
        if not trials:
            return
        self._listen_until(lambda: any(t is None or t.ended for t in trials), timeout_seconds)

    def cancel(self, handle: TrialHandle, *, grace_seconds: float = 5.0) -> TrialResult:
        """End a trial: SIGTERM first, SIGKILL after the grace; return its result.

        Raises:
            LaunchError: The trial does not end, or this launcher does not know it.
        """
        self.begin_cancel([handle], grace_seconds=grace_seconds)
        trial = self._trials.get(handle.key)
        if trial is not None:
            self._listen_until(lambda: trial.ended, grace_seconds + _END_SECONDS)
        result = self._result_of(handle)
        if result is None:
            raise LaunchError(
                f"trial {handle.trial_number} (process {handle.native_id}) does not end",
                hint="Look for a process that hangs in the kernel (state D)",
            )
        return result

    def begin_cancel(
        self, handles: Sequence[TrialHandle], *, grace_seconds: float = 5.0, pruned: str = ""
    ) -> None:
        """Begin to end many trials at the same time, without waiting for them."""
        self._listen(0.0)
        for key in (handle.key for handle in handles):
            trial = self._trials.get(key)
            if trial is not None and not trial.ended and not trial.cancelled:
                trial.cancelled, trial.pruned = True, pruned
                self._server.send(End(key=key, grace_seconds=grace_seconds))

    def adopt(self, spec: TrialSpec) -> TrialHandle | None:
        """Return a handle of a trial that an earlier process submitted, or None if it is lost.

        Trials end with their launcher, so one without a result is lost.
        """
        key = attempt_key(spec.search_id, spec.trial_number, spec.attempt)
        if key in self._trials:
            return TrialHandle.of(spec, str(self._trials[key].pid or ""))
        result = read_result(spec.out_folder)
        if result is None or not belongs_to(result, spec):
            return None
        launched_at = result.launched_at or datetime.now(UTC)
        self._trials[key] = LocalTrial(
            spec, launched_at, result.concurrent_trials, ended=True, result=result
        )
        return TrialHandle.of(spec, "")

    def discard_checkpoint(self, out_folder: Path) -> None:
        """Delete the checkpoint of a trial."""
        delete_checkpoint(out_folder)

    def close(self) -> None:
        """Kill running trials within two seconds, and free all resources. Safe to call twice."""
        if self._closed:
            return
        self._closed = True
        for trial in self._trials.values():
            trial.cancelled = trial.cancelled or not trial.ended
        for event in self._server.close():
            self._take_note(event)
        for trial in self._trials.values():
            trial.ended = True
            trial.settle()

    def _start_server(self) -> ServerProcess:
        try:
            return ServerProcess(self._settings, self._environment)
        except OSError as problem:
            raise LaunchError(
                f"the process that starts trials cannot be started: {problem.strerror}",
                hint="Look for a limit on processes or memory of this user",
            ) from problem

    def _start(self, key: str, trial: LocalTrial) -> None:
        order = Start(
            key=key,
            spec_file=str((trial.spec.out_folder / SPEC_FILE).absolute()),
            out_folder=str(trial.spec.out_folder.absolute()),
            threads=trial.spec.threads,
            wall_limit_seconds=trial.spec.budget.wall_limit_seconds,
            memory_limit_bytes=trial.spec.budget.host_memory_bytes,
        )
        # Twice, because the server may have been killed since the last check.
        for _ in range(2):
            self._wait_until_ready()
            server = self._server
            server.send(order)
            answered = functools.partial(self._has_answered, trial, server)
            self._listen_until(answered, self._start_timeout_seconds)
            if trial.pid is not None or trial.ended:
                return
        raise LaunchError(
            "the process that starts trials ended twice while it started one",
            hint="Look at the machine's memory and kernel log for what kills it",
        )

    def _has_answered(self, trial: LocalTrial, server: ServerProcess) -> bool:
        return trial.pid is not None or trial.ended or self._server is not server

    def _wait_until_ready(self) -> None:
        """Wait for the fork server's imports.

        Raises:
            LaunchError: It cannot be used, or takes too long.
        """
        if self._closed:
            raise LaunchError("the launcher is closed")
        self._listen_until(
            lambda: self._server.ready is not None or self._server.lost,
            self._start_timeout_seconds,
        )
        if self._server.ready is not None and not self._server.lost:
            return
        if self._unusable is not None:
            problem = self._unusable
            raise LaunchError(f"no trial can be started: {problem.problem}", hint=problem.hint)
        if self._server.lost:
            raise LaunchError(
                f"the process that starts trials cannot be used: {self._server.last_error}"
            )
        raise LaunchError(
            "the process that starts trials was not ready after"
            f" {self._start_timeout_seconds:.0f} s",
            hint="Raise start_timeout_seconds if this machine's disk is slow",
        )

    def _listen_until(self, condition: Callable[[], bool], timeout_seconds: float) -> None:
        deadline = time.monotonic() + timeout_seconds
        self._listen(0.0)
        while not condition():
            left = deadline - time.monotonic()
            if left <= 0:
                return
            self._listen(left)

    def _listen(self, timeout_seconds: float) -> None:
        """Handle the fork server's events; replace the server if it was lost."""
        if self._closed or (self._server.lost and self._server.ready is None):
            return
        for event in self._server.receive(timeout_seconds):
            self._take_note(event)
        if self._server.lost:
            was_ready = self._server.ready is not None
            self._server.destroy()
            self._give_up_trials()
            if was_ready:
                _log.warning("the process that starts trials was killed; another is started")
                # If even this fails, the next submit raises it; ended trials are reported first.
                with contextlib.suppress(LaunchError):
                    self._server = self._start_server()

    def _take_note(self, event: object) -> None:
        if isinstance(event, Unusable):
            self._unusable = event
        elif isinstance(event, Ready) and event.threads > 1:
            _log.warning(
                "the process that starts trials has %d threads; a fork of it could hang. "
                "Look for a preloaded module that starts threads when it is imported",
                event.threads,
            )
        elif isinstance(event, Started) and event.key in self._trials:
            self._trials[event.key].pid = event.pid
        elif isinstance(event, Ended) and event.key in self._trials:
            trial = self._trials[event.key]
            trial.ended, trial.end, trial.ended_at = True, event.end, datetime.now(UTC)

    def _give_up_trials(self) -> None:
        """Mark trials as ended that were killed with their fork server."""
        for trial in self._trials.values():
            # A trial that was not started yet may still be, by the next server.
            if not trial.ended and trial.pid is not None:
                trial.ended, trial.ended_at = True, datetime.now(UTC)

    def _result_of(self, handle: TrialHandle) -> TrialResult | None:
        trial = self._trials.get(handle.key)
        if trial is not None:
            return trial.settle()
        raise LaunchError(
            f"trial {handle.trial_number} was not submitted to this launcher",
            hint="Call adopt with its spec first",
        )


def _begin_attempt(spec: TrialSpec) -> None:
    try:
        prepare_folder(spec)
    except OSError as problem:
        raise LaunchError(
            f"the trial's folder {spec.out_folder} cannot be written: {problem.strerror}",
            hint="Choose a folder on a disk with space that you may write",
        ) from problem
