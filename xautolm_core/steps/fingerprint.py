"""The first step: check all run parameters before any trial pod starts."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from typing import NamedTuple

from xautolm_core.cluster_search import check_storage
from xautolm_core.cluster_search import require_cluster
from xautolm_core.errors import ConfigError
from xautolm_core.errors import StoreError
from xautolm_core.steps.cluster import cluster_settings
from xautolm_core.steps.entry import step
from xautolm_core.steps.meta_features import EXTRACTORS
from xautolm_core.steps.request import MeasurementRequest
from xautolm_core.steps.request import make_request

REQUIRED = ("run_id", "task", "store", "workspace")
PLATFORM_PARAMETERS = (
    "trial_image",
    "gpu_count",
    "gpu_resource",
    "node_selector",
    "tolerations",
    "queue",
    "trial_service_account",
    "s3_secret",
    "model_cache_claim",
)


class Fingerprinted(NamedTuple):
    """The outputs of the step.

    Attributes:
        fingerprint: Digest of the task's content.
        request: The checked request, as JSON.
        measurement: The part of the request that meta-features depend on, as JSON.
    """

    fingerprint: str
    request: str
    measurement: str


@step
def fingerprint_task(parameters: Mapping[str, Any]) -> Fingerprinted:
    """Check a run's parameters, its data, its buckets and its cluster.

    Args:
        parameters: ``registry``, and the arguments of ``make_request`` and ``cluster_settings``;
            what is missing or an empty text has its default.

    Raises:
        ConfigError: Something cannot be used; the message says what and how to fix it.
        StoreError: A bucket cannot be reached.
        LaunchError: The cluster cannot be queried.
    """
    from xautolm_core.experience.open import open_store
    from xautolm_core.search.opening import require_meter
    from xautolm_core.space.load import load_space
    from xautolm_core.tasks.load import load_task
    from xautolm_core.tasks.spec import TaskType
    from xautolm_core.tasks.task_type import task_kind

    given = {n: value for n, value in parameters.items() if value != "" or n in REQUIRED}
    registry = given.pop("registry", "")
    platform = {name: given.pop(name) for name in PLATFORM_PARAMETERS if name in given}
    platform["text"] = given.pop("cluster", "")
    needs_jobs = given.get("launcher", "kubernetes") == "kubernetes"
    request = make_request(cluster=cluster_settings(**platform) if needs_jobs else None, **given)
    if request.cluster is not None:
        require_meter(request.spec, request.cluster.environment)
    check_storage(request.workspace, "workspace")
    if registry:
        check_storage(registry, "registry")
    try:
        open_store(request.spec.store, create=True).admission.require(request.spec.tenant)
    except (ConfigError, StoreError) as error:
        error.problem = f"store: {error.problem}"
        raise
    check_storage(request.spec.store, "store")
    with tempfile.TemporaryDirectory(prefix="xautolm-space-") as folder:
        spec = request.search_spec(Path(folder))
        task = load_task(spec.task)
        if registry and task.type != TaskType.TEXT_CLASSIFICATION:
            raise ConfigError(
                f"registry: task {task.name} is one of {task_kind(task.type).title}, and the"
                " registry takes classifiers alone",
                hint="Leave 'registry' out; the model is in the results of the run",
            )
        space = load_space(
            spec.space_for(task.type),
            model_folders=spec.model_folders,
            offline=spec.offline,
            methods=spec.methods,
        )
    if request.cluster is not None:
        require_cluster(request.cluster)
    for warning in (*task.warnings, *space.warnings):
        print(f"warning: {warning}", flush=True)
    rows = ", ".join(f"{name} {len(split):,}" for name, split in task.splits.items())
    what = f"{len(task.labels)} classes" if task.labels else task_kind(task.type).title
    print(f"task {task.name}: {what}, rows: {rows}", flush=True)
    measurement = MeasurementRequest.of(request, EXTRACTORS)
    return Fingerprinted(task.fingerprint, request.model_dump_json(), measurement.model_dump_json())
