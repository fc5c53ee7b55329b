"""Where a Kubeflow Pipelines API is, and how to authenticate."""

import os
import re
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from urllib.parse import urlsplit

from xautolm_core.errors import ConfigError

ENDPOINT_VARIABLE = "XAUTOLM_KFP_HOST"
NAMESPACE_VARIABLE = "XAUTOLM_KFP_NAMESPACE"
TOKEN_VARIABLE = "XAUTOLM_KFP_TOKEN"  # noqa: S105 - the name of a variable
TOKEN_FILE_VARIABLE = "XAUTOLM_KFP_TOKEN_FILE"  # noqa: S105 - the name of a variable
UI_VARIABLE = "XAUTOLM_KFP_UI"
CA_FILE_VARIABLE = "XAUTOLM_KFP_CA_FILE"

IN_CLUSTER_ENDPOINT = "http://ml-pipeline.kubeflow.svc.cluster.local:8888"
# Projected by the kubelet, renewed about every hour.
_SERVICE_ACCOUNT_TOKEN = Path("/var/run/secrets/kubeflow/pipelines/token")
_SERVICE_ACCOUNT_TOKEN_VARIABLE = "KF_PIPELINES_SA_TOKEN_PATH"  # noqa: S105 - of Kubeflow's own
_NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


@dataclass(frozen=True)
class Connection:
    """One API and how to talk to it.

    Attributes:
        endpoint: The address before ``/apis/v2beta1``, without a slash at the end.
        namespace: The user's namespace; empty on a server for a single user.
        token: A fixed token; never shown.
        token_file: File of a token, read again for every request, as it may be renewed.
        ui: Address of the user interface, for links.
        ca_file: Certificates to trust instead of the usual ones.
        timeout_seconds: Time that one request may take.
        patience_seconds: How long a change that is safe to repeat is retried.
    """

    endpoint: str
    namespace: str = ""
    token: str = field(default="", repr=False)
    token_file: Path | None = None
    ui: str = ""
    ca_file: Path | None = None
    timeout_seconds: float = 60.0
    patience_seconds: float = 30.0

    def bearer(self) -> str:
        """Return the token to send, or nothing.

        Raises:
            ConfigError: Its file cannot be read.
        """
        if self.token_file is None:
            return self.token
        try:
            token = self.token_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "not a text file"
            raise ConfigError(
                f"the token file {self.token_file} cannot be read: {reason}",
                hint=f"Name a readable one with --token-file or {TOKEN_FILE_VARIABLE}",
            ) from error
        return _checked_token(token, f"the token file {self.token_file}")

    def run_link(self, run_id: str) -> str:
        """Return the page of a run in the user interface."""
        return f"{self.ui or self.endpoint}/#/runs/details/{run_id}"


def resolve(
    *,
    endpoint: str | None = None,
    namespace: str | None = None,
    token_file: Path | None = None,
    ui: str | None = None,
    ca_file: Path | None = None,
    timeout_seconds: float = 60.0,
) -> Connection:
    """Return the connection from options, environment and cluster, in this order.

    Args:
        endpoint: Else ``XAUTOLM_KFP_HOST``, else the usual address, inside a cluster.
        namespace: Else ``XAUTOLM_KFP_NAMESPACE``, else the pod's, inside a cluster.
        token_file: Else ``XAUTOLM_KFP_TOKEN_FILE``, ``XAUTOLM_KFP_TOKEN``, else the pod's
            service-account token, which goes to addresses inside the cluster only.
        ui: Else ``XAUTOLM_KFP_UI``, else the endpoint.
        ca_file: Else ``XAUTOLM_KFP_CA_FILE``.
        timeout_seconds: Time that one request may take.

    Raises:
        ConfigError: There is no endpoint, or one of them is malformed.
    """
    inside = bool(os.environ.get("KUBERNETES_SERVICE_HOST"))
    given = endpoint or os.environ.get(ENDPOINT_VARIABLE) or (IN_CLUSTER_ENDPOINT if inside else "")
    if not given:
        raise ConfigError(
            "no Kubeflow Pipelines endpoint is known",
            hint=f"Give --endpoint https://kubeflow.example.com/pipeline, or set "
            f"{ENDPOINT_VARIABLE}",
        )
    address = _address(given, "--endpoint")
    ui_given = ui or os.environ.get(UI_VARIABLE) or ""
    ca_given = ca_file or _path(os.environ.get(CA_FILE_VARIABLE))
    if ca_given is not None and not ca_given.is_file():
        raise ConfigError(f"--ca-file: there is no file {ca_given}", hint="Give a PEM file")
    token, file = _credentials(address, token_file)
    return Connection(
        endpoint=address,
        namespace=_namespace(namespace or os.environ.get(NAMESPACE_VARIABLE) or ""),
        token=token,
        token_file=file,
        ui=_address(ui_given, "--ui") if ui_given else "",
        ca_file=ca_given,
        timeout_seconds=timeout_seconds,
    )


def _credentials(address: str, token_file: Path | None) -> tuple[str, Path | None]:
    """Return a token, or the file of one, or neither."""
    file = token_file or _path(os.environ.get(TOKEN_FILE_VARIABLE))
    if file is not None:
        return "", file
    token = os.environ.get(TOKEN_VARIABLE, "").strip()
    if token:
        return _checked_token(token, TOKEN_VARIABLE), None
    projected = _path(os.environ.get(_SERVICE_ACCOUNT_TOKEN_VARIABLE)) or _SERVICE_ACCOUNT_TOKEN
    # The pod's identity is not for servers elsewhere.
    if _is_inside_cluster(address) and projected.is_file():
        return "", projected
    return "", None


def _checked_token(token: str, where: str) -> str:
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise ConfigError(
            f"{where} holds no token", hint="Put the bare token into it, without 'Bearer'"
        )
    return token


def _address(given: str, option: str) -> str:
    text = given.strip()
    # Without a scheme https is assumed, except on this machine.
    if "://" not in text:
        local = text.partition(":")[0] in {"localhost", "127.0.0.1"}
        text = f"{'http' if local else 'https'}://{text}"
    try:
        parts = urlsplit(text)
        _ = parts.port  # raises if it is not a number
    except ValueError:
        parts = urlsplit("")
    if parts.username or parts.password or "@" in parts.netloc:
        raise ConfigError(
            f"{option} holds a user name or a password",
            hint=f"Put a token into a file and name it with --token-file or {TOKEN_FILE_VARIABLE}",
        )
    if parts.scheme not in {"http", "https"} or not parts.hostname or not text.isprintable():
        raise ConfigError(
            f"{option}: '{given}' is not an http(s) address",
            hint="Give for example https://kubeflow.example.com/pipeline",
        )
    if parts.query or parts.fragment:
        raise ConfigError(
            f"{option}: the address has a query or a fragment", hint="Leave out ? and #"
        )
    path = parts.path.rstrip("/").removesuffix("/apis/v2beta1")
    return f"{parts.scheme}://{parts.netloc}{path}"


def _is_inside_cluster(address: str) -> bool:
    host = urlsplit(address).hostname or ""
    return "." not in host or host.endswith((".svc", ".svc.cluster.local"))


def _namespace(given: str) -> str:
    if given and not _NAMESPACE.fullmatch(given):
        raise ConfigError(
            f"--namespace: '{given}' is not a name of a namespace",
            hint="Use small letters, digits and hyphens",
        )
    return given


def pod_namespace() -> str:
    """Return the namespace of the pod that this process is in, or nothing."""
    try:
        return _NAMESPACE_FILE.read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def _path(given: str | None) -> Path | None:
    return Path(given) if given else None
