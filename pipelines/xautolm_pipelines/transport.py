"""Requests to a Kubeflow Pipelines API with time limits and plain errors.

``kfp.Client`` sets no time limits, follows redirects to login pages, and raises errors that hold
whole answers with their headers. What is set right here is its HTTP client, so that everything
above it is kfp's own.
"""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from xautolm_core.errors import LaunchError
from xautolm_core.objects.retry import TRANSIENT_STATUS
from xautolm_pipelines.connection import Connection

_CONNECT_SECONDS = 10.0
_LONGEST_MESSAGE = 300
NOT_FOUND = 404
CONFLICT = 409


class PipelinesApiError(LaunchError):
    """The API refused a request, or did not answer.

    Attributes:
        status: The HTTP status; 0 where there was no answer, or none that makes sense.
    """

    def __init__(self, problem: str, *, status: int = 0, hint: str = "") -> None:
        super().__init__(problem, hint=hint)
        self.status = status

    @property
    def is_transient(self) -> bool:
        """Whether the same request may succeed later."""
        return self.status == 0 or self.status in TRANSIENT_STATUS


def set_limits(api_client: Any, connection: Connection) -> None:
    """Give a client of ``kfp_server_api`` time limits, few repetitions and plain errors."""
    from urllib3 import Retry

    rest_client = api_client.rest_client
    # Requests that were not sent, or only read, are repeated; redirects are not followed.
    rest_client.pool_manager.connection_pool_kw["retries"] = Retry(
        total=3,
        connect=2,
        read=1,
        other=0,
        status=2,
        redirect=0,
        status_forcelist=(502, 503, 504),
        allowed_methods=frozenset({"GET"}),
        backoff_factor=0.3,
        raise_on_redirect=False,
        raise_on_status=False,
    )
    rest_client.request = _limited(rest_client.request, connection)


def _limited(request: Callable[..., Any], connection: Connection) -> Callable[..., Any]:
    import urllib3
    from kfp_server_api.exceptions import ApiException

    connect_seconds = min(_CONNECT_SECONDS, connection.timeout_seconds)

    def send(method: str, url: str, **keywords: Any) -> Any:
        keywords["_request_timeout"] = (connect_seconds, connection.timeout_seconds)
        what = f"{method} {urlsplit(url).path}"
        try:
            response = request(method, url, **keywords)
        except ApiException as error:
            # "from None": its text holds the headers and the body of the answer.
            raise _refused(what, error, connection) from None
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise _unreachable(what, error, connection, sent=method != "GET") from None
        if not isinstance(_json(response.data), dict):
            raise PipelinesApiError(
                f"{what}: {connection.endpoint} does not answer like a Kubeflow Pipelines API",
                hint="Check --endpoint, and whether a login page stands before it",
            )
        return response

    return send


def _refused(what: str, error: Any, connection: Connection) -> PipelinesApiError:
    status = int(error.status or 0)
    if status == 401:
        problem = f"{what}: {connection.endpoint} rejects the credentials (401)"
        hint = "Give a valid token: --token-file, XAUTOLM_KFP_TOKEN_FILE or XAUTOLM_KFP_TOKEN"
    elif status == 403:
        problem = f"{what}: {connection.endpoint} does not allow it (403)"
        hint = "Ask for access to the namespace, or give another token or --namespace"
    elif 300 <= status < 400:
        problem = f"{what}: {connection.endpoint} redirects ({status}), perhaps to a login"
        hint = "Give a token (--token-file), or the address behind the redirect"
    else:
        said = _message(error.body) or str(error.reason or "")
        problem = f"{what}: the Kubeflow Pipelines API answered {status}: {said}"
        hint = ""
    return PipelinesApiError(problem, status=status, hint=hint)


def _unreachable(
    what: str, error: Exception, connection: Connection, *, sent: bool
) -> PipelinesApiError:
    import urllib3

    cause = getattr(error, "reason", None) or error
    timed_out = isinstance(cause, urllib3.exceptions.ReadTimeoutError)
    hint = "Check --endpoint, the network to it and, for a port-forward, that it runs"
    if isinstance(cause, urllib3.exceptions.SSLError):
        hint = "Check its certificate, or name the authority with --ca-file"
    elif sent and not isinstance(cause, urllib3.exceptions.NewConnectionError):
        hint = "It may have taken effect; check before you try again"
    words = "does not answer in time" if timed_out else "cannot be reached"
    return PipelinesApiError(
        f"{what}: {connection.endpoint} {words} ({type(cause).__name__})", hint=hint
    )


def _message(body: object) -> str:
    """Return the error message of an answer, on one line and shortened."""
    document = _json(body)
    said = ""
    if isinstance(document, dict):
        for key in ("message", "error_message", "error_details", "error"):
            if isinstance(document.get(key), str):
                said = document[key]
                break
    return shortened(said)


def shortened(text: str, characters: int = _LONGEST_MESSAGE) -> str:
    """Return a text on one line, shortened if it is too long."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= characters else f"{line[: characters - 3]}..."


def _json(body: object) -> object:
    if not isinstance(body, str | bytes):
        return None
    try:
        return json.loads(body)
    except ValueError:
        return None
