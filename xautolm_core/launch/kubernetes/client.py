"""The few requests to the API server, as plain data: patient, bounded in rate, with plain errors.

The generated client of the ``kubernetes`` package is used for what is hard (configuration,
credentials that rotate, certificates); objects stay the JSON that they are, which is several times
lighter than its models.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

from xautolm_core.errors import LaunchError
from xautolm_core.errors import MissingExtraError
from xautolm_core.objects.retry import TRANSIENT_STATUS
from xautolm_core.objects.retry import Patience
from xautolm_core.objects.retry import call_patiently

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

_log = logging.getLogger(__name__)

_NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_BURST = 20
_CONNECT_SECONDS = 10.0
_READ_SECONDS = 60.0
_LONGEST_RETRY_AFTER_SECONDS = 30.0
GONE = 410
CONFLICT = 409
NOT_FOUND = 404


class RequestPace:
    """A bucket of permits that fills at a constant rate. Safe to use from many threads.

    Args:
        per_second: Permits a second; the average that is never exceeded over a long time.
        burst: Permits that may be saved up.
        stop: Set it to end all waiting.
    """

    def __init__(self, per_second: float, burst: int, stop: threading.Event) -> None:
        self._per_second = per_second
        self._burst = float(burst)
        self._stop = stop
        self._lock = threading.Lock()
        self._permits = float(burst)
        self._counted_at = time.monotonic()

    def take(self, *, may_wait: bool = True) -> None:
        """Take a permit; wait for it, or owe it and continue.

        Args:
            may_wait: Whether to wait. The next caller waits for what is owed.
        """
        with self._lock:
            now = time.monotonic()
            gained = (now - self._counted_at) * self._per_second
            self._permits = min(self._burst, self._permits + gained) - 1.0
            self._counted_at = now
            wait_seconds = -self._permits / self._per_second
        if may_wait and wait_seconds > 0:
            self._stop.wait(wait_seconds)


class ApiError(LaunchError):
    """The API server refused a request, or could not be reached.

    Attributes:
        status: The HTTP status; 0 where there was no answer.
        said: What the server said of it; empty where there was no answer.
        retry_after_seconds: What the server asked for; 0 if nothing.
    """

    def __init__(
        self,
        problem: str,
        *,
        status: int,
        said: str = "",
        retry_after_seconds: float = 0.0,
        hint: str = "",
    ) -> None:
        super().__init__(problem, hint=hint)
        self.status = status
        self.said = said
        self.retry_after_seconds = retry_after_seconds

    @property
    def is_transient(self) -> bool:
        """Whether the same request may succeed later."""
        return self.status == 0 or self.status in TRANSIENT_STATUS


class KubernetesApi:
    """Requests to one API server. Safe to use from many threads.

    Args:
        api_client: A configured client of the ``kubernetes`` package.
        patience_seconds: A request that fails with a passing fault is repeated for so long.
        requests_per_second: Average rate that is not exceeded.
    """

    def __init__(
        self, api_client: ApiClient, *, patience_seconds: float, requests_per_second: float
    ) -> None:
        self._client = api_client
        self._stop = threading.Event()
        self._patience_seconds = patience_seconds
        self._pace = RequestPace(requests_per_second, _BURST, self._stop)

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        patient: bool = True,
        paced: bool = True,
    ) -> dict[str, Any]:
        """Return the JSON of an answer.

        Args:
            method: ``GET``, ``POST`` or ``DELETE``.
            path: From ``/api`` or ``/apis`` on.
            query: Parameters.
            body: JSON to send.
            patient: Repeat the request while its fault may pass.
            paced: Wait where the rate is used up; the end of a search does not wait.

        Raises:
            ApiError: It was refused, or there was no answer.
        """
        text = self.text(method, path, query=query, body=body, patient=patient, paced=paced)
        try:
            document = json.loads(text)
        except ValueError as error:
            raise ApiError(
                f"{method} {path}: the API server's answer is no JSON", status=0
            ) from error
        return document if isinstance(document, dict) else {}

    def text(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        patient: bool = True,
        paced: bool = True,
    ) -> str:
        """Return an answer unchanged. Arguments and errors are those of ``request``."""

        def call() -> str:
            self._pace.take(may_wait=paced)
            return self._answer(method, path, query, body)

        limit_seconds = self._patience_seconds if patient else 0.0
        return call_patiently(
            call,
            is_transient=lambda error: isinstance(error, ApiError) and error.is_transient,
            patience=Patience(limit_seconds, stop=self._stop),
            before_wait=self._before_wait,
        )

    def watch(self, path: str, query: Mapping[str, str], stream: WatchStream) -> None:
        """Open a watch. It is closed, and its reader woken, by ``stream.close()``.

        Raises:
            ApiError: It was refused, or there was no answer.
        """
        self._pace.take()
        seconds = float(query.get("timeoutSeconds", "0")) + _READ_SECONDS
        stream.opened(self._send("GET", path, {**query, "watch": "true"}, None, seconds))

    def close(self) -> None:
        """End all waiting for faults to pass and free the connections."""
        self._stop.set()
        self._client.close()

    def _before_wait(self, error: Exception, attempts: int) -> None:
        if attempts == 1:
            _log.info("the request is repeated: %s", error)
        if isinstance(error, ApiError) and error.retry_after_seconds:
            self._stop.wait(min(error.retry_after_seconds, _LONGEST_RETRY_AFTER_SECONDS))

    def _answer(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: Mapping[str, Any] | None,
    ) -> str:
        import urllib3

        response = self._send(method, path, query, body, _READ_SECONDS)
        try:
            return str(response.data.decode("utf-8", errors="replace"))
        except urllib3.exceptions.HTTPError as error:
            raise _unreachable(method, path, error) from error
        finally:
            response.release_conn()

    def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: Mapping[str, Any] | None,
        read_seconds: float,
    ) -> Any:
        import urllib3
        from kubernetes.client.exceptions import ApiException

        headers = {"Accept": "application/json, text/plain;q=0.5"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            return self._client.call_api(
                path,
                method,
                query_params=list((query or {}).items()),
                header_params=headers,
                body=body,
                auth_settings=["BearerToken"],
                _preload_content=False,
                _return_http_data_only=True,
                _request_timeout=(_CONNECT_SECONDS, read_seconds),
            )
        except ApiException as error:
            raise _refused(method, path, error) from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise _unreachable(method, path, error) from error


class WatchStream:
    """The lines of one watch, which another thread may close."""

    def __init__(self) -> None:
        self._response: Any = None
        self._closed = threading.Event()

    def opened(self, response: Any) -> None:
        """Take the answer of the API server."""
        self._response = response
        if self._closed.is_set():
            self.close()

    def close(self) -> None:
        """Wake all readers; nothing more is read."""
        self._closed.set()
        # urllib3 has it since 2.3. Without it the reader wakes when the server ends the watch.
        shutdown = getattr(self._response, "shutdown", None)
        if shutdown is not None:
            try:
                shutdown()
            except (OSError, ValueError, RuntimeError):
                _log.debug("the watch was closed already")

    def events(self) -> Iterator[dict[str, Any]]:
        """Yield events until the stream ends.

        Raises:
            ApiError: The connection was lost.
        """
        import urllib3

        rest = b""
        try:
            for piece in self._response.stream(amt=None, decode_content=False):
                *lines, rest = (rest + piece).split(b"\n")
                for line in lines:
                    if self._closed.is_set():
                        return
                    if line.strip():
                        yield json.loads(line)
        except (urllib3.exceptions.HTTPError, OSError, ValueError, AttributeError) as error:
            if not self._closed.is_set():
                raise ApiError(f"a watch was lost: {type(error).__name__}", status=0) from error
        finally:
            self._response.release_conn()


def connect(
    *, context: str | None = None, patience_seconds: float, requests_per_second: float
) -> tuple[KubernetesApi, str]:
    """Return the API of the cluster that this process is in, or that KUBECONFIG names.

    Args:
        context: Context of KUBECONFIG; its current one if None.
        patience_seconds: See ``KubernetesApi``.
        requests_per_second: See ``KubernetesApi``.

    Returns:
        The API, and the namespace that the process or the context is in.

    Raises:
        MissingExtraError: The ``kubernetes`` package is not installed.
        LaunchError: No cluster is configured.
    """
    try:
        from kubernetes import client
        from kubernetes import config
    except ImportError as error:
        raise MissingExtraError("kubernetes", "Launching trials as Kubernetes Jobs") from error
    configuration = client.Configuration()
    namespace = "default"
    try:
        if os.environ.get("KUBERNETES_SERVICE_HOST") and not os.environ.get("KUBECONFIG"):
            config.load_incluster_config(client_configuration=configuration)
            namespace = _NAMESPACE_FILE.read_text(encoding="utf-8").strip() or namespace
        else:
            # Given by name: the package itself reads the variable once, when it is imported.
            file = os.environ.get("KUBECONFIG")
            config.load_kube_config(file, context, client_configuration=configuration)
            _, current = config.list_kube_config_contexts(file)
            namespace = current.get("context", {}).get("namespace") or namespace
    except (config.ConfigException, OSError) as error:
        raise LaunchError(
            f"no Kubernetes cluster is configured: {error}",
            hint="Run inside a cluster, or let KUBECONFIG name a configuration file",
        ) from error
    # Repeating is done here, where it is known what may be repeated.
    configuration.retries = False
    api_client = client.ApiClient(configuration)
    pools = api_client.rest_client.pool_manager.connection_pool_kw
    pools["socket_options"] = _keep_alive()
    api = KubernetesApi(
        api_client,
        patience_seconds=patience_seconds,
        requests_per_second=requests_per_second,
    )
    return api, namespace


def _keep_alive() -> list[tuple[int, int, int]]:
    """Return options that make a dead connection known within a minute.

    A machine that was asleep, or has changed its network, has only dead ones; a watch that nobody
    answers would else be believed for minutes.
    """
    options = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)]  # as urllib3 has it
    options.append((socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1))
    for name, value in {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}.items():
        if hasattr(socket, name):  # not on every system
            options.append((socket.IPPROTO_TCP, getattr(socket, name), value))
    return options


def _refused(method: str, path: str, error: Any) -> ApiError:
    """Return what the API server said, without the request's body or headers."""
    try:
        message = str(json.loads(error.body).get("message") or error.reason)
    except (ValueError, TypeError, AttributeError):
        message = str(error.reason)
    try:
        retry_after_seconds = float((error.headers or {}).get("Retry-After") or 0.0)
    except ValueError:
        retry_after_seconds = 0.0
    hint = {
        401: "Renew the credentials of KUBECONFIG or of the service account",
        403: "Ask for the missing permission or quota in this namespace",
    }.get(error.status, "")
    return ApiError(
        f"{method} {path}: the API server answered {error.status}: {message}",
        status=error.status or 0,
        said=message,
        retry_after_seconds=retry_after_seconds,
        hint=hint,
    )


def _unreachable(method: str, path: str, error: Exception) -> ApiError:
    return ApiError(
        f"{method} {path}: the API server does not answer ({type(error).__name__})",
        status=0,
        hint="Check the cluster and the network to it",
    )
