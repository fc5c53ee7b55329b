"""Why a trial's pod does not start, in one line for the user, and for how long that is borne."""

from __future__ import annotations

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


class Cause(StrEnum):
    """What a pod waits for."""

    SUSPENDED = "Suspended"
    QUOTA = "QuotaExceeded"
    UNSCHEDULABLE = "Unschedulable"
    IMAGE = "ImagePull"
    CONTAINER = "ContainerConfig"


@dataclass(frozen=True)
class Waiting:
    """Why a trial has not started.

    Attributes:
        cause: What it waits for.
        text: What the cluster says, on one line.
    """

    cause: Cause
    text: str


def explain(
    job: Mapping[str, Any] | None, pods: Sequence[Mapping[str, Any]], refusals: Mapping[str, str]
) -> Waiting | None:
    """Return what a trial waits for; None if it runs, or starts without trouble.

    Args:
        job: Its Job.
        pods: Its pods, the oldest first.
        refusals: Job name to what kept its pods from being made, as its events say.
    """
    if job is None:
        return None
    if observed.is_suspended(job):
        return Waiting(Cause.SUSPENDED, "the Job is suspended until its queue admits it")
    live = [pod for pod in pods if not observed.has_ended(pod)]
    if not live:
        refusal = refusals.get(observed.name_of(job))
        return Waiting(Cause.QUOTA, _one_line(refusal)) if refusal else None
    pod = live[-1]
    if observed.has_started(pod):
        return None
    return _waiting_container(pod) or _unscheduled(pod)


def borne_seconds(waiting: Waiting, settings: KubernetesSettings) -> float:
    """Return how long a trial may wait so before it counts as an infrastructure fault.

    A queue is waited for without limit: that is what it is for.
    """
    if waiting.cause is Cause.SUSPENDED:
        return float("inf")
    if waiting.cause in (Cause.UNSCHEDULABLE, Cause.QUOTA):
        return settings.unschedulable_timeout_seconds
    return settings.start_failure_timeout_seconds


def failure_of(waiting: Waiting, seconds: float) -> Failure:
    """Return the failure of a trial that waited too long. The cluster's words are in the notes."""
    return Failure(
        kind=waiting.cause.value,
        message=f"its pod did not start within {seconds:.0f} s ({waiting.cause.value})",
    )


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
            return Waiting(Cause.UNSCHEDULABLE, _one_line(text))
    return None


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_TEXT else f"{line[: _LONGEST_TEXT - 3]}..."
