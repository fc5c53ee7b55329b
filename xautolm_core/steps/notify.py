"""Notify a webhook of the outcome of a run: the last step of a pipeline.

The message has the format of Slack: a JSON object with a ``text``. The address is a secret (anyone
who has it may post), so it comes from the environment and is never shown, not even in part. A
failure of the webhook is a warning and does not fail the run.
"""

from __future__ import annotations

import json
import logging
import math
import os
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from email.message import Message
from http.client import HTTPException
from typing import IO
from typing import Any
from urllib.parse import SplitResult
from urllib.parse import urljoin
from urllib.parse import urlsplit

from xautolm_core.errors import XautolmError
from xautolm_core.objects.retry import TRANSIENT_STATUS

WEBHOOK_VARIABLE = "XAUTOLM_WEBHOOK_URL"

_log = logging.getLogger(__name__)

_LONGEST_REASON = 500
_SYMBOLS = {"SUCCEEDED": ":white_check_mark:", "FAILED": ":x:", "CANCELLED": ":no_entry_sign:"}
_SAME = {"CANCELED": "CANCELLED", "SUCCESS": "SUCCEEDED", "ERROR": "FAILED"}


# Redirects that keep the method and the body; others would turn the POST into a GET.
_REDIRECTS = frozenset({307, 308})
_MOST_REDIRECTS = 3
_LONGEST_RETRY_AFTER_SECONDS = 30.0
_PORTS = {"http": 80, "https": 443}


class WebhookError(XautolmError):
    """The webhook did not accept a message. This error's message holds no part of its address.

    Attributes:
        is_transient: Whether a retry may succeed.
        retry_after_seconds: Wait that the server requested, limited; 0 if none.
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
        timeout_seconds: Limit of the whole request, even if the server answers byte by byte.

    Raises:
        WebhookError: The address is malformed, or the server did not accept the message.
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
        """Follow no redirect; the response is then an error with the status of the redirect."""


def _checked(address: str) -> SplitResult:
    try:
        parts = urlsplit(address)
        _ = parts.port  # raises if it is not a number
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in _PORTS or not parts.hostname or not address.isascii():
        raise WebhookError("its address is not an http(s) address")
    if not address.isprintable() or " " in address:
        raise WebhookError("its address holds spaces or line breaks")
    return parts


def _may_follow(here: SplitResult, there: SplitResult) -> bool:
    """Return whether a redirect stays on its host and does not drop encryption."""
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


def notify(
    webhook: str = WEBHOOK_VARIABLE,
    *,
    status: Mapping[str, Any] | str,
    pipeline: str = "",
    run_id: str = "",
    task: str = "",
    best_score: float | None = None,
    score_name: str = "macro F1",
    spent: Mapping[str, float | str] | str = "",
    link: str = "",
    attempts: int = 4,
    backoff_seconds: float = 1.0,
    timeout_seconds: float = 10.0,
) -> bool:
    """Post the outcome of a run.

    Args:
        webhook: Name of the environment variable with the address. If it is unset or empty, nothing
            is posted.
        status: ``PipelineTaskFinalStatus`` of kfp as a mapping (``state``, ``error_message``, ...)
            or as the JSON of it, or plain words of a last task.
        pipeline: Name of the pipeline.
        run_id: Id of the run.
        task: Name of the task that was searched for.
        best_score: Score of the model that was chosen, if there is one.
        score_name: Name of the score.
        spent: Cost of the run, as text or as quantities by name (``{"trials": 20}``).
        link: Page of the run.
        attempts: Most attempts.
        backoff_seconds: Wait after the first failure; it doubles with each.
        timeout_seconds: Limit of one attempt.

    Returns:
        Whether the webhook has accepted it. A failure is logged as one warning, never raised.
    """
    if is_webhook(webhook):
        # The secret itself was given; not sending it makes the user notice.
        _log.warning("webhook names an environment variable, not an address; nothing was sent")
        return False
    address = os.environ.get(webhook, "").strip() if webhook else ""
    if not address:
        return False
    try:
        body = _body(
            status=status,
            pipeline=pipeline,
            run_id=run_id,
            task=task,
            best_score=best_score,
            score_name=score_name,
            spent=spent,
            link=link,
        )
        _post_patiently(address, body, attempts, backoff_seconds, timeout_seconds)
    except WebhookError as error:
        _log.warning("the outcome of the run could not be sent to the webhook: %s", error)
        return False
    except Exception as error:  # noqa: BLE001 - whatever it is, the run has ended already
        # The class only: a message might hold a part of the address.
        _log.warning("the outcome of the run could not be sent: %s", type(error).__name__)
        return False
    return True


def _post_patiently(
    address: str, body: bytes, attempts: int, backoff_seconds: float, timeout_seconds: float
) -> None:
    for attempt in range(attempts):
        try:
            post(address, body, timeout_seconds=timeout_seconds)
        except WebhookError as error:
            if not error.is_transient or attempt + 1 >= attempts:
                raise
            time.sleep(max(backoff_seconds * 2**attempt, error.retry_after_seconds))
        else:
            return


def _body(
    *,
    status: Mapping[str, Any] | str,
    pipeline: str,
    run_id: str,
    task: str,
    best_score: float | None,
    score_name: str,
    spent: Mapping[str, float | str] | str,
    link: str,
) -> bytes:
    """Return the message, as JSON."""
    state, reason = _state_and_reason(status)
    symbol = _SYMBOLS.get(state, "")
    head = f"{symbol} *{_plain(pipeline or 'xautolm')}* {_plain(state.lower())}".strip()
    facts = [
        ("task", _plain(task)),
        (f"best {_plain(score_name)}", _score(best_score)),
        ("spent", _spent(spent)),
        ("run", _plain(run_id)),
        ("reason", _plain(reason)),
        ("link", f"<{_plain(link)}>" if _is_link(link) else ""),
    ]
    lines = [head, *(f"{name}: {value}" for name, value in facts if value)]
    return json.dumps({"text": "\n".join(lines)}).encode()


def _state_and_reason(status: Mapping[str, Any] | str) -> tuple[str, str]:
    """Return the state in capitals, or the text as it is, and the reason of a failure."""
    if isinstance(status, str):
        try:
            parsed = json.loads(status)
        except ValueError:
            parsed = None
        if not isinstance(parsed, dict):
            words = status.strip() or "ended"
            return _SAME.get(words.upper(), words.upper() if " " not in words else words), ""
        status = parsed
    state = str(status.get("state") or "ended").upper()
    reason = str(status.get("error_message") or "")
    failed_task = str(status.get("pipeline_task_name") or "")
    if reason and failed_task:
        reason = f"{failed_task}: {reason}"
    return _SAME.get(state, state), reason


def _score(score: float | None) -> str:
    return f"{score:.4f}" if score is not None and math.isfinite(score) else ""


def _spent(spent: Mapping[str, float | str] | str) -> str:
    if isinstance(spent, str):
        return _plain(spent)
    parts = []
    for name, amount in spent.items():
        words = f"{amount:.4g}" if isinstance(amount, float) else str(amount)
        parts.append(f"{name} {words}")
    return _plain(", ".join(parts))


def _is_link(link: str) -> bool:
    return link.startswith(("http://", "https://")) and not set(link) & set(" <>|\n")


def _plain(text: str) -> str:
    """Return a text on one line, not too long, that can neither mention nor format anything."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    if len(line) > _LONGEST_REASON:
        line = f"{line[: _LONGEST_REASON - 3]}..."
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
