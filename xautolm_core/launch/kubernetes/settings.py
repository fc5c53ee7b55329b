"""What a platform gives for trial pods: image, resources, queue, secrets, limits."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated
from typing import Any
from typing import Literal
from typing import TypeVar

from pydantic import BaseModel
from pydantic import ConfigDict
from pydantic import Field
from pydantic import ValidationError
from pydantic import model_validator

from xautolm_core.errors import ConfigError
from xautolm_core.validation import first_problem
from xautolm_core.yaml_document import read

_DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")
_QUANTITY = r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$"
_NAME = r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$"

Quantity = Annotated[str, Field(pattern=_QUANTITY)]
ObjectName = Annotated[str, Field(pattern=_NAME)]


class Toleration(BaseModel):
    """A taint that trial pods tolerate, as Kubernetes spells it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: str | None = None
    operator: Literal["Exists", "Equal"] = "Equal"
    value: str | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    tolerationSeconds: int | None = Field(default=None, ge=0)  # noqa: N815 - Kubernetes' own name


class PodResources(BaseModel):
    """What one trial pod gets.

    Attributes:
        cpu_request: Kubernetes quantity; no limit is set unless ``cpu_limit`` is given.
        memory_request: Kubernetes quantity; the limit if None.
        memory_limit: Kubernetes quantity; a trial beyond it ends as ``oom_host``.
        gpu_resource: Extended resource name of the accelerator.
        gpu_count: 0 for trials on the CPU.
        shared_memory: Size of ``/dev/shm``; counts against the memory limit.
        work_storage: Size limit of each folder that a trial writes.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    cpu_request: Quantity = "1"
    cpu_limit: Quantity | None = None
    memory_request: Quantity | None = None
    memory_limit: Quantity = "8Gi"
    gpu_resource: str = "nvidia.com/gpu"
    gpu_count: int = Field(default=0, ge=0)
    shared_memory: Quantity = "1Gi"
    work_storage: Quantity = "20Gi"


class QueueSettings(BaseModel):
    """Admission by Kueue."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: ObjectName
    priority_class: ObjectName | None = None


class CpuPlacement(BaseModel):
    """Where a trial that needs no GPU runs, if the other trials have some.

    Attributes:
        node_selector: Labels of its nodes, in place of those of the GPUs' nodes.
        tolerations: Likewise.
        queue: None for the queue of the other trials.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    node_selector: Mapping[str, str] = Field(default_factory=dict)
    tolerations: tuple[Toleration, ...] = ()
    queue: QueueSettings | None = None


class KubernetesSettings(BaseModel):
    """How trials run on a cluster.

    Attributes:
        namespace: Where Jobs are created; the controller's own if None.
        image: Image of trial pods.
        cpu_placement: Where trials run that need no GPU, if ``resources`` give the others one.
        require_image_digest: Refuse an image that is not pinned by its digest.
        service_account: Of trial pods; its token is never mounted.
        s3_secret: Secret with the S3 keys, mounted read-only as a folder, never as variables.
        environment: Plain variables of trial pods, such as ``XAUTOLM_S3_ENDPOINT``; no secrets.
        model_cache_claim: PersistentVolumeClaim with models, shared by trials.
        termination_grace_seconds: Between SIGTERM and SIGKILL of a pod.
        pod_template: YAML of the platform team, laid over the pod template.
        startup_seconds: What a pod may take for image, task, model and imports, beyond its trial's
            limit, which counts from where the trial itself begins.
        max_trial_seconds: Wall-clock limit of trials whose budget sets none.
        unschedulable_timeout_seconds: A pod that finds no node for so long is an infra fault.
        start_failure_timeout_seconds: So is one whose image, container or volume cannot be had.
        api_loss_timeout_seconds: So is a trial when the API server is silent for so long.
        api_patience_seconds: One request is repeated for so long.
        max_replacements: So many times Kubernetes may replace a disrupted pod of one Job.
        ttl_seconds_after_finished: A finished Job that nobody deleted goes then.
        max_faults_in_row: Number of trials in a row that cannot start before submission stops.
        requests_per_second: Average rate of API requests that is never exceeded.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    namespace: ObjectName | None = None
    image: str = Field(min_length=1)
    require_image_digest: bool = False
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    image_pull_secrets: tuple[ObjectName, ...] = ()
    service_account: ObjectName = "default"
    resources: PodResources = PodResources()
    node_selector: Mapping[str, str] = Field(default_factory=dict)
    tolerations: tuple[Toleration, ...] = ()
    queue: QueueSettings | None = None
    cpu_placement: CpuPlacement = CpuPlacement()
    priority_class: ObjectName | None = None
    s3_secret: ObjectName | None = None
    environment: Mapping[str, str] = Field(default_factory=dict)
    model_cache_claim: ObjectName | None = None
    run_as_user: int = Field(default=1000, gt=0)
    fs_group: int = Field(default=1000, gt=0)
    termination_grace_seconds: int = Field(default=60, ge=60)
    pod_template: Mapping[str, Any] = Field(default_factory=dict)
    startup_seconds: float = Field(default=1800, gt=0)
    max_trial_seconds: float = Field(default=86_400, gt=0)
    unschedulable_timeout_seconds: float = Field(default=1800, gt=0)
    start_failure_timeout_seconds: float = Field(default=300, gt=0)
    api_loss_timeout_seconds: float = Field(default=1800, gt=0)
    api_patience_seconds: float = Field(default=300, ge=0)
    max_replacements: int = Field(default=3, ge=0)
    ttl_seconds_after_finished: int = Field(default=86_400, ge=3600)
    max_faults_in_row: int = Field(default=6, gt=0)
    requests_per_second: float = Field(default=4.0, gt=0)

    @model_validator(mode="after")
    def _check_image(self) -> KubernetesSettings:
        check_digest(self.image, required=self.require_image_digest)
        return self

    def without_gpus(self) -> KubernetesSettings:
        """Return the settings of a trial that needs no GPU; these, if no trial has any."""
        if not self.resources.gpu_count:
            return self
        return self.model_copy(
            update={
                "resources": self.resources.model_copy(update={"gpu_count": 0}),
                "node_selector": self.cpu_placement.node_selector,
                "tolerations": self.cpu_placement.tolerations,
                "queue": self.cpu_placement.queue or self.queue,
            }
        )


class ClusterSettings(KubernetesSettings):
    """How the trials of a search that itself runs elsewhere, on a laptop say, run on a cluster.

    Attributes:
        workspace: Address below which searches keep their objects. This machine and the pods reach
            it by the same address.
        context: Context of KUBECONFIG; its current one if None.
    """

    workspace: str = Field(min_length=1)
    context: str | None = None


Settings = TypeVar("Settings", bound=KubernetesSettings)


def check_digest(image: str, *, required: bool) -> None:
    """Check that an image is pinned where the policy wants it.

    Raises:
        ValueError: It is not.
    """
    if required and not _DIGEST.search(image):
        raise ValueError(
            f"image {image!r} has no digest, and require_image_digest is set;"
            " write it as name@sha256:..."
        )


def read_settings(path: Path, kind: type[Settings]) -> Settings:
    """Return the settings of a YAML file.

    ``pod_template`` may be the template itself, or the name of a YAML file beside this one.

    Args:
        path: The file.
        kind: ``KubernetesSettings``, or ``ClusterSettings`` for a search that runs elsewhere.

    Raises:
        ConfigError: There is none, or it is wrong; the message names line and fix.
    """
    content, document = _content_of(path)
    template = content.get("pod_template")
    if isinstance(template, str):
        content["pod_template"] = _content_of(path.parent / template)[0]
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        first = first_problem(error)
        place = first.place or ("image",)
        raise document.error(place, first.message, "See docs/launching.md") from None


def _content_of(path: Path) -> tuple[dict[str, Any], Any]:
    try:
        document = read(path)
    except FileNotFoundError:
        raise ConfigError(f"There is no file {path}", hint="Correct its name") from None
    if not isinstance(document.data, dict):
        raise document.error((), "must map names to values", "Begin with 'image:'")
    return dict(document.data), document
