"""Takes out of an experience what must never be kept: paths, host names, text, non-numbers."""

from __future__ import annotations

import math
import re
import socket
from collections.abc import Mapping
from datetime import UTC
from datetime import datetime
from typing import Any

from xautolm_core.experience.schema import Experience

MAX_MESSAGE_CHARACTERS = 300

_URL = re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s'\"<>)\]]+", re.IGNORECASE)
_FOLDER_PATH = re.compile(r"(?<![\w<./])(?:~|[A-Za-z]:)?[/\\](?:[^\s'\":;,<>|()\[\]]+)")
_ADDRESS = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?(?![\w.])")
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+")
_DOMAIN = re.compile(
    r"\b(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+"
    r"(?:com|org|net|io|ai|dev|cloud|local|localdomain|lan|internal|intern|corp|svc)\b(?::\d+)?",
    re.IGNORECASE,
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def scrub_message(text: str, *, hostname: str | None = None) -> str:
    """Return a failure message that is safe to keep and to share.

    One line of at most 300 characters; URLs, absolute paths, network addresses, mail addresses and
    host names are replaced by a word in angle brackets. Host names are found by this machine's own
    name and by common endings: that is the best that can be done without a list of all hosts.
    Scrubbing a scrubbed message changes nothing.

    Args:
        text: The message as it was raised. It must not quote the task's texts: no rule could tell
            them from the rest.
        hostname: Name of this machine; asked from the system if None.
    """
    clean = _CONTROL.sub(" ", text)
    clean = _URL.sub("<url>", clean)
    clean = _EMAIL.sub("<mail>", clean)
    clean = _FOLDER_PATH.sub("<path>", clean)
    clean = _ADDRESS.sub("<host>", clean)
    clean = _DOMAIN.sub("<host>", clean)
    clean = _without_own_name(clean, socket.gethostname() if hostname is None else hostname)
    clean = " ".join(clean.split())
    if len(clean) > MAX_MESSAGE_CHARACTERS:
        clean = clean[: MAX_MESSAGE_CHARACTERS - 3].rstrip() + "..."
    return clean


def scrub_experience(experience: Experience) -> Experience:
    """Return the experience as it may be written.

    Failure messages are scrubbed. Numbers that are not finite are left out (JSON has none, and a
    reading that is missing is null, never 0). Times are in UTC; one without a zone is taken as UTC.
    """
    started_at = experience.started_at
    failure = experience.failure
    if failure is not None:
        failure = failure.model_copy(
            update={"kind": scrub_message(failure.kind), "message": scrub_message(failure.message)}
        )
    latency = experience.latency_ms
    return experience.model_copy(
        update={
            "failure": failure,
            "scores": {
                name: score
                for name, score in experience.scores.items()
                if all(map(math.isfinite, (score.value, score.low, score.high)))
            },
            "seconds": _finite(experience.seconds),
            "latency_ms": latency if latency is None or math.isfinite(latency) else None,
            "energy": tuple(e for e in experience.energy if math.isfinite(e.joules)),
            "task_features": _finite_features(experience.task_features),
            "system_features": _finite_features(experience.system_features),
            "started_at": None if started_at is None else _utc(started_at),
            "ended_at": _utc(experience.ended_at),
        }
    )


def _without_own_name(text: str, hostname: str) -> str:
    # A short name such as "gpu" would tear other words apart.
    if len(hostname) < 4 or hostname == "localhost" or hostname in {"host", "path", "mail"}:
        return text
    return re.sub(rf"(?<!\w){re.escape(hostname)}(?!\w)", "<host>", text)


def _utc(time: datetime) -> datetime:
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def _finite(values: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in values.items() if math.isfinite(value)}


def _finite_features(features: Any) -> Any:
    return features.model_copy(
        update={
            "values": {
                name: value if value is not None and math.isfinite(value) else None
                for name, value in features.values.items()
            }
        }
    )
