"""``xautolm mlflow``: what MLflow knows of a search."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Send a search to MLflow.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Send a search to MLflow."""


@app.command()
def sync(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder of a search.")],
    mlflow: Annotated[
        str | None,
        typer.Option(
            metavar="URI",
            help="Where to; env for what MLFLOW_TRACKING_URI says (default: where the search was "
            "tracked, else $XAUTOLM_MLFLOW).",
        ),
    ] = None,
) -> None:
    """Send what MLflow lacks of a search: trials, scores, report and model. Nothing goes twice."""
    import os

    from xautolm_core.errors import ConfigError
    from xautolm_core.errors import StoreError
    from xautolm_core.tracking.live import keep_settings
    from xautolm_core.tracking.live import report_words
    from xautolm_core.tracking.live import send_once
    from xautolm_core.tracking.seen_search import require_run
    from xautolm_core.tracking.settings import resumed_settings

    folder = run.expanduser().absolute()
    require_run(folder)
    settings = resumed_settings(mlflow, os.environ, folder)
    if settings is None:
        raise ConfigError(
            f"{run} does not say which MLflow it is to be sent to",
            hint="Give --mlflow URI, or --mlflow env for what MLFLOW_TRACKING_URI says",
        )
    report = send_once(settings, folder)
    if not report.is_complete:
        raise StoreError(report.problem, hint=report.hint)
    keep_settings(settings, folder)
    typer.echo(report_words(report, settings))
