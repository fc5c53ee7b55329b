"""What the environment of MLflow's client has to be, before it is imported."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

TIMEOUT_SECONDS = 10
CLIENT_ENVIRONMENT = {
    # A request that is tried again may make a run twice: whoever comes next looks first.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": str(TIMEOUT_SECONDS),
    # Nothing of a search is anybody else's business.
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_ENABLE_ASYNC_LOGGING": "false",
    # The client writes a link to each run to standard output.
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}


@contextmanager
def quiet_client() -> Iterator[None]:
    """Keep the client from progress bars, advice and telemetry within the context."""
    before = {name: os.environ.get(name) for name in CLIENT_ENVIRONMENT}
    os.environ.update(CLIENT_ENVIRONMENT)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
