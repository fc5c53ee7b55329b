"""Where a search is tracked: options, the environment, and what a pipeline's platform says."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel
from pydantic import ConfigDict
from pydantic import ValidationError

from xautolm_core.errors import ConfigError
from xautolm_core.errors import MissingExtraError
from xautolm_core.tracking.redaction import URI_VARIABLE
from xautolm_core.tracking.redaction import has_credential
from xautolm_core.tracking.redaction import redacted
from xautolm_core.validation import first_problem
from xautolm_core.whole_files import write_json

SETTINGS_FILE = "mlflow.json"
"""In a run folder: where the search is tracked."""
SWITCH_VARIABLE = "XAUTOLM_MLFLOW"
"""What ``--mlflow`` is where it is not given."""
PLATFORM_VARIABLE = "KFP_MLFLOW_CONFIG"
"""What the MLflow plugin of Kubeflow Pipelines (2.17) gives to every step."""

FROM_ENVIRONMENT = "env"
OFF = "off"
_SCHEMES = ("http", "https", "sqlite", "postgresql", "mysql", "mssql", "databricks")
_NAMES = ("databricks",)  # a profile of its own, without an address
_FILE_PREFIX = "sqlite:///"
_HINT = (
    "Give --mlflow URI with a URI such as http://host:5000 or sqlite:///mlflow.db, or 'env' for "
    f"what {URI_VARIABLE} says"
)


class TrackingSettings(BaseModel):
    """Where a search is tracked. Credentials stay in MLflow's own environment variables.

    Attributes:
        tracking_uri: Server or database; None for what ``MLFLOW_TRACKING_URI`` says whenever
            something is sent, because that holds a password.
        experiment_id: The experiment; None for the one that ``MLFLOW_EXPERIMENT_ID`` or
            ``MLFLOW_EXPERIMENT_NAME`` name, else one of the task's.
        parent_run: Run below which that of the search is to be: the step of a pipeline. None
            without one.
        workspace: Of a server that has workspaces.
        auth: What MLflow calls ``MLFLOW_TRACKING_AUTH``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: Literal[1] = 1
    tracking_uri: str | None = None
    experiment_id: str | None = None
    parent_run: str | None = None
    workspace: str | None = None
    auth: str | None = None

    @property
    def place(self) -> str:
        """Return what messages call it: never with credentials."""
        if self.tracking_uri is None:
            return f"what {URI_VARIABLE} names"
        return self.tracking_uri

    def environment(self) -> dict[str, str]:
        """Return the variables that MLflow's client needs for them, beside those that are set."""
        found = {
            URI_VARIABLE: self.tracking_uri,
            "MLFLOW_EXPERIMENT_ID": self.experiment_id,
            "MLFLOW_WORKSPACE": self.workspace,
            "MLFLOW_TRACKING_AUTH": self.auth,
        }
        return {name: value for name, value in found.items() if value}


def tracking_settings(given: object, environ: Mapping[str, str]) -> TrackingSettings | None:
    """Return where a search is to be tracked; None for nowhere.

    Args:
        given: The option: a URI, ``env`` or ``off``; None for what ``XAUTOLM_MLFLOW`` says.
            ``MLFLOW_TRACKING_URI`` alone turns nothing on.
        environ: The environment.

    Raises:
        ConfigError: It is no address of MLflow's, or ``env`` is given and nothing is set.
        MissingExtraError: MLflow's client is not installed.
    """
    if given is not None and not isinstance(given, str):
        raise ConfigError(f"--mlflow: a {type(given).__name__} is not a string", hint=_HINT)
    source = "--mlflow" if given is not None else SWITCH_VARIABLE
    wanted = (environ.get(SWITCH_VARIABLE, "") if given is None else given).strip()
    if wanted in ("", OFF):
        return None
    if wanted == FROM_ENVIRONMENT:
        found = _named_by_environment(environ)
        if found is None:
            raise ConfigError(
                f"{source}: {FROM_ENVIRONMENT} is given, but {URI_VARIABLE} is not set", hint=_HINT
            )
    else:
        found = TrackingSettings(tracking_uri=_checked_uri(wanted, source))
    if not has_client():
        raise MissingExtraError("mlflow", "Tracking with MLflow")
    return found


def resumed_settings(
    given: object, environ: Mapping[str, str], out_folder: Path
) -> TrackingSettings | None:
    """Return where a search that goes on is to be tracked; None for nowhere.

    Args:
        given: The option, as in ``tracking_settings``; where nothing is given, the run folder says.
        environ: The environment.
        out_folder: The run folder.

    Raises:
        ConfigError: The option is wrong, or what the folder holds is damaged.
        MissingExtraError: MLflow's client is not installed.
    """
    if given is not None or environ.get(SWITCH_VARIABLE, "").strip():
        return tracking_settings(given, environ)
    found = read_settings(out_folder)
    if found is not None and not has_client():
        raise MissingExtraError("mlflow", "Tracking with MLflow")
    return found


def platform_settings(environ: Mapping[str, str]) -> TrackingSettings | None:
    """Return where a pipeline's platform wants a step tracked; None where it wants nothing.

    The MLflow plugin of Kubeflow Pipelines says so by ``KFP_MLFLOW_CONFIG``, and by MLflow's own
    variables where an administrator has them injected. ``XAUTOLM_MLFLOW`` takes their place.

    Raises:
        ConfigError: An address is not one of MLflow's, or that of ``KFP_MLFLOW_CONFIG`` holds a
            password.
        MissingExtraError: ``XAUTOLM_MLFLOW`` wants it, and MLflow's client is not installed.
    """
    if environ.get(SWITCH_VARIABLE, "").strip():
        return tracking_settings(None, environ)
    if not environ.get(PLATFORM_VARIABLE) and not environ.get("MLFLOW_RUN_ID"):
        return None
    return _named_by_environment(environ)


def has_client() -> bool:
    """Whether MLflow's client is installed. It is not imported."""
    return importlib.util.find_spec("mlflow") is not None


def write_settings(settings: TrackingSettings, out_folder: Path) -> None:
    """Keep in a run folder where its search is tracked.

    Raises:
        OSError: It cannot be written.
    """
    write_json(out_folder / SETTINGS_FILE, settings)


def read_settings(out_folder: Path) -> TrackingSettings | None:
    """Return where the search of a run folder is tracked; None for nowhere.

    Raises:
        ConfigError: The file is damaged.
    """
    path = out_folder / SETTINGS_FILE
    try:
        return TrackingSettings.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}") from error
    except ValidationError as error:
        raise ConfigError(
            f"{path} is damaged: {first_problem(error)}", hint="Delete it, and give --mlflow URI"
        ) from error


def _named_by_environment(environ: Mapping[str, str]) -> TrackingSettings | None:
    uri = environ.get(URI_VARIABLE, "").strip()
    if not uri:
        return _of_platform(environ.get(PLATFORM_VARIABLE, ""))
    _require_known(uri, URI_VARIABLE)
    return TrackingSettings(
        tracking_uri=None if has_credential(uri) else uri,
        experiment_id=environ.get("MLFLOW_EXPERIMENT_ID") or None,
        parent_run=environ.get("MLFLOW_RUN_ID") or None,
        workspace=environ.get("MLFLOW_WORKSPACE") or None,
        auth=environ.get("MLFLOW_TRACKING_AUTH") or None,
    )


def _of_platform(text: str) -> TrackingSettings | None:
    """Return what ``KFP_MLFLOW_CONFIG`` says; None if it says nothing that can be used.

    Raises:
        ConfigError: Its endpoint is not an address of MLflow's, or holds a password.
    """
    try:
        said = json.loads(text)
    except ValueError:
        return None
    endpoint = _plain(said.get("endpoint")) if isinstance(said, dict) else None
    if endpoint is None:
        return None
    workspace = _plain(said.get("workspace")) if said.get("workspacesEnabled") else None
    is_kubernetes = said.get("authType") == "kubernetes"
    return TrackingSettings(
        tracking_uri=_checked_uri(endpoint, PLATFORM_VARIABLE),
        experiment_id=_plain(said.get("experimentId")),
        parent_run=_plain(said.get("parentRunId")),
        workspace=workspace,
        # The second kind also names the pod's own namespace as the workspace.
        auth="kubernetes" if is_kubernetes else None,
    )


def _plain(value: Any) -> str | None:
    return str(value).strip() or None if isinstance(value, str | int) else None


def _checked_uri(uri: str, source: str) -> str:
    if has_credential(uri):
        raise ConfigError(
            f"{source}: the address holds a password",
            hint="Give it by MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD; that of a "
            f"database by {URI_VARIABLE} and --mlflow {FROM_ENVIRONMENT}",
        )
    _require_known(uri, source)
    file = uri.removeprefix(_FILE_PREFIX)
    if file != uri and file and not file.startswith("/"):
        # It is sent to later, too, from wherever that is.
        return f"{_FILE_PREFIX}{Path.cwd() / file}"
    return uri


def _require_known(uri: str, source: str) -> None:
    try:
        parts = urlsplit(uri)
        is_known = uri in _NAMES or parts.scheme.partition("+")[0] in _SCHEMES
        lacks_host = parts.scheme in ("http", "https") and not parts.hostname
    except ValueError:
        is_known = lacks_host = False
    if not is_known or lacks_host:
        shown = redacted(uri, {})
        raise ConfigError(f"{source}: {shown!r} is no address of MLflow's", hint=_HINT)
