"""Runs a trial that was sent through an object storage, and returns its result the same way."""

from __future__ import annotations

import json
import logging
import os
import time
from dataclasses import dataclass
from datetime import UTC
from datetime import datetime
from pathlib import Path

from xautolm_core.errors import LaunchError
from xautolm_core.errors import StoreError
from xautolm_core.objects.contract import ObjectStorage
from xautolm_core.objects.open import open_objects
from xautolm_core.records.attempt import TrialResult
from xautolm_core.records.outcome import Outcome
from xautolm_core.trial.contract import TrialSpec
from xautolm_core.trial.endings import result_of_end
from xautolm_core.trial.endings import terminated
from xautolm_core.trial.files import read_heartbeat
from xautolm_core.trial.files import read_result
from xautolm_core.trial.remote_contract import RemoteTrial
from xautolm_core.trial.remote_contract import result_key
from xautolm_core.trial.remote_contract import split_address
from xautolm_core.trial.remote_inputs import fetch_inputs
from xautolm_core.trial.remote_inputs import model_environment
from xautolm_core.trial.remote_inputs import read_remote_trial
from xautolm_core.trial.remote_outputs import RemoteOutputs
from xautolm_core.trial.remote_outputs import stored_result
from xautolm_core.trial.saved_state import claim_saved
from xautolm_core.trial.sigterm import Terminated
from xautolm_core.trial.sigterm import Termination
from xautolm_core.trial.supervise import STARTUP_SECONDS
from xautolm_core.trial.supervise import MemoryWatch
from xautolm_core.trial.supervise import supervise

HEARTBEAT_SECONDS = 15.0
GRACE_SECONDS = 20.0
"""Leaves time for the result, within the 60 s and more that a pod is given."""

_log = logging.getLogger(__name__)


def run_remote(
    address: str,
    work_folder: Path,
    *,
    model_cache: Path | None = None,
    memory: MemoryWatch | None = None,
    heartbeat_seconds: float = HEARTBEAT_SECONDS,
    grace_seconds: float = GRACE_SECONDS,
    startup_seconds: float = STARTUP_SECONDS,
) -> int:
    """Fetch a trial, run it in a process of its own, and write its result.

    SIGTERM breaks off the fetching, or is passed on to the trial; either way there is a result. An
    attempt that is over already is not run once more. To be called in the main thread.

    Args:
        address: What ``TrialExchange.send`` returned.
        work_folder: Folder of this machine for task, cache and the trial's own files.
        model_cache: Folder for models, which trials on several machines may share; below
            ``work_folder`` if None.
        memory: Tells of the container's memory, if anything is known of it.
        heartbeat_seconds: Between two heartbeats.
        grace_seconds: What a trial has to end after SIGTERM.
        startup_seconds: What the trial's process has for its imports, before the wall-clock limit
            of its budget begins. One that takes longer ends as ``infra``.

    Returns:
        0: there is a result, whatever the outcome.

    Raises:
        ConfigError: There is no valid trial at the address, or its model is not available here.
        StoreError: Something cannot be fetched or written, or is damaged.
        LaunchError: No process can be started.
    """
    root, key = split_address(address)
    work_folder = work_folder.absolute()
    storage = open_objects(root)
    termination = Termination()
    termination.install()
    try:
        trial = read_remote_trial(storage, key)
        outputs = RemoteOutputs(storage, trial.spec)
        if outputs.is_settled():
            _log.warning("trial %s is over already; it is not run again", key)
            return 0
        patience = _Patience(heartbeat_seconds, grace_seconds, startup_seconds)
        run = _RemoteRun(storage, trial, outputs, termination, memory=memory, patience=patience)
        run.run(work_folder, model_cache or work_folder / "model-cache")
        return 0
    finally:
        termination.restore()


def told_outcome(address: str) -> Outcome:
    """Return how the trial at an address ended, as last reported there.

    Raises:
        ConfigError: There is no valid trial at the address.
        StoreError: There is no report, or it cannot be read.
    """
    root, key = split_address(address)
    storage = open_objects(root)
    spec = read_remote_trial(storage, key).spec
    result = stored_result(storage, result_key(spec), spec)
    if result is None:
        raise StoreError(f"The trial {key} has reported no result", hint="Run it again")
    return result.outcome


@dataclass(frozen=True)
class _Patience:
    """Seconds, as ``run_remote`` takes them."""

    heartbeat_seconds: float
    grace_seconds: float
    startup_seconds: float


class _RemoteRun:
    """One attempt on this machine."""

    def __init__(
        self,
        storage: ObjectStorage,
        trial: RemoteTrial,
        outputs: RemoteOutputs,
        termination: Termination,
        *,
        memory: MemoryWatch | None,
        patience: _Patience,
    ) -> None:
        self._storage = storage
        self._trial = trial
        self._outputs = outputs
        self._termination = termination
        self._memory = memory
        self._patience = patience

    def run(self, work_folder: Path, model_cache: Path) -> None:
        """Do it all; there is a result afterwards."""
        self._outputs.beat(_first_heartbeat())
        since = time.monotonic()
        try:
            with self._termination.breaking_off():
                spec = fetch_inputs(self._storage, self._trial, work_folder, model_cache)
        except Terminated:
            self._outputs.finish(terminated(self._trial.spec), work_folder, _download(since))
            return
        download = _download(since)
        with self._outputs.heartbeats(spec.out_folder, self._patience.heartbeat_seconds):
            result = self._supervised(spec, model_cache)
        self._outputs.finish(result, spec.out_folder, download)

    def _supervised(self, spec: TrialSpec, model_cache: Path) -> TrialResult:
        try:
            end = supervise(
                spec,
                termination=self._termination,
                memory=self._memory,
                environment=model_environment(model_cache, os.environ),
                grace_seconds=self._patience.grace_seconds,
                startup_seconds=self._patience.startup_seconds,
            )
        except OSError as error:
            raise LaunchError(
                f"The trial's process cannot be started: {error.strerror or error}",
                hint="Look for a limit on processes or memory of its container",
            ) from error
        written = read_result(spec.out_folder)
        heartbeat = read_heartbeat(spec.out_folder) or {}
        return result_of_end(spec, end, written, heartbeat, claim_saved(spec))


def _download(since: float) -> dict[str, float]:
    return {"download": time.monotonic() - since}


def _first_heartbeat() -> bytes:
    """Return a sign of life of the machine, before the trial itself reports anything."""
    return json.dumps({"at": datetime.now(UTC).isoformat(), "phase": "download"}).encode()
