"""Why a trial's pod does not start, in one line for the user, and how long that may last."""

from __future__ import annotations

import re
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from xautolm_core.launch.kubernetes import observed
from xautolm_core.launch.kubernetes.settings import KubernetesSettings
from xautolm_core.records.outcome import Failure

_LONGEST_TEXT = 240
_IMAGE_REASONS = frozenset(
    {"ImagePullBackOff", "ErrImagePull", "InvalidImageName", "ErrImageNeverPull"}
)
_CONTAINER_REASONS = frozenset(
    {"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}
)
# No node makes such a claim appear: this is a wrong name, not a full cluster.
_NO_CLAIM = re.compile(r'persistentvolumeclaim "[^"]*" not found')
# By a node that was lost; others end a pod that still answers.
_NODE_LOST = frozenset({"DeletionByTaintManager", "DeletionByPodGC"})


class Cause(StrEnum):
    """What a pod waits for."""

    SUSPENDED = "Suspended"
    QUOTA = "QuotaExceeded"
    REFUSED = "PodRefused"
    UNSCHEDULABLE = "Unschedulable"
    IMAGE = "ImagePull"
    CONTAINER = "ContainerConfig"
    VOLUME = "VolumeMount"
    SANDBOX = "PodSandbox"
    NODE = "NodeLost"
    NAME = "JobNameTaken"


@dataclass(frozen=True)
class Waiting:
    """Why a trial has not started.

    Attributes:
        cause: What it waits for.
        text: What the cluster says, on one line.
    """

    cause: Cause
    text: str


NAME_TAKEN = Waiting(Cause.NAME, "an earlier Job of the same name is still being deleted")


def explain(
    job: Mapping[str, Any] | None, pods: Sequence[Mapping[str, Any]], troubles: Mapping[str, str]
) -> Waiting | None:
    """Return what a trial waits for; None if it runs, or starts without trouble.

    Args:
        job: Its Job.
        pods: Its pods, the oldest first.
        troubles: What events say of Jobs whose pods are not made and of pods that are not
            readied, by the name of the one or the other.
    """
    if job is None:
        return None
    if observed.is_suspended(job):
        return Waiting(Cause.SUSPENDED, "the Job is suspended until its queue admits it")
    live = [pod for pod in pods if not observed.has_ended(pod)]
    if not live:
        return _unmade(troubles.get(observed.name_of(job)))
    pod = live[-1]
    lost = _lost(pod)
    if lost is not None or observed.has_started(pod):
        return lost
    return _waiting_container(pod) or _unscheduled(pod) or _unready(pod, troubles)


def limit_of(waiting: Waiting, settings: KubernetesSettings) -> float:
    """Return how many seconds a trial may wait so before it is an infrastructure fault.

    A queue is waited for without limit: that is what it is for.
    """
    if waiting.cause is Cause.SUSPENDED:
        return float("inf")
    if waiting.cause in (Cause.UNSCHEDULABLE, Cause.QUOTA):
        return settings.unschedulable_timeout_seconds
    if waiting.cause in (Cause.NODE, Cause.NAME):
        # Pods that are asked to end have their grace.
        return settings.termination_grace_seconds + settings.start_failure_timeout_seconds
    return settings.start_failure_timeout_seconds


def is_silent_for(waiting: Waiting, settings: KubernetesSettings) -> float:
    """Return for how many seconds a cause is nothing to tell: pods that end have their grace."""
    return settings.termination_grace_seconds if waiting.cause is Cause.NODE else 0.0


def failure_of(waiting: Waiting, seconds: float) -> Failure:
    """Return the failure of a trial that waited too long. The cluster's words are in the notes."""
    if waiting.cause is Cause.NODE:
        return Failure(kind=waiting.cause.value, message="its node was lost, and its pod with it")
    return Failure(
        kind=waiting.cause.value,
        message=f"its pod did not start within {seconds:.0f} s ({waiting.cause.value})",
    )


def _unmade(refusal: str | None) -> Waiting | None:
    """Return why no pod is made: a quota has room again one day, anything else needs a repair."""
    if refusal is None:
        return None
    is_quota = "exceeded quota" in refusal
    return Waiting(Cause.QUOTA if is_quota else Cause.REFUSED, _one_line(refusal))


def _waiting_container(pod: Mapping[str, Any]) -> Waiting | None:
    for waiting in observed.waiting_containers(pod):
        reason = str(waiting.get("reason") or "")
        text = _one_line(f"{reason}: {waiting.get('message') or 'no further message'}")
        if reason in _IMAGE_REASONS:
            return Waiting(Cause.IMAGE, text)
        if reason in _CONTAINER_REASONS:
            return Waiting(Cause.CONTAINER, text)
    return None


def _unscheduled(pod: Mapping[str, Any]) -> Waiting | None:
    conditions = pod.get("status", {}).get("conditions") or []
    for one in conditions:
        if one.get("type") == "PodScheduled" and one.get("status") == "False":
            text = f"{one.get('reason') or 'Unschedulable'}: {one.get('message') or 'no node'}"
            is_claim = _NO_CLAIM.search(text) is not None
            return Waiting(Cause.VOLUME if is_claim else Cause.UNSCHEDULABLE, _one_line(text))
    return None


def _unready(pod: Mapping[str, Any], troubles: Mapping[str, str]) -> Waiting | None:
    """Return what events say of a pod whose volumes and network are not ready."""
    trouble = troubles.get(observed.name_of(pod))
    if trouble is None or observed.condition(pod, observed.SANDBOX_READY) is not None:
        return None
    is_sandbox = trouble.startswith("FailedCreatePodSandBox")
    return Waiting(Cause.SANDBOX if is_sandbox else Cause.VOLUME, _one_line(trouble))


def _lost(pod: Mapping[str, Any]) -> Waiting | None:
    """Return what is known of a pod that nobody can end, because its node does not answer."""
    reason = observed.disruption_of(pod)
    if reason not in _NODE_LOST:
        return None
    return Waiting(Cause.NODE, f"its pod {observed.disruption_words(reason)}, and has not ended")


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_TEXT else f"{line[: _LONGEST_TEXT - 3]}..."
