"""Reading Jobs and pods as the API server reports them. Nothing is taken for granted."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from datetime import UTC
from datetime import datetime
from typing import Any

from xautolm_core.launch.kubernetes.names import JOB_NAME_LABEL
from xautolm_core.launch.kubernetes.names import JOB_UID_LABEL
from xautolm_core.launch.kubernetes.pod import CONTAINER

Object = Mapping[str, Any]

_TERMINAL_PHASES = ("Succeeded", "Failed")
SANDBOX_READY = "PodReadyToStartContainers"
"""Condition of a pod whose volumes are mounted and whose network is set up."""
_DISRUPTIONS: Mapping[str, str] = {
    "EvictionByEvictionAPI": "was evicted, as when its node is drained",
    "PreemptionByScheduler": "was preempted by a pod of higher priority",
    "TerminationByKubelet": "was ended by its node, which ran short of a resource or shut down",
    "DeletionByTaintManager": "was deleted, because its node was lost or has got a taint",
    "DeletionByPodGC": "was deleted, because its node is gone",
}


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


def disruption_of(pod: Object) -> str | None:
    """Return the reason for which the cluster ended a pod, or wants to; None if it does not."""
    found = condition(pod, "DisruptionTarget")
    return None if found is None else str(found.get("reason") or "DisruptionTarget")


def disruption_words(reason: str) -> str:
    """Return what became of a pod that the cluster ended for a reason, such as ``was evicted``."""
    return _DISRUPTIONS.get(reason, "was evicted or preempted")


def is_being_deleted(one: Object) -> bool:
    """Whether an object only waits for what depends on it to go."""
    return "deletionTimestamp" in one.get("metadata", {})


def is_being_readied(pod: Object) -> bool:
    """Whether a pod has a node, and no container of it runs yet or waits for its image.

    While an image is pulled, volumes and network are ready.
    """
    status = pod.get("status", {})
    is_scheduled = condition(pod, "PodScheduled") is not None or "hostIP" in status
    reasons = {str(one.get("reason")) for one in waiting_containers(pod)}
    return (
        status.get("phase") == "Pending"
        and (is_scheduled or bool(reasons))
        and reasons <= {"ContainerCreating", "PodInitializing"}
        and condition(pod, SANDBOX_READY) is None
    )


def made_by(pod: Object, job: Object) -> bool:
    """Whether a pod is of this very Job, and not of an earlier one of the same name."""
    labels = pod.get("metadata", {}).get("labels") or {}
    told = labels.get(JOB_UID_LABEL) or labels.get("controller-uid")
    return told is None or told == uid_of(job)


def end_of_job(job: Object, pods: Sequence[Object]) -> Mapping[str, Any] | None:
    """Return the condition with which a Job has ended; None while it runs.

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
    """Return how the trial's container ended; None if it did not, or was not observed."""
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

    Kubernetes reports whole seconds, so that the truth may be up to a second more.

    Args:
        pod: The pod.
        began_at: When the trial began, as it last reported; None if it did not. A pod that was
            replaced may have reported it: before this pod's container began, it is of that one.
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
    """Parse a time of Kubernetes (UTC); None if it is not one."""
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
