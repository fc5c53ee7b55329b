"""The settings of trial pods, from run parameters."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import yaml
from pydantic import ValidationError

from xautolm_core.errors import ConfigError
from xautolm_core.launch.kubernetes.settings import KubernetesSettings
from xautolm_core.validation import first_problem


def cluster_settings(
    text: str = "",
    *,
    trial_image: str = "",
    gpu_count: int = 0,
    gpu_resource: str = "",
    node_selector: Mapping[str, str] | None = None,
    tolerations: Sequence[Mapping[str, Any]] | None = None,
    queue: str = "",
    trial_service_account: str = "",
    s3_secret: str = "",
    model_cache_claim: str = "",
) -> KubernetesSettings:
    """Return the settings of trial pods. A parameter of its own overrides the text.

    But for the secret: the parameter is that of all steps, and the text may name one with fewer
    rights for trial pods alone.

    Args:
        text: YAML of ``KubernetesSettings``, or of a part of it.
        trial_image: Image of trial pods.
        gpu_count: GPUs of one trial.
        gpu_resource: Extended resource name of the GPU.
        node_selector: Labels of the nodes.
        tolerations: Taints that trial pods tolerate.
        queue: Kueue's LocalQueue.
        trial_service_account: Of trial pods.
        s3_secret: Secret with the S3 keys.
        model_cache_claim: PersistentVolumeClaim with models.

    Raises:
        ConfigError: The text is not YAML, or a field is wrong.
    """
    fields = _mapping(text)
    resources = dict(fields.get("resources") or {})
    if gpu_count:
        resources["gpu_count"] = gpu_count
    if gpu_resource:
        resources["gpu_resource"] = gpu_resource
    given: dict[str, Any] = {
        "image": trial_image,
        "resources": resources,
        "node_selector": dict(node_selector or {}),
        "tolerations": [dict(one) for one in tolerations or ()],
        "queue": {**dict(fields.get("queue") or {}), "name": queue} if queue else None,
        "service_account": trial_service_account,
        "s3_secret": fields.get("s3_secret") or s3_secret,
        "model_cache_claim": model_cache_claim,
    }
    fields.update({name: value for name, value in given.items() if value})
    if not fields.get("image"):
        raise ConfigError(
            "trial_image is empty", hint="Name the image of trial pods, pinned by its digest"
        )
    try:
        return KubernetesSettings.model_validate(fields)
    except ValidationError as error:
        problem = first_problem(error)
        raise ConfigError(
            f"cluster: {problem.dotted or 'image'}: {problem.message}",
            hint="See docs/launching.md for its fields",
        ) from None


def _mapping(text: str) -> dict[str, Any]:
    try:
        found = yaml.safe_load(text) if text.strip() else {}
    except yaml.YAMLError as error:
        line = getattr(getattr(error, "problem_mark", None), "line", 0) + 1
        raise ConfigError(
            f"cluster: line {line} is not YAML", hint="Give fields such as 'resources: {...}'"
        ) from None
    if not isinstance(found, dict):
        raise ConfigError(
            "cluster: must map names to values", hint="Give fields such as 'resources: {...}'"
        )
    return dict(found)
