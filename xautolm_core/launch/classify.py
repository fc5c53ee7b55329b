"""From what is known of a trial's end to its result. Never guesses that a trial ended ok."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from datetime import UTC
from datetime import datetime
from typing import Any

from xautolm_core.launch.protocol import Ended
from xautolm_core.outcomes import Outcome
from xautolm_core.records.attempt import TrialResult
from xautolm_core.records.failure import Failure
from xautolm_core.trial.contract import TrialSpec
from xautolm_core.trial.endings import unfinished
from xautolm_core.trial.endings import with_pruned
from xautolm_core.trial.endings import with_saved
from xautolm_core.trial.files import belongs_to
from xautolm_core.trial.saved_state import SavedState

__all__ = ["SERVER_LOST", "belongs_to", "classify"]

# Kind of the failure of trials whose fork server ended under them.
SERVER_LOST = "ForkServerLost"
# What a program that handled SIGTERM ends with, by the shell's convention.
_SIGTERM_STATUS = 128 + signal.SIGTERM


def classify(
    spec: TrialSpec,
    end: Ended | None,
    written: TrialResult | None,
    *,
    launched_at: datetime,
    ended_at: datetime,
    concurrent_trials: int,
    heartbeat: Mapping[str, Any],
    saved: SavedState | None = None,
    pruned: str = "",
) -> TrialResult:
    """Return the result of a trial that has ended.

    What the trial itself wrote wins. Without it, the reason is looked for in this order: a time
    limit of ours, evidence of a memory limit, an end that we asked for, and then the signal.

    Args:
        spec: What was asked for.
        end: What the fork server saw; None if it was lost.
        written: The trial's own result, if it wrote a valid one.
        launched_at: When the launcher was asked (UTC).
        ended_at: When the end was seen (UTC).
        concurrent_trials: Trials running when this one was started, with it.
        heartbeat: What the trial last told, for one that wrote no result; any part may be missing.
        saved: The trial's best evaluated state on disk; None if there is none.
        pruned: Why the search stopped it early, in words; empty if it did not.
    """
    peak_bytes = end.peak_bytes if end else None
    if written is not None and belongs_to(written, spec):
        result = with_saved(_reread(written, end), saved)
    else:
        outcome, failure = _explain(spec, end)
        result = unfinished(spec, outcome, failure, heartbeat, ended_at=ended_at, saved=saved)
    result = with_pruned(result, pruned)
    phases = dict(result.seconds)
    if result.started_at is not None:
        phases["startup"] = max(0.0, (_utc(result.started_at) - launched_at).total_seconds())
    return result.model_copy(
        update={
            "seconds": phases,
            "launched_at": launched_at,
            "concurrent_trials": concurrent_trials,
            "ended_at": result.ended_at or ended_at,
            "peak_host_bytes": result.peak_host_bytes or peak_bytes,
        }
    )


def _utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _reread(written: TrialResult, end: Ended | None) -> TrialResult:
    """Correct what a trial cannot know itself: who ended it, and what took its helpers away."""
    if end is None:
        return written
    if written.outcome in (Outcome.INFRA, Outcome.INVALID) and end.oom_kills and end.limit_was_hit:
        return written.model_copy(
            update={"outcome": Outcome.OOM_HOST, "failure": _memory_failure(end)}
        )
    if written.outcome is not Outcome.CANCELLED:
        return written
    # To the trial every SIGTERM looks the same.
    if end.ended_by == "wall_limit":
        return written.model_copy(
            update={"outcome": Outcome.TIMEOUT, "failure": _wall_limit_failure(None)}
        )
    if end.ended_by in (None, "shutdown"):
        failure = Failure(kind="SIGTERM", message="ended from outside")
        return written.model_copy(update={"outcome": Outcome.PREEMPTED, "failure": failure})
    return written


def _explain(spec: TrialSpec, end: Ended | None) -> tuple[Outcome, Failure]:
    if end is None:
        message = "the process that starts trials ended, and the trial with it"
        return Outcome.INFRA, Failure(kind=SERVER_LOST, message=message)
    if end.ended_by == "wall_limit":
        return Outcome.TIMEOUT, _wall_limit_failure(spec.budget.wall_limit_seconds)
    # Without a group of its own, the kills may be another trial's.
    if end.ended_by == "memory" or (
        end.oom_kills > 0 and (end.limit_was_hit or end.signal == "SIGKILL")
    ):
        return Outcome.OOM_HOST, _memory_failure(end)
    if end.ended_by == "cancel":
        return Outcome.CANCELLED, Failure(kind="Cancelled", message="ended by its search")
    if end.ended_by == "shutdown" or end.signal == "SIGTERM" or end.exit_code == _SIGTERM_STATUS:
        return Outcome.PREEMPTED, Failure(kind="SIGTERM", message="ended from outside")
    return Outcome.INFRA, _infra_failure(end)


def _wall_limit_failure(limit_seconds: float | None) -> Failure:
    limit = f" of {limit_seconds:.0f} s" if limit_seconds is not None else ""
    return Failure(kind="WallLimit", message=f"ran into the wall-clock limit{limit}")


def _memory_failure(end: Ended) -> Failure:
    if end.limit_was_hit:
        return Failure(kind="MemoryLimit", message="ran into its memory limit")
    return Failure(kind="MachineMemory", message="killed when the machine had no memory left")


def _infra_failure(end: Ended) -> Failure:
    if end.failure is not None:
        return end.failure
    if end.ended_by == "lingering":
        return Failure(kind="NoResult", message="ended without a valid result")
    if end.signal is not None:
        return Failure(kind=end.signal, message="killed by a signal, without a result")
    if end.exit_code is None:
        return Failure(kind="NotStarted", message="its process could not be started")
    kind = "NoResult" if end.exit_code == 0 else f"Exit{end.exit_code}"
    message = f"ended with status {end.exit_code}, without a valid result"
    return Failure(kind=kind, message=message)
