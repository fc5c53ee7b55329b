"""``xautolm export``: a model in another form."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_SERVICE = "The service (kserve)"


def export(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="Run folder, folder of a model such as RUN/alternative, or a registry (with "
            "--task).",
        ),
    ],
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="FORM",
            help="onnx: a folder with model.onnx; mlflow: a self-contained pyfunc; kserve: an "
            "InferenceService; trl: a configuration of TRL's (text generation).",
        ),
    ],
    *,
    out: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="What to write (default: TASK-FORM)."),
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="MODEL is a registry: the champion of this task."),
    ] = None,
    version: Annotated[
        str | None, typer.Option(metavar="ID", help="This version instead of the champion.")
    ] = None,
    storage_uri: Annotated[
        str | None,
        typer.Option(
            metavar="URI",
            help="Where KServe finds the model: s3://, gs://, pvc://, hf:// and so on.",
            rich_help_panel=_SERVICE,
        ),
    ] = None,
    upload: Annotated[
        bool,
        typer.Option(
            "--upload",
            help="Write the model's files there first (s3://bucket/prefix).",
            rich_help_panel=_SERVICE,
        ),
    ] = False,
    name: Annotated[
        str | None,
        typer.Option(help="Its name (default: made of the task's).", rich_help_panel=_SERVICE),
    ] = None,
    namespace: Annotated[
        str | None,
        typer.Option(
            help="Its namespace (default: where it is applied).", rich_help_panel=_SERVICE
        ),
    ] = None,
    service_account: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Its service account, with the credentials for the storage.",
            rich_help_panel=_SERVICE,
        ),
    ] = None,
    cpus: Annotated[
        str | None,
        typer.Option(
            metavar="N", help="Its CPUs (default: the trial's threads).", rich_help_panel=_SERVICE
        ),
    ] = None,
    memory: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE",
            help="Its memory, such as 2Gi (default: as measured in the run).",
            rich_help_panel=_SERVICE,
        ),
    ] = None,
    gpus: Annotated[
        int | None, typer.Option(min=0, help="Its GPUs (default: 0).", rich_help_panel=_SERVICE)
    ] = None,
) -> None:
    """Write a model in another form, and check that it answers as before, or its training for TRL.

    Nothing is left where the form does not fit the model: the message says what does.
    """
    from xautolm_core.export.forms import export_model

    found = export_model(
        model,
        to,
        out=out,
        task=task,
        version=version,
        storage_uri=storage_uri,
        upload=upload,
        name=name,
        namespace=namespace,
        service_account=service_account,
        cpus=cpus,
        memory=memory,
        gpus=gpus,
    )
    typer.echo(str(found.path))
    for sentence in found.said:
        typer.echo(sentence, err=True)
