"""Trials as Kubernetes Jobs. Implements ``Launcher``."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from datetime import UTC
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from xautolm_core.errors import LaunchError
from xautolm_core.errors import StoreError
from xautolm_core.launch.contract import TrialHandle
from xautolm_core.launch.kubernetes import observed
from xautolm_core.launch.kubernetes.client import ApiError
from xautolm_core.launch.kubernetes.client import KubernetesApi
from xautolm_core.launch.kubernetes.exchange_port import Exchange
from xautolm_core.launch.kubernetes.explain import NAME_TAKEN
from xautolm_core.launch.kubernetes.faults import FaultsInRow
from xautolm_core.launch.kubernetes.jobs import Jobs
from xautolm_core.launch.kubernetes.jobs import check_owner
from xautolm_core.launch.kubernetes.manifest import build_job
from xautolm_core.launch.kubernetes.manifest import trial_limit_seconds
from xautolm_core.launch.kubernetes.names import job_name
from xautolm_core.launch.kubernetes.names import search_selector
from xautolm_core.launch.kubernetes.notes import Notes
from xautolm_core.launch.kubernetes.notes import SpacedNotes
from xautolm_core.launch.kubernetes.outcome import Facts
from xautolm_core.launch.kubernetes.outcome import has_evidence
from xautolm_core.launch.kubernetes.outcome import judge
from xautolm_core.launch.kubernetes.records import append_log
from xautolm_core.launch.kubernetes.records import fetch_heartbeat
from xautolm_core.launch.kubernetes.records import store_result
from xautolm_core.launch.kubernetes.settings import KubernetesSettings
from xautolm_core.launch.kubernetes.starting import StartDelays
from xautolm_core.launch.kubernetes.tracked import Key
from xautolm_core.launch.kubernetes.tracked import TrackedTrial
from xautolm_core.launch.kubernetes.tracked import complete
from xautolm_core.launch.kubernetes.tracked import key_of
from xautolm_core.launch.kubernetes.watching import NOTHING_SEEN
from xautolm_core.launch.kubernetes.watching import Board
from xautolm_core.launch.kubernetes.watching import Seen
from xautolm_core.launch.kubernetes.watching import Watches
from xautolm_core.records.attempt import TrialResult
from xautolm_core.records.outcome import Failure
from xautolm_core.trial.contract import TrialSpec
from xautolm_core.trial.files import belongs_to
from xautolm_core.trial.files import delete_checkpoint

_log = logging.getLogger(__name__)

# A Job may be seen to have failed before its pod's last state is: the longest wait for that.
_EVIDENCE_SECONDS = 3.0
_REREAD_SECONDS = 1.0
_TICK_SECONDS = 0.5


class KubernetesLauncher:
    """Runs trials as Jobs of one namespace, one pod each.

    One thread at a time may use a launcher; its two watches have threads of their own.

    Args:
        api: The API server; it is closed with the launcher.
        namespace: Where Jobs are created.
        search_id: The search; its Jobs alone are watched.
        settings: What the platform gives.
        exchange: Carries specs and results.
        notes: Receives the reasons why pods do not start.
    """

    def __init__(
        self,
        *,
        api: KubernetesApi,
        namespace: str,
        search_id: str,
        settings: KubernetesSettings,
        exchange: Exchange,
        notes: Notes | None = None,
    ) -> None:
        self._api = api
        self._settings = settings.model_copy(update={"namespace": namespace})
        self._exchange = exchange
        self._notes = SpacedNotes(notes)
        self._jobs = Jobs(api, namespace)
        self._delays = StartDelays(self._jobs, self._settings, self._notes)
        self._board = Board()
        self._trials: dict[Key, TrackedTrial] = {}
        self._faults = FaultsInRow(settings.max_faults_in_row)
        self._closed = False
        self._owner = self._jobs.workflow_owner()
        selector = search_selector(search_id)
        paths = (self._jobs.path, self._jobs.pods_path)
        self._watches = Watches(api, paths, selector, self._board)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def submit(self, spec: TrialSpec) -> TrialHandle:
        """Send the spec, then create the Job; return without waiting for it.

        Where a Job of that name is still being deleted, the new one is created once it has gone.

        Raises:
            LaunchError: No Job can be created, or too many in a row could not start.
            StoreError: The spec cannot be sent.
        """
        if self._closed:
            raise LaunchError("a trial was submitted to a launcher that is closed")
        name = job_name(spec)
        running = [trial for trial in self._trials.values() if trial.result is None]
        if any(trial.job_name == name for trial in running):
            raise LaunchError(
                f"trial {spec.trial_number}, attempt {spec.attempt}, is running already",
                hint="Count the attempt up to run it once more",
            )
        self._faults.check()
        trial = TrackedTrial(spec, name, datetime.now(UTC), concurrent=len(running) + 1)
        trial.manifest = build_job(spec, self._exchange.send(spec), self._settings, self._owner)
        self._create(trial, patient=True)
        self._trials[trial.key] = trial
        return trial.handle

    def poll(self, handle: TrialHandle) -> TrialResult | None:
        """Return the result, or None while the trial runs."""
        trial = self._trial_of(handle)
        return trial.result or self._look_at(trial)

    def wait(self, handles: Sequence[TrialHandle], timeout_seconds: float) -> None:
        """Return as soon as one of the trials has ended, or after the timeout."""
        deadline = time.monotonic() + timeout_seconds
        trials = [self._trial_of(handle) for handle in handles]
        while trials:
            version = self._board.version
            if any((trial.result or self._look_at(trial)) is not None for trial in trials):
                return
            left_seconds = deadline - time.monotonic()
            if left_seconds <= 0:
                return
            self._board.wait(version, min(left_seconds, _TICK_SECONDS))

    def cancel(self, handle: TrialHandle, *, grace_seconds: float = 5.0) -> TrialResult:
        """End a trial; return its result.

        Its pod gets SIGTERM and the grace of its own manifest. What it reports within
        ``grace_seconds`` is taken; the cluster ends it in any case.

        Raises:
            LaunchError: The Job cannot be deleted, or this launcher does not know it.
        """
        trial = self._trial_of(handle)
        if (trial.result or self._look_at(trial)) is None:
            self.begin_cancel([handle])
            self.wait([handle], grace_seconds)
        return trial.result or self._settle(trial)

    def begin_cancel(
        self, handles: Sequence[TrialHandle], *, grace_seconds: float = 5.0, pruned: str = ""
    ) -> None:
        """Have many trials end at the same time, without waiting for any.

        The grace is that of the pods' own manifest.

        Raises:
            LaunchError: A Job cannot be deleted.
        """
        for handle in handles:
            trial = self._trial_of(handle)
            if trial.result is None and not trial.cancelled:
                trial.cancelled, trial.pruned = True, pruned
                if trial.manifest is None:
                    self._jobs.delete(trial.job_name, paced=False)
                trial.job_deleted = True

    def adopt(self, spec: TrialSpec) -> TrialHandle | None:
        """Return a handle of a trial that an earlier process submitted, or None if it is lost."""
        name = job_name(spec)
        running = sum(trial.result is None for trial in self._trials.values())
        trial = TrackedTrial(spec, name, datetime.now(UTC), concurrent=running + 1)
        if trial.key in self._trials:
            return self._trials[trial.key].handle
        job = self._jobs.read(name)
        if job is not None:
            check_owner(job, spec)
            created_at = observed.moment(job["metadata"].get("creationTimestamp"))
            trial.launched_at = created_at or trial.launched_at
            self._board.expect(job)
        else:
            result = self._exchange.result(spec)
            if result is None or not belongs_to(result, spec):
                return None
            trial.result = result
        self._trials[trial.key] = trial
        return trial.handle

    def discard_checkpoint(self, out_folder: Path) -> None:
        """Delete what a trial has kept for its continuation, there and here."""
        self._exchange.discard_checkpoint(out_folder)
        delete_checkpoint(out_folder)

    def close(self, *, leave_running: bool = False) -> None:
        """End what still runs and free all resources. Safe to call twice.

        Args:
            leave_running: Leave the Jobs to a successor, which adopts them.
        """
        if self._closed:
            return
        self._closed = True
        if not leave_running:
            self._end_all()
        self._watches.stop()
        self._api.close()

    # --- looking after trials ---

    def _look_at(self, trial: TrackedTrial) -> TrialResult | None:
        """Return the result of a trial that has ended; explain one that does not start."""
        if trial.manifest is not None and not trial.cancelled:
            given_up = self._create_again(trial)
            return None if given_up is None else self._settle(trial, given_up)
        seen = self._seen(trial)
        if self._has_ended(trial, seen):
            return self._conclude(trial, seen)
        given_up = self._delays.look_at(trial, seen) or self._api_lost()
        if given_up is not None or self._is_replaced_too_often(seen):
            return self._settle(trial, given_up)
        fetch_heartbeat(self._exchange, trial)
        return None

    def _create(self, trial: TrackedTrial, *, patient: bool) -> None:
        """Create a trial's Job, unless another one still has its name.

        Raises:
            LaunchError: It is refused, or another search has it.
        """
        assert trial.manifest is not None
        trial.created_at = time.monotonic()
        job = self._jobs.create(trial.manifest, patient=patient)
        if job is not None:
            self._board.expect(check_owner(job, trial.spec))
            trial.manifest = None

    def _create_again(self, trial: TrackedTrial) -> Failure | None:
        """Create the Job of a trial whose name was taken; return a failure if that cannot be."""
        if time.monotonic() - trial.created_at < _REREAD_SECONDS:
            return None
        try:
            self._create(trial, patient=False)
        except LaunchError as error:
            _log.warning("trial %d has no Job yet: %s", *_named(trial, error))
            if not (isinstance(error, ApiError) and error.is_transient):
                return Failure(kind=type(error).__name__, message="its Job was refused")
        return self._delays.wait_for(trial, None if trial.manifest is None else NAME_TAKEN)

    def _seen(self, trial: TrackedTrial) -> Seen:
        """Return what is known of a trial's own Job: an earlier one of its name says nothing."""
        return self._board.seen(trial.job_name) if trial.manifest is None else NOTHING_SEEN

    def _has_ended(self, trial: TrackedTrial, seen: Seen) -> bool:
        if seen.job_gone or seen.job is None:
            return True
        if observed.end_of_job(seen.job, seen.pods) is not None:
            return True
        # A Job that was deleted stays until its pods have gone.
        return trial.cancelled and bool(seen.pods) and all(map(observed.has_ended, seen.pods))

    def _conclude(self, trial: TrackedTrial, seen: Seen) -> TrialResult | None:
        """Settle a trial that has ended, once there is evidence or none will come."""
        now = time.monotonic()
        if trial.end_seen_at is None:
            trial.end_seen_at = now
            fetch_heartbeat(self._exchange, trial, at_once=True)
        try:
            facts = self._facts(trial, seen)
        except StoreError as error:
            if now - trial.end_seen_at < self._settings.api_patience_seconds:
                _log.info("the result of trial %d is asked again: %s", *_named(trial, error))
                return None
            fault = Failure(kind=type(error).__name__, message="its result could not be read")
            return self._settle(trial, fault)
        if not has_evidence(facts) and now - trial.end_seen_at < _EVIDENCE_SECONDS:
            self._read_again(trial, now)
            return None
        return self._settle(trial, facts=facts)

    def _read_again(self, trial: TrackedTrial, now: float) -> None:
        if now < trial.reread_at:
            return
        trial.reread_at = now + _REREAD_SECONDS
        try:
            if self._board.seen(trial.job_name).job_gone:
                job = self._jobs.read(trial.job_name)
                if job is not None:  # a list that was older than the Job
                    trial.end_seen_at = None
                    self._board.put_job(job)
            for pod in self._jobs.pods_of(trial.job_name):
                self._board.put_pod(pod)
        except ApiError as error:
            _log.info("trial %d is read again later: %s", *_named(trial, error))

    def _facts(self, trial: TrackedTrial, seen: Seen, given_up: Failure | None = None) -> Facts:
        result = self._exchange.result(trial.spec)
        if result is not None and not belongs_to(result, trial.spec):
            result = None
        return Facts(
            job=seen.job,
            pods=seen.pods,
            result=result,
            cancelled=trial.cancelled,
            job_gone=seen.job_gone,
            limit_seconds=trial_limit_seconds(trial.spec, self._settings),
            began_at=trial.began_at(result),
            given_up=given_up,
            replacements_exceeded=self._is_replaced_too_often(seen),
        )

    def _settle(
        self, trial: TrackedTrial, given_up: Failure | None = None, facts: Facts | None = None
    ) -> TrialResult:
        """Store the result of a trial, and only then delete its Job."""
        seen = self._seen(trial)
        fetch_heartbeat(self._exchange, trial, at_once=True)
        try:
            facts = facts or self._facts(trial, seen, given_up)
        except StoreError as error:
            kind = type(error).__name__
            fault = given_up or Failure(kind=kind, message="its result could not be read")
            facts = Facts(job=seen.job, pods=seen.pods, cancelled=trial.cancelled, given_up=fault)
        result = complete(trial, facts.result, judge(facts))
        if facts.result is None and not trial.cancelled and facts.pods:
            append_log(self._jobs, trial, observed.name_of(facts.last_pod))
        trial.result = store_result(self._exchange, trial, result)
        started = any(map(observed.has_started, seen.pods))
        self._faults.count(trial.result, trial.waiting, started=started)
        self._delete_job(trial)
        self._board.forget(trial.job_name)
        return trial.result

    def _delete_job(self, trial: TrackedTrial) -> None:
        if trial.job_deleted or trial.manifest is not None:
            return
        try:
            self._jobs.delete(trial.job_name, patient=False, paced=not self._closed)
        except ApiError as error:
            _log.warning("the Job %s stays until its time to live: %s", trial.job_name, error)

    def _is_replaced_too_often(self, seen: Seen) -> bool:
        disrupted = [p for p in seen.pods if observed.condition(p, "DisruptionTarget")]
        return len(disrupted) > self._settings.max_replacements

    def _api_lost(self) -> Failure | None:
        if self._watches.problem is not None:
            self._notes.warn(f"The cluster cannot be watched: {self._watches.problem}", "api")
        silent_seconds = self._watches.silent_seconds
        if silent_seconds <= 0 or silent_seconds < self._settings.api_loss_timeout_seconds:
            return None
        message = f"the API server was silent for {silent_seconds:.0f} s"
        return Failure(kind="ApiLost", message=message)

    # --- the end ---

    def _end_all(self) -> None:
        running = [trial for trial in self._trials.values() if trial.result is None]
        for trial in running:
            try:
                self.begin_cancel([trial.handle])
            except LaunchError as error:
                _log.warning("a Job was not deleted and ends at its deadline: %s", error)
        deadline = time.monotonic() + _EVIDENCE_SECONDS
        for trial in running:
            self.wait([trial.handle], max(0.0, deadline - time.monotonic()))
            if trial.result is None:
                self._settle(trial)

    def _trial_of(self, handle: TrialHandle) -> TrackedTrial:
        trial = self._trials.get(key_of(handle))
        if trial is None:
            raise LaunchError(
                f"trial {handle.trial_number} was not submitted to this launcher",
                hint="Call adopt with its spec first",
            )
        return trial


def _named(trial: TrackedTrial, error: Exception) -> tuple[int, Exception]:
    return trial.spec.trial_number, error
