"""Trials as commands of this machine, a base for launchers of other schedulers."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from xautolm_core.errors import LaunchError
from xautolm_core.launch.contract import TrialHandle
from xautolm_core.launch.processes import die_with_parent
from xautolm_core.trial.contract import HEARTBEAT_FILE
from xautolm_core.trial.contract import LOG_FILE
from xautolm_core.trial.contract import SPEC_FILE
from xautolm_core.trial.endings import result_of_process
from xautolm_core.trial.files import delete_checkpoint
from xautolm_core.trial.files import prepare_folder

if TYPE_CHECKING:
    from xautolm_core.launch.choice import LauncherInputs
    from xautolm_core.records.attempt import TrialResult
    from xautolm_core.trial.contract import TrialSpec
    from xautolm_core.trial.endings import EndedBy

_LOOK_SECONDS = 0.05
_GRACE_SECONDS = 10.0


@dataclass
class _Trial:
    """A submitted trial of this launcher."""

    spec: TrialSpec
    process: subprocess.Popen[bytes]
    launched_at: datetime
    concurrent: int
    began_at: float | None = None
    ended_by: EndedBy | None = None
    kill_at: float | None = None
    pruned: str = ""
    result: TrialResult | None = None


class CommandLauncher:
    """Runs each trial as a command, and ends it at its wall-clock limit. Implements ``Launcher``.

    A subclass defines the command: it starts the trial elsewhere, waits for it, forwards SIGTERM,
    and shares the folders of this machine with it. Memory limits are left to what the command
    starts. Trials end with this process: the command gets SIGTERM, even if the process is killed.

    Args:
        inputs: Inputs of the search.

    Attributes:
        settings: The user's settings.
    """

    def __init__(self, inputs: LauncherInputs) -> None:
        self.settings = inputs.settings
        self._trials: dict[str, _Trial] = {}

    def command(self, spec: TrialSpec) -> Sequence[str]:
        """Return the command that runs a trial: by default on this machine.

        Args:
            spec: The trial; its spec is in its folder.
        """
        return [sys.executable, "-m", "xautolm_core.trial", str(spec.out_folder / SPEC_FILE)]

    def submit(self, spec: TrialSpec) -> TrialHandle:
        """Write the spec to its folder, then start the command; return without waiting for it.

        Raises:
            LaunchError: The command cannot be started.
        """
        launched_at = datetime.now(UTC)
        running = sum(trial.result is None for trial in self._trials.values())
        try:
            prepare_folder(spec)
            with (spec.out_folder / LOG_FILE).open("ab") as log:
                # A session of its own, so that Ctrl-C reaches only the search.
                process = subprocess.Popen(
                    self.command(spec),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    # Not SIGKILL, which a command could not forward to where the trial runs.
                    preexec_fn=partial(die_with_parent, os.getpid(), signal.SIGTERM),  # noqa: PLW1509
                )
        except (OSError, subprocess.SubprocessError) as error:
            raise LaunchError(
                f"The command of a trial cannot be started: {error}",
                hint="Check the launcher's settings, and that the command is installed",
            ) from error
        handle = TrialHandle.of(spec, str(process.pid))
        self._trials[handle.key] = _Trial(spec, process, launched_at, running + 1)
        return handle

    def poll(self, handle: TrialHandle) -> TrialResult | None:
        """Return the result, or None while the trial runs. Never blocks."""
        trial = self._trials[handle.key]
        if trial.result is None:
            status = trial.process.poll()
            if status is None:
                self._hold_limits(trial)
                return None
            trial.result = result_of_process(
                trial.spec,
                status,
                launched_at=trial.launched_at,
                concurrent_trials=trial.concurrent,
                ended_by=trial.ended_by,
                pruned=trial.pruned,
            )
        return trial.result

    def wait(self, handles: Sequence[TrialHandle], timeout_seconds: float) -> None:
        """Return as soon as one of the trials has ended, or after the timeout."""
        until = time.monotonic() + timeout_seconds
        while handles and time.monotonic() < until:
            if any(self.poll(handle) is not None for handle in handles):
                return
            time.sleep(_LOOK_SECONDS)

    def cancel(self, handle: TrialHandle, *, grace_seconds: float = 5.0) -> TrialResult:
        """End a trial: SIGTERM first, SIGKILL after the grace; return its result."""
        self.begin_cancel([handle], grace_seconds=grace_seconds)
        while (result := self.poll(handle)) is None:
            time.sleep(_LOOK_SECONDS)
        return result

    def begin_cancel(
        self, handles: Sequence[TrialHandle], *, grace_seconds: float = 5.0, pruned: str = ""
    ) -> None:
        """Begin to end many trials at the same time, without waiting for them."""
        for handle in handles:
            trial = self._trials[handle.key]
            if self.poll(handle) is None and trial.ended_by is None:
                trial.pruned = pruned
                self._end(trial, "cancel", grace_seconds)

    def adopt(self, spec: TrialSpec) -> TrialHandle | None:
        """Return None: trials end with their launcher."""
        return None

    def discard_checkpoint(self, out_folder: Path) -> None:
        """Delete the checkpoint of a trial."""
        delete_checkpoint(out_folder)

    def close(self) -> None:
        """End running trials: SIGTERM first, SIGKILL after a grace. Safe to call twice."""
        for trial in self._trials.values():
            if trial.kill_at is None and trial.process.poll() is None:
                self._end(trial, "cancel", _GRACE_SECONDS)
        while left := [one for one in self._trials.values() if one.process.poll() is None]:
            for trial in left:
                self._hold_limits(trial)
            time.sleep(_LOOK_SECONDS)

    def _hold_limits(self, trial: _Trial) -> None:
        """End a trial at its time limit, which starts with its first heartbeat."""
        now = time.monotonic()
        if trial.kill_at is not None:
            if now >= trial.kill_at:
                _signal(trial, signal.SIGKILL)
            return
        if trial.began_at is None:
            if not (trial.spec.out_folder / HEARTBEAT_FILE).exists():
                return
            trial.began_at = now
        limit = trial.spec.budget.wall_limit_seconds
        if limit is not None and now - trial.began_at >= limit:
            self._end(trial, "wall_limit", _GRACE_SECONDS)

    def _end(self, trial: _Trial, ended_by: EndedBy, grace_seconds: float) -> None:
        trial.ended_by = ended_by
        trial.kill_at = time.monotonic() + grace_seconds
        _signal(trial, signal.SIGTERM)


def _signal(trial: _Trial, number: signal.Signals) -> None:
    """Send a signal to a command and all its processes here."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(trial.process.pid, number)
