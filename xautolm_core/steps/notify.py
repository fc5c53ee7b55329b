"""Tell a webhook how a run has ended, whatever the end: the last step of a pipeline.

The message is what Slack and those compatible with it take: a JSON object with a ``text``. The
address is a secret (who has it may post), so it comes from the environment and is never shown,
not even in part. A webhook that fails is a warning: a run does not fail for its messenger.
"""

from __future__ import annotations

import json
import logging
import math
import os
import time
from collections.abc import Mapping
from typing import Any

from xautolm_core.steps.webhook import WebhookError
from xautolm_core.steps.webhook import is_webhook
from xautolm_core.steps.webhook import post

WEBHOOK_VARIABLE = "XAUTOLM_WEBHOOK_URL"

_log = logging.getLogger(__name__)

_LONGEST_REASON = 500
_SYMBOLS = {"SUCCEEDED": ":white_check_mark:", "FAILED": ":x:", "CANCELLED": ":no_entry_sign:"}
_SAME = {"CANCELED": "CANCELLED", "SUCCESS": "SUCCEEDED", "ERROR": "FAILED"}


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
    """Post how a run has ended.

    Args:
        webhook: Name of the environment variable that holds the address. If it is unset or empty,
            nothing is done.
        status: ``PipelineTaskFinalStatus`` of kfp as a mapping (``state``, ``error_message``, ...)
            or as the JSON of it, or plain words of a last task.
        pipeline: Name of the pipeline.
        run_id: Id of the run.
        task: Name of the task that was searched for.
        best_score: Score of the model that was chosen, if there is one.
        score_name: What the score measures.
        spent: What it cost, as words or as quantities by name (``{"trials": 20}``).
        link: Page of the run.
        attempts: How often it is tried, at the most.
        backoff_seconds: Wait after the first failure; it doubles with each.
        timeout_seconds: Time that one attempt may take.

    Returns:
        Whether the webhook has taken it. All failures are told as one warning, none is raised.
    """
    if is_webhook(webhook):
        # Somebody gave the secret itself; that it is not sent makes them notice.
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
        _log.warning("the end of the run could not be told to the webhook: %s", error)
        return False
    except Exception as error:  # noqa: BLE001 - whatever it is, the run has ended already
        # The class only: a message might hold a part of the address.
        _log.warning("the end of the run could not be told: %s", type(error).__name__)
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
    """Return the state in capitals, or the words as they are, and what went wrong."""
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
