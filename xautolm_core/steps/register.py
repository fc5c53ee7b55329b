"""Step: from a finished search to a registered model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from xautolm_core.registry.description import describe_model
from xautolm_core.retrain.finished_run import read_finished_run
from xautolm_core.retrain.finished_run import rows_of_run


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
        task_name: Under which name; by default the task's own.
        data: Where the search's data are now, if not where they were when it ran (a task file, a
            data file, a folder, ``s3://``). They are read to digest the rows.
        promote: Make the model the champion without a comparison, as for the first model of a task.
        reason: Why it is promoted, in words.
        with_rows: Keep digests of the rows that the search has seen. Without them no comparison can
            leave these rows out.

    Returns:
        What a pipeline keeps as metadata of the model, JSON alone: see ``describe_model``, and
        ``promoted``.

    Raises:
        ConfigError: The search has not ended, has no model, or its data are not at hand.
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
