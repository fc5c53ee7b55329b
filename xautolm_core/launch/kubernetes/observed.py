"""Reading Jobs and pods as the API server tells them. Nothing is taken for granted."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from datetime import UTC
from datetime import datetime
from typing import Any

from xautolm_core.launch.kubernetes.names import JOB_NAME_LABEL
from xautolm_core.launch.kubernetes.pod import CONTAINER

Object = Mapping[str, Any]

_TERMINAL_PHASES = ("Succeeded", "Failed")


def name_of(one: Object) -> str:
    """Return the name of an object."""
    return str(one.get("metadata", {}).get("name", ""))


def uid_of(one: Object) -> str:
    """Return the identity of an object, which a successor of the same name does not share."""
    return str(one.get("metadata", {}).get("uid", ""))


def job_of_pod(pod: Object) -> str:
    """Return the name of the Job that made a pod."""
    labels = pod.get("metadata", {}).get("labels") or {}
    return str(labels.get(JOB_NAME_LABEL) or labels.get("job-name") or "")


def condition(one: Object | None, kind: str) -> Mapping[str, Any] | None:
    """Return a condition that is true; None if it is not, or not known."""
    conditions = (one or {}).get("status", {}).get("conditions") or []
    return next(
        (c for c in conditions if c.get("type") == kind and c.get("status") == "True"), None
    )


def end_of_job(job: Object, pods: Sequence[Object]) -> Mapping[str, Any] | None:
    """Return the condition with which a Job has ended; None while it goes on.

    Conditions are read, not counts. The two that announce an end count once no pod runs.
    """
    final = condition(job, "Complete") or condition(job, "Failed")
    if final is not None:
        return final
    announced = condition(job, "SuccessCriteriaMet") or condition(job, "FailureTarget")
    return announced if pods and all(has_ended(pod) for pod in pods) else None


def is_suspended(job: Object | None) -> bool:
    """Whether a Job waits for a queue's admission, or was sent back to it."""
    if job is None:
        return False
    return bool(job.get("spec", {}).get("suspend")) or condition(job, "Suspended") is not None


def has_ended(pod: Object) -> bool:
    """Whether no container of a pod will run again."""
    return bool(pod.get("gone")) or pod.get("status", {}).get("phase") in _TERMINAL_PHASES


def trial_container(pod: Object) -> Mapping[str, Any]:
    """Return the status of the trial's container; empty if there is none yet."""
    statuses = pod.get("status", {}).get("containerStatuses") or []
    return next((s for s in statuses if s.get("name") == CONTAINER), {})


def terminated(pod: Object) -> Mapping[str, Any] | None:
    """Return how the trial's container ended; None if it did not, or nobody saw it."""
    status = trial_container(pod)
    found = status.get("state", {}).get("terminated") or status.get("lastState", {}).get(
        "terminated"
    )
    return found if isinstance(found, Mapping) else None


def waiting_containers(pod: Object) -> list[Mapping[str, Any]]:
    """Return why containers of a pod wait, those that run before the trial's included."""
    status = pod.get("status", {})
    statuses = [
        *(status.get("initContainerStatuses") or []),
        *(status.get("containerStatuses") or []),
    ]
    found = [one.get("state", {}).get("waiting") for one in statuses]
    return [one for one in found if isinstance(one, Mapping)]


def has_started(pod: Object) -> bool:
    """Whether the trial's container has ever run."""
    state = trial_container(pod).get("state", {})
    return bool(state.get("running")) or terminated(pod) is not None


def trial_seconds(pod: Object, began_at: datetime | None, now: datetime) -> float | None:
    """Return how long the trial itself has run in a pod; None if it never did.

    Kubernetes tells whole seconds, so that the truth may be up to a second more.

    Args:
        pod: The pod.
        began_at: When the trial began, as it last told itself; None if it did not. A pod that was
            replaced may have told it: before this pod's container began, it is of that one.
        now: The end of a container that still runs (UTC).
    """
    ended = terminated(pod)
    running = trial_container(pod).get("state", {}).get("running") or {}
    started_at = moment((ended or running).get("startedAt"))
    if started_at is None or began_at is None or began_at < started_at:
        return None
    ended_at = moment(ended.get("finishedAt")) if ended else None
    return max(0.0, ((ended_at or now) - began_at).total_seconds())


def moment(text: object) -> datetime | None:
    """Return the time that a text of Kubernetes tells (UTC); None if it is none."""
    if not isinstance(text, str):
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def trimmed(one: Object) -> dict[str, Any]:
    """Return what is used of a Job or pod: hundreds of them stay in memory."""
    metadata = one.get("metadata", {})
    kept = ("name", "uid", "labels", "annotations", "creationTimestamp", "deletionTimestamp")
    return {
        "metadata": {key: metadata[key] for key in kept if key in metadata},
        "spec": {k: v for k, v in one.get("spec", {}).items() if k in ("suspend", "nodeName")},
        "status": dict(one.get("status", {})),
    }
