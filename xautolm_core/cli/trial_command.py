"""``xautolm trial``: run one trial that a launcher on another machine has sent."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def trial(
    address: Annotated[
        str,
        typer.Argument(metavar="ADDRESS", help="s3://bucket/prefix/trials/0000-0/spec.json"),
    ],
    *,
    work: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder for task, cache and the trial's files."),
    ] = None,
    model_cache: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            envvar="XAUTOLM_MODEL_CACHE",
            help="Folder for models, which trials may share; below the work folder by default.",
        ),
    ] = None,
    startup_seconds: Annotated[
        float,
        typer.Option(
            metavar="S",
            min=1.0,
            envvar="XAUTOLM_TRIAL_STARTUP_SECONDS",
            help="Time that the trial's process has for its imports, before its own limits begin.",
        ),
    ] = 300.0,
    memory_limit_fraction: Annotated[
        float | None,
        typer.Option(
            metavar="F",
            min=0.05,
            max=1.0,
            help="End the trial as oom_host at this share of the container's memory limit.",
        ),
    ] = None,
) -> int:
    """Run a trial that was sent through an object storage, and write its result there.

    Exit codes: 0 there is a result, whatever the outcome; 2 no such trial, or its model is not
    available here; 3 the storage; 4 no process can be started.
    """
    import tempfile

    from xautolm_core.launch.container_memory import ContainerMemory
    from xautolm_core.request.locations import check_can_write
    from xautolm_core.trial.remote import run_remote

    folder = (work or Path(tempfile.gettempdir()) / "xautolm-trial").absolute()
    check_can_write(folder, "--work")
    if model_cache is not None:
        check_can_write(model_cache, "--model-cache")
    return run_remote(
        address,
        folder,
        model_cache=model_cache.absolute() if model_cache is not None else None,
        memory=ContainerMemory(memory_limit_fraction),
        startup_seconds=startup_seconds,
    )
