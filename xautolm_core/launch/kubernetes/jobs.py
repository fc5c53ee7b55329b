"""The requests that concern the Jobs of one namespace."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import Any
from typing import Literal

from xautolm_core.errors import LaunchError
from xautolm_core.launch.kubernetes import observed
from xautolm_core.launch.kubernetes.client import CONFLICT
from xautolm_core.launch.kubernetes.client import NOT_FOUND
from xautolm_core.launch.kubernetes.client import ApiError
from xautolm_core.launch.kubernetes.client import KubernetesApi
from xautolm_core.launch.kubernetes.names import ATTEMPT_ANNOTATION
from xautolm_core.launch.kubernetes.names import JOB_NAME_LABEL
from xautolm_core.launch.kubernetes.names import SEARCH_ANNOTATION
from xautolm_core.launch.kubernetes.pod import CONTAINER
from xautolm_core.trial.contract import TrialSpec

_log = logging.getLogger(__name__)

_LOG_LINES = 200
_LOG_BYTES = 65_536
_EVENT_PAGES = 10
_TROUBLES = {
    "Job": frozenset({"FailedCreate"}),
    "Pod": frozenset(
        {"FailedMount", "FailedAttachVolume", "FailedMapVolume", "FailedCreatePodSandBox"}
    ),
}


class Jobs:
    """Creates, reads and deletes Jobs.

    Args:
        api: The API server.
        namespace: Where they are.
    """

    def __init__(self, api: KubernetesApi, namespace: str) -> None:
        self._api = api
        self.path = f"/apis/batch/v1/namespaces/{namespace}/jobs"
        self.pods_path = f"/api/v1/namespaces/{namespace}/pods"
        self._events_path = f"/api/v1/namespaces/{namespace}/events"

    def create(self, manifest: Mapping[str, Any], *, patient: bool = True) -> dict[str, Any] | None:
        """Create a Job, or take the one that is there: an answer may have been lost.

        Returns:
            The Job; None while another one of that name has not quite gone: one that is being
            deleted keeps its name until its pods have ended.

        Raises:
            LaunchError: It is refused.
        """
        try:
            return self._api.request("POST", self.path, body=manifest, patient=patient)
        except ApiError as error:
            if error.status != CONFLICT:
                raise
        found = self.read(observed.name_of(manifest), patient=patient)
        return None if found is None or observed.is_being_deleted(found) else found

    def read(self, name: str, *, patient: bool = True) -> dict[str, Any] | None:
        """Return a Job; None if there is none."""
        try:
            return self._api.request("GET", f"{self.path}/{name}", patient=patient)
        except ApiError as error:
            if error.status == NOT_FOUND:
                return None
            raise

    def pods_of(self, name: str) -> list[dict[str, Any]]:
        """Return the pods of a Job as they are now."""
        query = {"labelSelector": f"{JOB_NAME_LABEL}={name}"}
        return list(self._api.request("GET", self.pods_path, query=query).get("items") or [])

    def delete(self, name: str, *, patient: bool = True, paced: bool = True) -> None:
        """Delete a Job with its pods, which get their SIGTERM and their grace.

        It stays until its pods have gone, so that their end is still seen.
        """
        options = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Foreground"}
        path = f"{self.path}/{name}"
        try:
            self._api.request("DELETE", path, body=options, patient=patient, paced=paced)
        except ApiError as error:
            if error.status != NOT_FOUND:
                raise

    def log_tail(self, pod_name: str) -> str:
        """Return the last lines of a trial's container; empty if they cannot be had."""
        query = {
            "container": CONTAINER,
            "tailLines": str(_LOG_LINES),
            "limitBytes": str(_LOG_BYTES),
        }
        try:
            path = f"{self.pods_path}/{pod_name}/log"
            return self._api.text("GET", path, query=query, patient=False)
        except ApiError as error:
            _log.info("no log of pod %s: HTTP status %d", pod_name, error.status)
            return ""

    def troubles(self, kind: Literal["Job", "Pod"]) -> dict[str, str] | None:
        """Return what events say went wrong, by object; None if events cannot be read.

        Args:
            kind: ``Job`` for what keeps pods from being made, ``Pod`` for what keeps containers
                from being made, such as a volume that cannot be mounted.
        """
        query = {"fieldSelector": f"involvedObject.kind={kind},type=Warning", "limit": "500"}
        found: list[dict[str, Any]] = []
        try:
            for _ in range(_EVENT_PAGES):
                page = self._api.request("GET", self._events_path, query=query, patient=False)
                found += page.get("items") or []
                rest = (page.get("metadata") or {}).get("continue")
                if not rest:
                    break
                query["continue"] = str(rest)
        except ApiError as error:
            _log.info("events cannot be read: HTTP status %d", error.status)
            return None
        kept = [event for event in found if event.get("reason") in _TROUBLES[kind]]
        kept.sort(key=_last_seen_at)
        return {
            str(event.get("involvedObject", {}).get("name", "")): (
                f"{event['reason']}: {event.get('message') or 'no further message'}"
            )
            for event in kept
        }

    def workflow_owner(self) -> dict[str, Any] | None:
        """Return the ownerReference of the Argo workflow that this process' pod belongs to.

        Deleting the run then deletes its Jobs, while a repeated controller keeps them.
        """
        pod_name = os.environ.get("POD_NAME")
        if not pod_name:
            return None
        try:
            pod = self._api.request("GET", f"{self.pods_path}/{pod_name}")
        except ApiError as error:
            _log.warning("trials are not owned by the run; its own pod cannot be read: %s", error)
            return None
        for owner in pod.get("metadata", {}).get("ownerReferences") or []:
            if owner.get("kind") == "Workflow":
                return {key: owner[key] for key in ("apiVersion", "kind", "name", "uid")}
        return None


def _last_seen_at(event: Mapping[str, Any]) -> str:
    """Return when an event was last seen, whichever API made it."""
    series = event.get("series") or {}
    times = (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"))
    return max(str(one or "") for one in times)


def check_owner(job: dict[str, Any], spec: TrialSpec) -> dict[str, Any]:
    """Return a Job that is of this very attempt.

    Raises:
        LaunchError: It is another search's.
    """
    annotations = job.get("metadata", {}).get("annotations") or {}
    told = (annotations.get(SEARCH_ANNOTATION), annotations.get(ATTEMPT_ANNOTATION))
    if told != (spec.search_id, str(spec.attempt)):
        raise LaunchError(
            f"the Job {observed.name_of(job)} exists already and is not of this search",
            hint="Delete it, or start the search under another id",
        )
    return job
