"""The Job of a trial, as plain data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from xautolm_core.errors import ConfigError
from xautolm_core.errors import LaunchError
from xautolm_core.errors import StoreError
from xautolm_core.launch.kubernetes.names import ATTEMPT_ANNOTATION
from xautolm_core.launch.kubernetes.names import SEARCH_ANNOTATION
from xautolm_core.launch.kubernetes.names import STUDY_LABEL
from xautolm_core.launch.kubernetes.names import TASK_LABEL
from xautolm_core.launch.kubernetes.names import TRIAL_LABEL
from xautolm_core.launch.kubernetes.names import job_name
from xautolm_core.launch.kubernetes.names import label_value
from xautolm_core.launch.kubernetes.names import study_name
from xautolm_core.launch.kubernetes.names import trial_name
from xautolm_core.launch.kubernetes.overlay import check_template
from xautolm_core.launch.kubernetes.overlay import merge
from xautolm_core.launch.kubernetes.pod import CONTAINER
from xautolm_core.launch.kubernetes.pod import WORK_FOLDER
from xautolm_core.launch.kubernetes.pod import pod_spec
from xautolm_core.launch.kubernetes.settings import KubernetesSettings
from xautolm_core.records.methods import has_model
from xautolm_core.trial.contract import TrialSpec

# What ``xautolm trial`` ends with where there is no result to look for.
FAILURE_EXIT_CODES = (ConfigError.exit_code, StoreError.exit_code, LaunchError.exit_code)
_CLOSING_SECONDS = 60


def build_job(
    spec: TrialSpec,
    address: str,
    settings: KubernetesSettings,
    owner: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the manifest of a trial's Job, the platform's overlay laid over its pod.

    A trial without a language model asks for no GPU and waits for none.

    Args:
        spec: The trial.
        address: Where its pod finds it.
        settings: What the platform gives.
        owner: ownerReference of the workflow that the controller's pod belongs to.

    Raises:
        ConfigError: The overlay takes away what the launcher needs.
    """
    if not has_model(spec.configuration.method):
        settings = settings.without_gpus()
    return job_of(
        job_name(spec),
        ["xautolm", "trial", address, "--work", WORK_FOLDER],
        settings,
        labels=_labels(spec),
        annotations={SEARCH_ANNOTATION: spec.search_id, ATTEMPT_ANNOTATION: str(spec.attempt)},
        deadline_seconds=pod_deadline_seconds(spec, settings),
        owner=owner,
    )


def job_of(
    name: str,
    command: Sequence[str],
    settings: KubernetesSettings,
    *,
    labels: Mapping[str, str],
    annotations: Mapping[str, str],
    deadline_seconds: int,
    owner: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the manifest of a Job with one pod, which gets what a trial gets.

    Args:
        name: The Job's.
        command: What the pod runs.
        settings: What the platform gives.
        labels: Of Job and pod.
        annotations: Likewise.
        deadline_seconds: Of the pod.
        owner: ownerReference of the workflow that the controller's pod belongs to.

    Raises:
        ConfigError: The overlay takes away what the launcher needs.
    """
    required = {
        "metadata": {
            "labels": {**labels, "sidecar.istio.io/inject": "false"},
            "annotations": {**annotations, "sidecar.istio.io/inject": "false"},
        },
        "spec": pod_spec(command, deadline_seconds, settings),
    }
    template = merge(required, settings.pod_template)
    check_template(required, template, require_image_digest=settings.require_image_digest)
    metadata: dict[str, Any] = {
        "name": name,
        "labels": {**labels, **_queue_labels(settings, deadline_seconds)},
        "annotations": dict(annotations),
    }
    if settings.namespace is not None:
        metadata["namespace"] = settings.namespace
    if owner is not None:
        metadata["ownerReferences"] = [dict(owner)]
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata,
        "spec": {
            "completions": 1,
            "parallelism": 1,
            "backoffLimit": 0,
            "activeDeadlineSeconds": _job_deadline_seconds(deadline_seconds, settings),
            "ttlSecondsAfterFinished": settings.ttl_seconds_after_finished,
            "podReplacementPolicy": "Failed",
            "podFailurePolicy": {"rules": _failure_rules()},
            "template": template,
        },
    }


def trial_limit_seconds(spec: TrialSpec, settings: KubernetesSettings) -> float:
    """Return how long a trial may run, from where it itself begins, before it is a timeout."""
    return spec.budget.wall_limit_seconds or settings.max_trial_seconds


def pod_deadline_seconds(spec: TrialSpec, settings: KubernetesSettings) -> int:
    """Return the pod's deadline, which counts from the moment that a node took it.

    It is the guard behind the limits that ``xautolm trial`` keeps itself, so a trial that began
    within the start-up seconds has its whole limit before it.

    It is on the pod, because a deadline of the Job deletes the pod and the evidence with it.
    """
    limit_seconds = trial_limit_seconds(spec, settings)
    return math.ceil(limit_seconds + settings.startup_seconds + settings.termination_grace_seconds)


def _job_deadline_seconds(pod_deadline: int, settings: KubernetesSettings) -> int:
    """Return the last guard: every replacement may wait for a node and use its own deadline."""
    waits_seconds = math.ceil(settings.unschedulable_timeout_seconds) + _CLOSING_SECONDS
    return (settings.max_replacements + 1) * (pod_deadline + waits_seconds)


def _failure_rules() -> list[dict[str, Any]]:
    # The order matters: status 137 of a drained node comes with DisruptionTarget.
    return [
        {
            "action": "Ignore",
            "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}],
        },
        {
            "action": "FailJob",
            "onExitCodes": {
                "containerName": CONTAINER,
                "operator": "In",
                "values": sorted(FAILURE_EXIT_CODES),
            },
        },
    ]


def _labels(spec: TrialSpec) -> dict[str, str]:
    labels = {
        "app.kubernetes.io/name": "xautolm",
        "app.kubernetes.io/component": "trial",
        "app.kubernetes.io/part-of": "xautolm",
        "app.kubernetes.io/managed-by": "xautolm-search",
        STUDY_LABEL: study_name(spec.search_id),
        TRIAL_LABEL: trial_name(spec.trial_number),
    }
    task = label_value(spec.task_folder.name)
    return {**labels, TASK_LABEL: task} if task else labels


def _queue_labels(settings: KubernetesSettings, deadline_seconds: int) -> dict[str, str]:
    if settings.queue is None:
        return {}
    labels = {
        "kueue.x-k8s.io/queue-name": settings.queue.name,
        "kueue.x-k8s.io/max-exec-time-seconds": str(
            _job_deadline_seconds(deadline_seconds, settings)
        ),
    }
    if settings.queue.priority_class is not None:
        labels["kueue.x-k8s.io/priority-class"] = settings.queue.priority_class
    return labels
