"""Looks before any pod is started: permissions, secret, queue, claim. One line says what lacks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from xautolm_core.errors import ConfigError
from xautolm_core.launch.kubernetes.client import NOT_FOUND
from xautolm_core.launch.kubernetes.client import ApiError
from xautolm_core.launch.kubernetes.client import KubernetesApi
from xautolm_core.launch.kubernetes.settings import KubernetesSettings

_FORBIDDEN = 403


@dataclass(frozen=True)
class _Permission:
    group: str
    resource: str
    verb: str
    subresource: str = ""

    @property
    def rule(self) -> str:
        """The rule that grants it, as it stands in a Role."""
        resource = f"{self.resource}/{self.subresource}" if self.subresource else self.resource
        return f'{{apiGroups: ["{self.group}"], resources: ["{resource}"], verbs: ["{self.verb}"]}}'


REQUIRED_PERMISSIONS = (
    *(_Permission("batch", "jobs", verb) for verb in ("create", "delete", "get", "list", "watch")),
    *(_Permission("", "pods", verb) for verb in ("get", "list", "watch")),
    _Permission("", "pods", "get", "log"),
)


def check_cluster(api: KubernetesApi, namespace: str, settings: KubernetesSettings) -> None:
    """Check that trials can be started at all. No pod is started.

    What the controller may not look up is left to the cluster: a Role need not let it read secrets.

    Raises:
        ConfigError: A permission or an object is missing.
        ApiError: The API server cannot be asked.
    """
    for permission in REQUIRED_PERMISSIONS:
        _check_permission(api, namespace, permission)
    core = f"/api/v1/namespaces/{namespace}"
    _check_exists(
        api,
        f"{core}/serviceaccounts/{settings.service_account}",
        f"service account {settings.service_account!r} (service_account)",
        namespace,
    )
    if settings.s3_secret is not None:
        what = f"secret {settings.s3_secret!r} (s3_secret)"
        _check_exists(api, f"{core}/secrets/{settings.s3_secret}", what, namespace)
    if settings.model_cache_claim is not None:
        claim = settings.model_cache_claim
        what = f"PersistentVolumeClaim {claim!r} (model_cache_claim)"
        _check_exists(api, f"{core}/persistentvolumeclaims/{claim}", what, namespace)
    for place, queue in {
        "queue": settings.queue,
        "cpu_placement.queue": settings.cpu_placement.queue,
    }.items():
        if queue is not None:
            path = f"/apis/kueue.x-k8s.io/v1beta1/namespaces/{namespace}/localqueues/{queue.name}"
            what = f"Kueue LocalQueue {queue.name!r} ({place}.name)"
            _check_exists(api, path, what, namespace)


def _check_permission(api: KubernetesApi, namespace: str, permission: _Permission) -> None:
    attributes = {
        "namespace": namespace,
        "group": permission.group,
        "resource": permission.resource,
        "subresource": permission.subresource,
        "verb": permission.verb,
    }
    review: Mapping[str, Any] = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    answer = api.request("POST", path, body=review)
    if not answer.get("status", {}).get("allowed"):
        resource = permission.resource + (
            f"/{permission.subresource}" if permission.subresource else ""
        )
        raise ConfigError(
            f"The search may not {permission.verb} {resource} in namespace {namespace!r}",
            hint=f"Add this rule to its Role: {permission.rule}",
        )


def _check_exists(api: KubernetesApi, path: str, what: str, namespace: str) -> None:
    try:
        api.request("GET", path)
    except ApiError as error:
        if error.status == _FORBIDDEN:
            return
        if error.status != NOT_FOUND:
            raise
        raise ConfigError(
            f"There is no {what} in namespace {namespace!r}",
            hint="Create it, or correct its name in the settings",
        ) from error
