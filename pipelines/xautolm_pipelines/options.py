"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

_CONNECTION = "Connection"
_RUN = "The run"

ENDPOINT_OPTION = Annotated[
    str | None,
    typer.Option(
        "--endpoint",
        metavar="URL",
        envvar="XAUTOLM_KFP_HOST",
        help="Address of Kubeflow Pipelines, without /apis.",
        rich_help_panel=_CONNECTION,
    ),
]
NAMESPACE_OPTION = Annotated[
    str | None,
    typer.Option(
        "--namespace",
        envvar="XAUTOLM_KFP_NAMESPACE",
        help="Your namespace, where the server has many users.",
        rich_help_panel=_CONNECTION,
    ),
]
TOKEN_FILE_OPTION = Annotated[
    Path | None,
    typer.Option(
        "--token-file",
        metavar="FILE",
        envvar="XAUTOLM_KFP_TOKEN_FILE",
        help="File of a bearer token; else $XAUTOLM_KFP_TOKEN, else the pod's own.",
        rich_help_panel=_CONNECTION,
    ),
]
UI_OPTION = Annotated[
    str | None,
    typer.Option(
        "--ui",
        metavar="URL",
        envvar="XAUTOLM_KFP_UI",
        help="Address of the user interface, for links; the endpoint by default.",
        rich_help_panel=_CONNECTION,
    ),
]
CA_FILE_OPTION = Annotated[
    Path | None,
    typer.Option(
        "--ca-file",
        metavar="FILE",
        envvar="XAUTOLM_KFP_CA_FILE",
        help="Certificates (PEM) of the authority to trust.",
        rich_help_panel=_CONNECTION,
    ),
]
TIMEOUT_OPTION = Annotated[
    str,
    typer.Option(
        "--timeout",
        metavar="TIME",
        help="Time that one request may take.",
        rich_help_panel=_CONNECTION,
    ),
]
JSON_OPTION = Annotated[
    bool, typer.Option("--json", help="Print one JSON document to standard output.")
]
PARAM_OPTION = Annotated[
    list[str] | None,
    typer.Option(
        "--param",
        metavar="KEY=VALUE",
        help="Parameter of the pipeline; may be repeated. Do not pass secrets here.",
        rich_help_panel=_RUN,
    ),
]
PARAMS_FILE_OPTION = Annotated[
    Path | None,
    typer.Option(
        "--params-file",
        metavar="FILE",
        help="YAML file of parameters; --param wins.",
        rich_help_panel=_RUN,
    ),
]
EXPERIMENT_OPTION = Annotated[
    str,
    typer.Option(
        "--experiment",
        help="Experiment of the run; created if there is none.",
        rich_help_panel=_RUN,
    ),
]
SERVICE_ACCOUNT_OPTION = Annotated[
    str | None,
    typer.Option(
        "--service-account",
        help="Kubernetes service account of the pods.",
        rich_help_panel=_RUN,
    ),
]
PIPELINE_ROOT_OPTION = Annotated[
    str | None,
    typer.Option(
        "--pipeline-root",
        metavar="URI",
        help="Where artifacts go; the server's by default.",
        rich_help_panel=_RUN,
    ),
]
