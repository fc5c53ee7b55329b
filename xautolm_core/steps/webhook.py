"""One POST to an address that must not be shown: bounded in time, and only where it should go."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from email.message import Message
from http.client import HTTPException
from typing import IO
from urllib.parse import SplitResult
from urllib.parse import urljoin
from urllib.parse import urlsplit

from xautolm_core.errors import XautolmError
from xautolm_core.objects.retry import TRANSIENT_STATUS

# Those that keep the method and the body; the others would turn the POST into a GET.
_REDIRECTS = frozenset({307, 308})
_MOST_REDIRECTS = 3
_LONGEST_RETRY_AFTER_SECONDS = 30.0
_PORTS = {"http": 80, "https": 443}


class WebhookError(XautolmError):
    """The webhook did not take a message. The message of this error holds nothing of its address.

    Attributes:
        is_transient: Whether the same may succeed later.
        retry_after_seconds: What the server asked for, within reason; 0 if nothing.
    """

    def __init__(
        self, problem: str, *, is_transient: bool = False, retry_after_seconds: float = 0.0
    ) -> None:
        super().__init__(problem)
        self.is_transient = is_transient
        self.retry_after_seconds = retry_after_seconds


def is_webhook(text: str) -> bool:
    """Return whether a text looks like an address rather than a name."""
    return "/" in text or ":" in text


def post(address: str, body: bytes, *, timeout_seconds: float) -> None:
    """Post JSON.

    Args:
        address: An http(s) address.
        body: The JSON.
        timeout_seconds: Time for everything together, also if the server answers byte by byte.

    Raises:
        WebhookError: The address is none, or the server did not take the message.
    """
    ended: list[WebhookError | None] = []

    def work() -> None:
        try:
            _post(address, body, timeout_seconds)
            ended.append(None)
        except WebhookError as error:
            ended.append(error)
        except Exception as error:  # noqa: BLE001 - a thread has nobody to raise it to
            ended.append(WebhookError(f"it failed ({type(error).__name__})"))

    # Socket time limits hold for each piece of an answer; this one holds for the whole.
    worker = threading.Thread(target=work, name="xautolm-webhook", daemon=True)
    worker.start()
    worker.join(timeout_seconds)
    if not ended:
        raise WebhookError("it does not answer in time", is_transient=True)
    if ended[0] is not None:
        raise ended[0]


def _post(address: str, body: bytes, timeout_seconds: float) -> None:
    here = address
    for _ in range(_MOST_REDIRECTS + 1):
        place = _checked(here)
        status, headers = _send(here, body, timeout_seconds)
        if 200 <= status < 300:
            return
        if status not in _REDIRECTS:
            raise WebhookError(
                f"it answered {status}",
                is_transient=status in TRANSIENT_STATUS,
                retry_after_seconds=_retry_after(headers),
            )
        there = urljoin(here, headers.get("Location", ""))
        if not _may_follow(place, _checked(there)):
            raise WebhookError("it redirects to another host, which is not followed")
        here = there
    raise WebhookError("it redirects without end")


def _send(address: str, body: bytes, timeout_seconds: float) -> tuple[int, Message]:
    request = urllib.request.Request(  # noqa: S310 - the scheme is checked
        address, data=body, headers={"Content-Type": "application/json"}, method="POST"
    )
    opener = urllib.request.build_opener(_NoRedirects)
    try:
        with opener.open(request, timeout=timeout_seconds) as response:
            return int(response.status), response.headers
    except urllib.error.HTTPError as error:
        with error:
            return int(error.code), error.headers
    except (OSError, HTTPException) as error:
        cause = getattr(error, "reason", error)
        name = type(cause).__name__ if isinstance(cause, BaseException) else type(error).__name__
        # "from None": a message of http.client may hold a part of the address.
        raise WebhookError(f"it cannot be reached ({name})", is_transient=True) from None


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(  # noqa: PLR0917 - as in the standard library
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: Message,
        newurl: str,
    ) -> None:
        """Follow nothing; the answer is then an error with the status of the redirect."""


def _checked(address: str) -> SplitResult:
    try:
        parts = urlsplit(address)
        _ = parts.port  # raises if it is no number
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in _PORTS or not parts.hostname or not address.isascii():
        raise WebhookError("its address is no http(s) address")
    if not address.isprintable() or " " in address:
        raise WebhookError("its address holds spaces or line breaks")
    return parts


def _may_follow(here: SplitResult, there: SplitResult) -> bool:
    """Return whether a redirect stays on its host and does not give up encryption."""
    if here.hostname != there.hostname:
        return False
    if (here.scheme, there.scheme) == ("http", "https"):
        return True
    ports = [place.port or _PORTS[place.scheme] for place in (here, there)]
    return here.scheme == there.scheme and ports[0] == ports[1]


def _retry_after(headers: Message) -> float:
    try:
        asked = float(headers.get("Retry-After", 0.0))
    except ValueError:
        return 0.0
    return min(max(asked, 0.0), _LONGEST_RETRY_AFTER_SECONDS)
