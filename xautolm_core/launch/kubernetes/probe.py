"""What a trial pod finds on its machine: a small Job with a trial's resources looks."""

from __future__ import annotations

import json
import logging
import math
import signal
import time
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

from xautolm_core.errors import LaunchError
from xautolm_core.launch.kubernetes import observed
from xautolm_core.launch.kubernetes.client import ApiError
from xautolm_core.launch.kubernetes.client import KubernetesApi
from xautolm_core.launch.kubernetes.explain import NAME_TAKEN
from xautolm_core.launch.kubernetes.explain import Cause
from xautolm_core.launch.kubernetes.explain import Waiting
from xautolm_core.launch.kubernetes.explain import explain
from xautolm_core.launch.kubernetes.explain import limit_of
from xautolm_core.launch.kubernetes.jobs import Jobs
from xautolm_core.launch.kubernetes.manifest import job_of
from xautolm_core.launch.kubernetes.names import SEARCH_ANNOTATION
from xautolm_core.launch.kubernetes.names import STUDY_LABEL
from xautolm_core.launch.kubernetes.names import study_name
from xautolm_core.launch.kubernetes.notes import Notes
from xautolm_core.launch.kubernetes.settings import KubernetesSettings
from xautolm_core.launch.kubernetes.starting import Troubles
from xautolm_core.objects.contract import ObjectStorage
from xautolm_core.objects.open import open_objects
from xautolm_core.objects.s3_settings import join_s3_uri
from xautolm_core.plugins import PluginReference
from xautolm_core.trial.sigterm import TERMINATED_EXIT_CODE
from xautolm_core.trial.sigterm import SigtermHandler

_log = logging.getLogger(__name__)

_POLL_SECONDS = 3.0
_RUN_SECONDS = 120.0
# Of a container's memory limit, what a trial may plan with.
_SHARE_OF_MEMORY = 0.9


@dataclass(frozen=True)
class PodMachine:
    """What one trial pod has.

    Attributes:
        system: The document of the system's feature vector, as the pod measured it.
        threads: CPU threads that it is entitled to.
        host_bytes: Memory that it may plan with.
        plugins: What packages of its image offer.
    """

    system: Mapping[str, Any]
    threads: int
    host_bytes: int
    plugins: tuple[PluginReference, ...] = ()


def probe_machine(
    api: KubernetesApi,
    namespace: str,
    settings: KubernetesSettings,
    *,
    run_id: str,
    exchange_address: str,
    notes: Notes | None = None,
    poll_seconds: float = _POLL_SECONDS,
) -> PodMachine:
    """Run a Job that measures its machine, and return what it found.

    Args:
        api: The API server.
        namespace: Where the Job is created.
        settings: What the platform gives for trial pods.
        run_id: The run; the Job is named after it, so that a repeated step takes the one there is.
        exchange_address: Where the pod writes its answer, below ``probe/``.
        notes: Receives the reason why the pod does not start.
        poll_seconds: Between two looks.

    Raises:
        LaunchError: The pod does not start, or ends without an answer.
        StoreError: The answer cannot be read.
    """
    study = study_name(f"{run_id}/probe")
    name = f"xlm-{study}-probe"
    storage = open_objects(exchange_address)
    key = "probe/system.json"
    jobs = Jobs(api, namespace)
    manifest = job_of(
        name,
        ["xautolm", "probe", join_s3_uri(exchange_address, key)],
        settings.model_copy(update={"namespace": namespace}),
        labels={
            "app.kubernetes.io/name": "xautolm",
            "app.kubernetes.io/component": "probe",
            "app.kubernetes.io/part-of": "xautolm",
            "app.kubernetes.io/managed-by": "xautolm-search",
            STUDY_LABEL: study,
        },
        annotations={SEARCH_ANNOTATION: run_id},
        deadline_seconds=math.ceil(settings.startup_seconds + _RUN_SECONDS),
        owner=jobs.workflow_owner(),
    )
    wait = _Wait(jobs, name, settings, notes)
    with _ended_by_sigterm():
        try:
            while jobs.create(manifest) is None:
                wait.for_name()
                time.sleep(poll_seconds)
            while True:
                try:
                    system = json.loads(storage.get(key))
                    break
                except KeyError:
                    wait.look()
                    time.sleep(poll_seconds)
        finally:
            try:
                jobs.delete(name, patient=False, paced=False)
            except ApiError as error:
                _log.warning("the Job %s stays until its time to live: %s", name, error)
    return PodMachine(system, *_entitlement(settings), plugins=_plugins(storage))


def _plugins(storage: ObjectStorage) -> tuple[PluginReference, ...]:
    try:
        found = json.loads(storage.get("probe/plugins.json"))
    except KeyError:
        return ()
    return tuple(PluginReference.model_validate(one) for one in found)


class _Terminated(SigtermHandler):
    """Has SIGTERM raise what leaves by way of all that has to be cleaned up."""

    def _handle(self, signal_number: int, _frame: FrameType | None) -> None:
        signal.signal(signal_number, signal.SIG_IGN)  # a second one must not break off the cleaning
        raise SystemExit(TERMINATED_EXIT_CODE)


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM end a block as an exception does: nobody else would delete its Job."""
    handler = _Terminated()
    handler.install()
    try:
        yield
    finally:
        handler.restore()


class _Wait:
    """Looks after the probe's Job until it has ended."""

    def __init__(
        self, jobs: Jobs, name: str, settings: KubernetesSettings, notes: Notes | None
    ) -> None:
        self._jobs = jobs
        self._name = name
        self._settings = settings
        self._notes = notes
        self._told = ""
        self._cause: Cause | None = None
        self._since = time.monotonic()
        self._began_at = time.monotonic()
        self._ended = False
        self._troubles = Troubles(jobs, settings)

    def for_name(self) -> None:
        """Tell that an earlier Job of the name is still being deleted.

        Raises:
            LaunchError: It is for too long.
        """
        self._wait_for(NAME_TAKEN)

    def look(self) -> None:
        """Tell why it does not start.

        Raises:
            LaunchError: It ended without an answer, or has waited too long.
        """
        job, pods = self._jobs.read(self._name), self._jobs.pods_of(self._name)
        if job is None or observed.end_of_job(job, pods) is not None:
            if not self._ended:  # its answer may have come since we looked
                self._ended = True
                return
            log = self._jobs.log_tail(observed.name_of(pods[-1])) if pods else ""
            last = log.strip().splitlines()[-1:] or ["it left no log"]
            raise LaunchError(
                f"The probe of the trials' machine (Job {self._name}) gave no answer: {last[0]}",
                hint="Check image, resources and S3 settings of the trial pods",
            )
        self._wait_for(explain(job, pods, self._troubles_of(pods)))

    def _troubles_of(self, pods: Sequence[Mapping[str, Any]]) -> Mapping[str, str]:
        waited_seconds = time.monotonic() - self._began_at
        if not pods:
            return self._troubles.of_jobs(waited_seconds)
        is_readied = observed.is_being_readied(pods[-1])
        return self._troubles.of_pods(pods[-1], waited_seconds) if is_readied else {}

    def _wait_for(self, waiting: Waiting | None) -> None:
        cause = None if waiting is None else waiting.cause
        if waiting is None or cause is not self._cause:
            self._cause, self._since = cause, time.monotonic()
        if waiting is None:
            return
        if waiting.text != self._told and self._notes is not None:
            self._told = waiting.text
            self._notes.note(f"The probe of the trials' machine waits: {waiting.text}")
        if time.monotonic() - self._since > limit_of(waiting, self._settings):
            raise LaunchError(
                f"The probe of the trials' machine does not start: {waiting.text}",
                hint="No trial would either. Change the resources, or the cluster",
            )


def _entitlement(settings: KubernetesSettings) -> tuple[int, int]:
    """Return the CPU threads and the bytes of memory that a trial pod can count on."""
    from kubernetes.utils.quantity import parse_quantity

    given = settings.resources
    threads = max(1, math.floor(parse_quantity(given.cpu_limit or given.cpu_request)))
    return threads, int(float(parse_quantity(given.memory_limit)) * _SHARE_OF_MEMORY)
