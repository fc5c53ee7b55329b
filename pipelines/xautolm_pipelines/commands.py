"""``xautolm pipeline``: runs the compiled pipelines on a Kubeflow Pipelines server.

kfp is imported only by modules that talk to the server, so that ``--help`` answers at once.
"""

from datetime import UTC
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from xautolm_pipelines.options import CA_FILE_OPTION
from xautolm_pipelines.options import ENDPOINT_OPTION
from xautolm_pipelines.options import EXPERIMENT_OPTION
from xautolm_pipelines.options import JSON_OPTION
from xautolm_pipelines.options import NAMESPACE_OPTION
from xautolm_pipelines.options import PARAM_OPTION
from xautolm_pipelines.options import PARAMS_FILE_OPTION
from xautolm_pipelines.options import PIPELINE_ROOT_OPTION
from xautolm_pipelines.options import SERVICE_ACCOUNT_OPTION
from xautolm_pipelines.options import TIMEOUT_OPTION
from xautolm_pipelines.options import TOKEN_FILE_OPTION
from xautolm_pipelines.options import UI_OPTION
from xautolm_pipelines.schedule_command import schedule

app = typer.Typer(
    help="Run searches and retraining on Kubeflow Pipelines.",
    no_args_is_help=True,
    add_completion=False,
)

EXIT_NOT_SUCCEEDED = 5


@app.command("compile")
def compile_pipelines(
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="DIR", help="Folder for the YAML files; the package's by default."
        ),
    ] = None,
    *,
    kfp_version: Annotated[
        str | None,
        typer.Option(
            metavar="VERSION",
            help="The backend's: 2.15, 2.16 or 2.17; that of the installed kfp if none.",
        ),
    ] = None,
    s3_secret: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Secret with the S3 keys: fixed before 2.17, else the default of s3_secret.",
        ),
    ] = None,
    webhook_secret: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Likewise the secret with the webhook's address."),
    ] = None,
) -> None:
    """Compile the pipelines to YAML.

    Before 2.17 the names of secrets are no parameters of a run: they are fixed here.
    """
    from importlib import import_module
    from importlib.util import find_spec

    from xautolm_core.errors import MissingExtraError
    from xautolm_pipelines.package import COMPILED_FOLDER

    if find_spec("kfp") is None:
        raise MissingExtraError("kfp", "xautolm pipeline compile")
    folder = (out or COMPILED_FOLDER).absolute()
    backend = import_module("xautolm_pipelines.backend").backend_of(
        kfp_version, s3_secret=s3_secret, webhook_secret=webhook_secret
    )
    # Compiling means executing the definitions, which import kfp.
    import_module("xautolm_pipelines.compiling").compile_all(folder, backend)
    for path in sorted(folder.glob("*.yaml")):
        typer.echo(str(path))


@app.command()
def submit(
    pipeline: Annotated[
        str, typer.Argument(metavar="PIPELINE", help="Name of a pipeline, or its YAML file.")
    ],
    *,
    param: PARAM_OPTION = None,
    params_file: PARAMS_FILE_OPTION = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the run; pipeline and time by default.")
    ] = None,
    experiment: EXPERIMENT_OPTION = "xautolm",
    service_account: SERVICE_ACCOUNT_OPTION = None,
    pipeline_root: PIPELINE_ROOT_OPTION = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the run has ended.")] = False,
    wait_limit: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Longest wait; the run itself continues after it."),
    ] = None,
    as_json: JSON_OPTION = False,
    endpoint: ENDPOINT_OPTION = None,
    namespace: NAMESPACE_OPTION = None,
    token_file: TOKEN_FILE_OPTION = None,
    ui: UI_OPTION = None,
    ca_file: CA_FILE_OPTION = None,
    timeout: TIMEOUT_OPTION = "60s",
) -> int:
    """Start a run of a pipeline.

    Parameters are checked against the compiled pipeline before anything is sent. Exit codes: 0 the
    run was started or, with --wait, has succeeded; 2 bad input; 4 the server; 5 with --wait: it
    has not succeeded.
    """
    from xautolm_core.request.quantities import parse_duration
    from xautolm_pipelines import showing
    from xautolm_pipelines.opening import open_client
    from xautolm_pipelines.package import find_package
    from xautolm_pipelines.parameters import gather

    limit = parse_duration(wait_limit, "--wait-limit") if wait_limit else None
    package = find_package(pipeline)
    values = gather(package, param or [], params_file)
    client = open_client(
        endpoint=endpoint,
        namespace=namespace,
        token_file=token_file,
        ui=ui,
        ca_file=ca_file,
        timeout=timeout,
    )
    run = client.submit(
        package,
        values,
        name=name or f"{package.name} {datetime.now(UTC):%Y-%m-%d %H:%M:%S}",
        experiment=experiment,
        service_account=service_account,
        pipeline_root=pipeline_root,
    )
    if not as_json:
        typer.echo(f"run {run.id}\n{run.link}")
    if wait or limit is not None:
        # The id and the link are known even if the wait is interrupted.
        typer.echo(f"waiting for {run.id}; Ctrl-C ends the wait, not the run", err=True)
        run = client.wait(run.id, on_change=showing.print_state, limit_seconds=limit)
        showing.print_end(run, as_json=as_json)
        return 0 if run.state == "SUCCEEDED" else EXIT_NOT_SUCCEEDED
    if as_json:
        showing.print_run(run, as_json=True)
    return 0


@app.command()
def status(
    run_id: Annotated[
        str | None, typer.Argument(metavar="RUN", help="Id of a run; without it, the newest runs.")
    ] = None,
    *,
    limit: Annotated[int, typer.Option(min=1, max=100, help="Number of runs to list.")] = 20,
    as_json: JSON_OPTION = False,
    endpoint: ENDPOINT_OPTION = None,
    namespace: NAMESPACE_OPTION = None,
    token_file: TOKEN_FILE_OPTION = None,
    ui: UI_OPTION = None,
    ca_file: CA_FILE_OPTION = None,
    timeout: TIMEOUT_OPTION = "60s",
) -> None:
    """Show the state of a run and why its tasks failed, or list the newest runs."""
    from xautolm_pipelines import showing
    from xautolm_pipelines.opening import open_client

    client = open_client(
        endpoint=endpoint,
        namespace=namespace,
        token_file=token_file,
        ui=ui,
        ca_file=ca_file,
        timeout=timeout,
    )
    if run_id is None:
        showing.print_runs(client.runs(limit=limit), as_json=as_json)
    else:
        showing.print_run(client.run(run_id), as_json=as_json)


@app.command()
def cancel(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="Id of the run.")],
    *,
    as_json: JSON_OPTION = False,
    endpoint: ENDPOINT_OPTION = None,
    namespace: NAMESPACE_OPTION = None,
    token_file: TOKEN_FILE_OPTION = None,
    ui: UI_OPTION = None,
    ca_file: CA_FILE_OPTION = None,
    timeout: TIMEOUT_OPTION = "60s",
) -> None:
    """End a run. One that has ended stays as it is."""
    from xautolm_pipelines import showing
    from xautolm_pipelines.opening import open_client

    client = open_client(
        endpoint=endpoint,
        namespace=namespace,
        token_file=token_file,
        ui=ui,
        ca_file=ca_file,
        timeout=timeout,
    )
    run = client.cancel(run_id)
    if as_json:
        showing.print_run(run, as_json=True)
    else:
        typer.echo(f"run {run.id}: {run.state.lower()}")


app.command()(schedule)
