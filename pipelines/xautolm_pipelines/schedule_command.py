"""``xautolm pipeline schedule``: runs a pipeline periodically."""

from pathlib import Path
from typing import TYPE_CHECKING
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

if TYPE_CHECKING:
    from xautolm_pipelines.schedule import Schedule

_WHEN = "The schedule"


def schedule(
    pipeline: Annotated[
        str | None,
        typer.Argument(metavar="PIPELINE", help="Name of a pipeline, or its YAML file."),
    ] = None,
    *,
    cron: Annotated[
        str | None,
        typer.Option(
            metavar="EXPRESSION",
            help="Five fields, in UTC unless the cluster says otherwise: '0 3 * * 0'.",
            rich_help_panel=_WHEN,
        ),
    ] = None,
    every: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Interval, such as 12h or 7d.", rich_help_panel=_WHEN),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            help="Name of the schedule; the pipeline's by default.", rich_help_panel=_WHEN
        ),
    ] = None,
    max_concurrency: Annotated[
        int,
        typer.Option(
            min=1, max=10, help="Number of its runs at the same time.", rich_help_panel=_WHEN
        ),
    ] = 1,
    catchup: Annotated[
        bool,
        typer.Option(
            "--catchup", help="Catch up on times that were missed.", rich_help_panel=_WHEN
        ),
    ] = False,
    list_all: Annotated[
        bool, typer.Option("--list", help="List the schedules.", rich_help_panel=_WHEN)
    ] = False,
    delete: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Delete a schedule.", rich_help_panel=_WHEN),
    ] = None,
    param: PARAM_OPTION = None,
    params_file: PARAMS_FILE_OPTION = None,
    experiment: EXPERIMENT_OPTION = "xautolm",
    service_account: SERVICE_ACCOUNT_OPTION = None,
    pipeline_root: PIPELINE_ROOT_OPTION = None,
    as_json: JSON_OPTION = False,
    endpoint: ENDPOINT_OPTION = None,
    namespace: NAMESPACE_OPTION = None,
    token_file: TOKEN_FILE_OPTION = None,
    ui: UI_OPTION = None,
    ca_file: CA_FILE_OPTION = None,
    timeout: TIMEOUT_OPTION = "60s",
) -> None:
    """Run a pipeline periodically; list or delete such schedules.

    The same command twice changes nothing; another pipeline, parameter or time under the same name
    replaces the schedule. Missed times are left out, and one run does not overlap with the next.
    """
    from xautolm_pipelines import schedule as schedules
    from xautolm_pipelines import showing
    from xautolm_pipelines.opening import open_client

    _check_action(pipeline, list_all, delete)
    wanted: Schedule | None = None
    if pipeline is not None:
        wanted = _wanted(
            pipeline,
            cron=cron,
            every=every,
            name=name,
            max_concurrency=max_concurrency,
            catchup=catchup,
            param=param or [],
            params_file=params_file,
            experiment=experiment,
            service_account=service_account,
            pipeline_root=pipeline_root,
        )
    client = open_client(
        endpoint=endpoint,
        namespace=namespace,
        token_file=token_file,
        ui=ui,
        ca_file=ca_file,
        timeout=timeout,
    )
    if wanted is not None:
        showing.print_applied(schedules.apply(client, wanted), as_json=as_json)
    elif delete is not None:
        showing.print_deleted(delete, schedules.delete(client, delete), as_json=as_json)
    else:
        showing.print_schedules(schedules.schedules(client), as_json=as_json)


def _check_action(pipeline: str | None, list_all: bool, delete: str | None) -> None:
    from xautolm_core.errors import ConfigError

    if (pipeline is not None) + list_all + (delete is not None) != 1:
        raise ConfigError(
            "schedule takes exactly one of PIPELINE, --list and --delete",
            hint="For example: xautolm pipeline schedule xautolm-retrain --cron '0 3 * * 0'",
        )


def _wanted(
    pipeline: str,
    *,
    cron: str | None,
    every: str | None,
    name: str | None,
    max_concurrency: int,
    catchup: bool,
    param: list[str],
    params_file: Path | None,
    experiment: str,
    service_account: str | None,
    pipeline_root: str | None,
) -> "Schedule":
    """Return the wanted schedule from the options; nothing is sent yet."""
    from xautolm_pipelines.package import find_package
    from xautolm_pipelines.parameters import gather
    from xautolm_pipelines.schedule import Schedule
    from xautolm_pipelines.when import parse_when

    when = parse_when(cron, every)
    package = find_package(pipeline)
    return Schedule(
        name=name or package.name,
        package=package,
        parameters=gather(package, param, params_file),
        when=when,
        experiment=experiment,
        max_concurrency=max_concurrency,
        no_catchup=not catchup,
        service_account=service_account,
        pipeline_root=pipeline_root,
    )
