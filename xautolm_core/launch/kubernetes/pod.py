"""The pod of a trial: what a platform gives, under restricted settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from xautolm_core.energy.surroundings import NAMESPACE_VARIABLE
from xautolm_core.energy.surroundings import POD_VARIABLE
from xautolm_core.energy.surroundings import PROMETHEUS_VARIABLE
from xautolm_core.launch.kubernetes.settings import KubernetesSettings

CONTAINER = "trial"
WORK_FOLDER = "/work"
SECRET_FOLDER = "/var/run/xautolm/s3"  # noqa: S105 - a folder's name
MODEL_CACHE_FOLDER = "/models"
HUB_FOLDER = "/hub"
# What Kepler and the DCGM exporter call a trial's pod is known in the pod alone.
_POD_FIELDS = {POD_VARIABLE: "metadata.name", NAMESPACE_VARIABLE: "metadata.namespace"}


def pod_spec(
    command: Sequence[str], deadline_seconds: int, settings: KubernetesSettings
) -> dict[str, Any]:
    """Return the spec of a pod that runs one command of the trial image, without privileges.

    Args:
        command: What its one container runs.
        deadline_seconds: Of the pod, from the moment that a node took it.
        settings: What the platform gives.
    """
    spec: dict[str, Any] = {
        "restartPolicy": "Never",
        "activeDeadlineSeconds": deadline_seconds,
        "terminationGracePeriodSeconds": settings.termination_grace_seconds,
        "serviceAccountName": settings.service_account,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": settings.run_as_user,
            "fsGroup": settings.fs_group,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(command, settings)],
        "volumes": _volumes(settings),
    }
    if settings.image_pull_secrets:
        spec["imagePullSecrets"] = [{"name": name} for name in settings.image_pull_secrets]
    if settings.node_selector:
        spec["nodeSelector"] = dict(settings.node_selector)
    if settings.tolerations:
        spec["tolerations"] = [t.model_dump(exclude_none=True) for t in settings.tolerations]
    if settings.priority_class is not None:
        spec["priorityClassName"] = settings.priority_class
    return spec


def _container(command: Sequence[str], settings: KubernetesSettings) -> dict[str, Any]:
    return {
        "name": CONTAINER,
        "image": settings.image,
        "imagePullPolicy": settings.image_pull_policy,
        "command": list(command),
        "env": _environment(settings),
        "resources": _resources(settings),
        "volumeMounts": _mounts(settings),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }


def _environment(settings: KubernetesSettings) -> list[dict[str, Any]]:
    variables = {"HOME": "/tmp", "HF_HOME": HUB_FOLDER, **settings.environment}  # noqa: S108
    if settings.s3_secret is not None:
        variables["XAUTOLM_S3_CREDENTIALS_FILE"] = SECRET_FOLDER
    if settings.model_cache_claim is not None:
        variables["XAUTOLM_MODEL_CACHE"] = MODEL_CACHE_FOLDER
    found: list[dict[str, Any]] = [{"name": n, "value": v} for n, v in variables.items()]
    if PROMETHEUS_VARIABLE in variables:
        found += [
            {"name": name, "valueFrom": {"fieldRef": {"fieldPath": field}}}
            for name, field in _POD_FIELDS.items()
            if name not in variables
        ]
    return found


def _resources(settings: KubernetesSettings) -> dict[str, dict[str, str]]:
    given = settings.resources
    requests = {"cpu": given.cpu_request, "memory": given.memory_request or given.memory_limit}
    limits = {"memory": given.memory_limit}
    if given.cpu_limit is not None:
        limits["cpu"] = given.cpu_limit
    if given.gpu_count:
        requests[given.gpu_resource] = limits[given.gpu_resource] = str(given.gpu_count)
    return {"requests": requests, "limits": limits}


def _mounts(settings: KubernetesSettings) -> list[dict[str, Any]]:
    mounts: list[dict[str, Any]] = [
        {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108
        {"name": "work", "mountPath": WORK_FOLDER},
        {"name": "hub", "mountPath": HUB_FOLDER},
        {"name": "shared-memory", "mountPath": "/dev/shm"},  # noqa: S108
    ]
    if settings.s3_secret is not None:
        mounts.append({"name": "s3-credentials", "mountPath": SECRET_FOLDER, "readOnly": True})
    if settings.model_cache_claim is not None:
        mounts.append({"name": "model-cache", "mountPath": MODEL_CACHE_FOLDER})
    return mounts


def _volumes(settings: KubernetesSettings) -> list[dict[str, Any]]:
    size, memory = settings.resources.work_storage, settings.resources.shared_memory
    volumes: list[dict[str, Any]] = [
        {"name": name, "emptyDir": {"sizeLimit": size}} for name in ("tmp", "work", "hub")
    ]
    volumes.append({"name": "shared-memory", "emptyDir": {"medium": "Memory", "sizeLimit": memory}})
    if settings.s3_secret is not None:
        # 0440: the pod reads it through its group.
        secret = {"secretName": settings.s3_secret, "defaultMode": 0o440}
        volumes.append({"name": "s3-credentials", "secret": secret})
    if settings.model_cache_claim is not None:
        claim = {"claimName": settings.model_cache_claim}
        volumes.append({"name": "model-cache", "persistentVolumeClaim": claim})
    return volumes
