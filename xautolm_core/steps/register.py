"""Steps around the registry: register the model of a search, fetch one, publish one."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from xautolm_core.registry.description import describe_model
from xautolm_core.retrain.finished_run import read_finished_run
from xautolm_core.retrain.finished_run import rows_of_run

TOKEN_VARIABLE = "XAUTOLM_MODEL_REGISTRY_TOKEN"  # noqa: S105 - the name of a variable


def register_model(
    *,
    run_folder: str,
    registry: str,
    task_name: str = "",
    data: str = "",
    promote: bool = False,
    reason: str = "",
    with_rows: bool = True,
) -> dict[str, Any]:
    """Register the model of a finished search; registering it again changes nothing.

    Args:
        run_folder: The run folder, with ``summary.json`` and ``model/``.
        registry: Address of the registry: a folder, ``file:///folder`` or ``s3://bucket/prefix``.
        task_name: Name to register under; by default the task's own.
        data: Where the search's data are now, if they were moved (a task file, a data file, a
            folder, ``s3://``). They are read to digest the rows.
        promote: Make the model the champion without a comparison, as for the first model of a task.
        reason: Reason of the promotion, in words.
        with_rows: Keep digests of the rows that the search has seen. Without them no comparison can
            leave these rows out.

    Returns:
        Metadata of the model, as JSON: the fields of ``describe_model``, and ``promoted``.

    Raises:
        ConfigError: The search has not ended, has no model, or its data are not available.
        StoreError: The registry cannot be read or written.
    """
    from xautolm_core.registry.registry import ModelRegistry

    run = read_finished_run(Path(run_folder))
    opened = ModelRegistry.open(registry)
    name = task_name or run.task_name
    seen = rows_of_run(run, data or None).to_bytes() if with_rows else None
    champion = opened.champion(name)
    parent = None if champion is None else champion.version
    model = opened.register(
        name,
        run.model_folder,
        run.record.model_copy(update={"parent": parent}),
        seen_rows=seen,
    )
    if promote and parent != model.version:
        opened.promote(model, replaces=parent, reason=reason or "promoted at registration")
    return {**describe_model(model), "promoted": promote}


def fetch_model(*, registry: str, task_name: str, folder: str, version: str = "") -> dict[str, Any]:
    """Fetch a registered model into a folder, each file checked.

    Args:
        registry: Address of the registry.
        task_name: Name of the task.
        folder: Target folder; another model in it is replaced.
        version: Which version; by default the champion.

    Returns:
        The fields of ``registry.description.describe_model``, and ``folder``.

    Raises:
        ConfigError: There is no such version or no champion, or the folder holds something else.
        StoreError: The registry cannot be read, or the version is damaged.
    """
    from xautolm_core.registry.registry import ModelRegistry

    opened = ModelRegistry.open(registry)
    model = opened.version(task_name, version) if version else opened.require_champion(task_name)
    return {**describe_model(model), "folder": str(opened.fetch(model, Path(folder)))}


def publish_model(
    *, registry: str, task_name: str, version: str, kubeflow_url: str, uri: str = ""
) -> dict[str, Any]:
    """Publish a version to a Kubeflow Model Registry; publishing it twice changes nothing.

    Args:
        registry: Address of the registry of xautolm.
        task_name: Name of the task.
        version: Which version.
        kubeflow_url: ``http(s)://host:port``. A token is taken from
            ``$XAUTOLM_MODEL_REGISTRY_TOKEN``.
        uri: Where a server can load the model from; by default the address of its record.

    Returns:
        ``registered_model_id``, ``model_version_id`` and ``artifact_id``.

    Raises:
        ConfigError: There is no such version, or the URL is malformed.
        StoreError: A registry cannot be used.
    """
    from xautolm_core.registry.kubeflow_registry import KubeflowModelRegistry
    from xautolm_core.registry.registry import ModelRegistry

    client = KubeflowModelRegistry(kubeflow_url, token=os.environ.get(TOKEN_VARIABLE, ""))
    model = ModelRegistry.open(registry).version(task_name, version)
    return asdict(client.publish(model, uri=uri))
