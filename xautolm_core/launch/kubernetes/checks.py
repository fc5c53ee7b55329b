"""Looks before any pod is started: one line says what lacks, or what the server would refuse."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from xautolm_core.errors import ConfigError
from xautolm_core.launch.kubernetes.client import NOT_FOUND
from xautolm_core.launch.kubernetes.client import ApiError
from xautolm_core.launch.kubernetes.client import KubernetesApi
from xautolm_core.launch.kubernetes.manifest import job_of
from xautolm_core.launch.kubernetes.settings import KubernetesSettings

_FORBIDDEN = 403
_BAD_REQUEST = 400
_INVALID = 422
_DRY_RUN_NAME = "xlm-dry-run"
# A quota that is used up is waited for; not every webhook can be asked on trial.
_PASSING = ("exceeded quota", "does not support dry run")


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

    What the controller may not look up is left to the first pod: a Role need not let it read
    secrets.

    Raises:
        ConfigError: The namespace, a permission or an object is missing, or the API server refuses
            the Job of a trial.
        ApiError: The API server cannot be asked.
    """
    core = f"/api/v1/namespaces/{namespace}"
    _check_exists(api, core, f"namespace {namespace!r}")
    for permission in REQUIRED_PERMISSIONS:
        _check_permission(api, namespace, permission)
    within = f" in namespace {namespace!r}"
    account = settings.service_account
    what = f"service account {account!r} (service_account){within}"
    _check_exists(api, f"{core}/serviceaccounts/{account}", what)
    if settings.s3_secret is not None:
        what = f"secret {settings.s3_secret!r} (s3_secret){within}"
        _check_exists(api, f"{core}/secrets/{settings.s3_secret}", what)
    if settings.model_cache_claim is not None:
        claim = settings.model_cache_claim
        what = f"PersistentVolumeClaim {claim!r} (model_cache_claim){within}"
        _check_exists(api, f"{core}/persistentvolumeclaims/{claim}", what)
    for place, queue in {
        "queue": settings.queue,
        "cpu_placement.queue": settings.cpu_placement.queue,
    }.items():
        if queue is not None:
            path = f"/apis/kueue.x-k8s.io/v1beta1/namespaces/{namespace}/localqueues/{queue.name}"
            what = f"Kueue LocalQueue {queue.name!r} ({place}.name){within}"
            _check_exists(api, path, what)
    _check_job(api, namespace, settings)


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
            hint=f"Add this rule to its Role: {permission.rule}. "
            "If there is no such namespace, correct its name",
        )


def _check_exists(api: KubernetesApi, path: str, what: str) -> None:
    try:
        api.request("GET", path)
    except ApiError as error:
        if error.status == _FORBIDDEN:
            return
        if error.status != NOT_FOUND:
            raise
        raise ConfigError(
            f"There is no {what}", hint="Create it, or correct its name in the settings"
        ) from error


def _check_job(api: KubernetesApi, namespace: str, settings: KubernetesSettings) -> None:
    """Have the API server check the Job of a trial, admission included, without keeping it."""
    manifest = job_of(
        _DRY_RUN_NAME,
        ["xautolm", "probe"],
        settings.model_copy(update={"namespace": namespace}),
        labels={"app.kubernetes.io/name": "xautolm"},
        annotations={},
        deadline_seconds=60,
    )
    path = f"/apis/batch/v1/namespaces/{namespace}/jobs"
    query = {"dryRun": "All", "fieldValidation": "Strict"}
    try:
        api.request("POST", path, query=query, body=manifest)
    except ApiError as error:
        if error.status == NOT_FOUND and "namespaces" in error.said:
            raise ConfigError(
                f"There is no namespace {namespace!r}",
                hint="Create it, or correct its name in the settings",
            ) from error
        if error.status not in (_BAD_REQUEST, _FORBIDDEN, _INVALID):
            return  # what passes is for the launcher to wait for
        if any(words in error.said for words in _PASSING):
            return
        raise ConfigError(
            f"The cluster refuses the Job of a trial: {error.said}",
            hint="Correct the settings or their pod_template, or ask who runs the cluster",
        ) from error
