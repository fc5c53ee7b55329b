"""The table of a Green AI report: a row per attempt, and the digest that an auditor checks."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Sequence
from typing import get_args

from xautolm_core.records.energy import Component
from xautolm_core.report.green.attempts import Attempt

COMPONENTS: tuple[Component, ...] = get_args(Component)
_OF_COMPONENT = ("joules", "source", "quality", "flags")
COLUMNS = (
    "experience_id",
    "experience_sha256",
    "tenant",
    "search_id",
    "trial",
    "attempt",
    "task",
    "task_fingerprint",
    "outcome",
    "failure_kind",
    "model",
    "parameters",
    "pretrained",
    "method",
    "score",
    "score_title",
    "train_seconds",
    "evaluate_seconds",
    "wall_seconds",
    "concurrent_trials",
    "device",
    "hardware",
    *(f"{component}_{what}" for component in COMPONENTS for what in _OF_COMPONENT),
    "dropped_readings",
    "ended_at",
)


def attempts_csv(attempts: Sequence[Attempt]) -> str:
    """Return all attempts as CSV (RFC 4180, UTF-8, line feeds), a header first.

    Every figure of the report is computed from this table and the assumptions that it names. What
    is not known is an empty cell; numbers have full precision.

    Args:
        attempts: In the order of the report.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for attempt in attempts:
        writer.writerow(_row(attempt))
    return text.getvalue()


def sha256_of(text: str) -> str:
    """Return the SHA-256 of a text in UTF-8, as ``sha256sum`` prints it for the file."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _row(attempt: Attempt) -> dict[str, object]:
    row: dict[str, object] = {
        "experience_id": attempt.identity,
        "experience_sha256": attempt.digest,
        "tenant": _cell(attempt.tenant),
        "search_id": _cell(attempt.search_id),
        "trial": attempt.trial_number,
        "attempt": attempt.attempt,
        "task": _cell(attempt.task_name),
        "task_fingerprint": attempt.task_fingerprint,
        "outcome": attempt.outcome.value,
        "failure_kind": _cell(attempt.failure_kind),
        "model": _cell(attempt.model),
        "parameters": attempt.parameters,
        "pretrained": attempt.pretrained,
        "method": _cell(attempt.method),
        "score": attempt.score,
        "score_title": _cell(attempt.score_title),
        "train_seconds": attempt.train_seconds,
        "evaluate_seconds": attempt.evaluate_seconds,
        "wall_seconds": attempt.wall_seconds,
        "concurrent_trials": attempt.concurrent_trials,
        "device": attempt.device,
        "hardware": _cell(attempt.hardware),
        "dropped_readings": attempt.dropped_readings,
        "ended_at": attempt.ended_at.isoformat(),
    }
    for component in COMPONENTS:
        readings = [one for one in attempt.energy if one.component == component]
        if readings:
            row[f"{component}_joules"] = sum(one.joules for one in readings)
            row[f"{component}_source"] = _cell(" ".join(sorted({r.source for r in readings})))
            row[f"{component}_quality"] = max(one.quality for one in readings)
            row[f"{component}_flags"] = " ".join(sorted({f for r in readings for f in r.flags}))
    return row


def _cell(text: str) -> str:
    """Return a text that spreadsheets do not interpret as a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
