"""Opens a client from the options of a command."""

from pathlib import Path

from xautolm_core.request.quantities import parse_duration
from xautolm_pipelines.client import PipelinesClient
from xautolm_pipelines.client import connect
from xautolm_pipelines.connection import resolve


def open_client(
    *,
    endpoint: str | None,
    namespace: str | None,
    token_file: Path | None,
    ui: str | None,
    ca_file: Path | None,
    timeout: str,
) -> PipelinesClient:
    """Return a client of the server that options and environment name.

    Raises:
        ConfigError: An option is malformed.
        PipelinesApiError: The server does not answer, or not to this user.
    """
    connection = resolve(
        endpoint=endpoint,
        namespace=namespace,
        token_file=token_file,
        ui=ui,
        ca_file=ca_file,
        timeout_seconds=parse_duration(timeout, "--timeout"),
    )
    return connect(connection)
