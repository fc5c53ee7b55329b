"""From the end of a trial's process, as whoever watched it saw it, to the trial's result."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from datetime import UTC
from datetime import datetime
from typing import Any
from typing import Literal

from xautolm_core.records.attempt import TrialResult
from xautolm_core.records.base import Record
from xautolm_core.records.outcome import Failure
from xautolm_core.records.outcome import Outcome
from xautolm_core.trial.checkpoint_manifest import chain_facts
from xautolm_core.trial.contract import RESULT_FILE
from xautolm_core.trial.contract import TrialSpec
from xautolm_core.trial.files import belongs_to
from xautolm_core.trial.files import read_heartbeat
from xautolm_core.trial.files import read_result
from xautolm_core.trial.heartbeat_facts import as_utc
from xautolm_core.trial.heartbeat_facts import energy_of
from xautolm_core.trial.heartbeat_facts import evaluations_of
from xautolm_core.trial.heartbeat_facts import progress_of
from xautolm_core.trial.heartbeat_facts import seconds_of
from xautolm_core.trial.saved_state import SavedState
from xautolm_core.trial.saved_state import claim_saved
from xautolm_core.trial.sigterm import TERMINATED_EXIT_CODE
from xautolm_core.whole_files import write_json

SERVER_LOST = "ForkServerLost"
"""Kind of the failure of trials whose fork server ended under them."""

EndedBy = Literal[
    "startup", "wall_limit", "memory", "cancel", "termination", "lingering", "shutdown"
]
"""``termination``: its supervisor was asked to end, and passed that on. ``shutdown``: somebody else
asked the fork server to end."""

FROM_OUTSIDE = Failure(kind="SIGTERM", message="ended from outside")
"""Of trials that somebody else ended by SIGTERM."""
_STARTUP_LIMIT = Failure(kind="StartupLimit", message="did not begin in time")
_NO_RESULT = Failure(kind="NoResult", message="ended without a valid result")


class ProcessEnd(Record):
    """How a trial's process ended, and all that it started with it.

    Attributes:
        exit_code: None if a signal ended it, or it never ran.
        signal: Name of the signal that ended it, such as ``SIGKILL``.
        ended_by: Why whoever watches it ended it; None if that did not.
        oom_kills: Processes that the kernel killed for lack of memory: in the trial's group or
            container, or without one, in the launcher's group while the trial ran.
        limit_was_hit: Whether the memory limit of the trial itself, or of its container, was
            reached.
        has_supervisor: Whether a supervisor in the trial's container watched it: the platform's
            SIGTERM goes to that one, which passes it on as ``termination``.
        peak_bytes: The most memory that it was seen to have.
        failure: An exception that left it, the failure that it returned, or what kept it from
            starting.
    """

    exit_code: int | None = None
    signal: str | None = None
    ended_by: EndedBy | None = None
    oom_kills: int = 0
    limit_was_hit: bool = False
    has_supervisor: bool = False
    peak_bytes: int | None = None
    failure: Failure | None = None


def signal_name(number: int) -> str:
    """Return the name of a signal; that of a real-time signal contains its number."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIG{number}"


def wall_limit_failure(limit_seconds: float | None) -> Failure:
    """Return the failure of a trial that ran into its wall-clock limit."""
    limit = "" if limit_seconds is None else f" of {limit_seconds:.0f} s"
    return Failure(kind="WallLimit", message=f"ran into the wall-clock limit{limit}")


def exit_failure(status: int | None) -> Failure:
    """Return the failure of a process that ended without a valid result.

    Args:
        status: What it ended with; None if nobody knows.
    """
    if not status:
        return _NO_RESULT
    message = f"ended with status {status}, without a valid result"
    return Failure(kind=f"Exit{status}", message=message)


def result_of_end(
    spec: TrialSpec,
    end: ProcessEnd | None,
    written: TrialResult | None,
    heartbeat: Mapping[str, Any],
    saved: SavedState | None = None,
    *,
    ended_at: datetime | None = None,
) -> TrialResult:
    """Return the result of a trial whose process has ended. Never guesses that it ended ok.

    What the trial itself wrote stands, but for what it cannot know: who sent SIGTERM, and what took
    its helpers away. Without it, the reason is looked for in this order: a time limit of ours,
    evidence of a memory limit, an end that somebody asked for, and then the signal or the status.

    Args:
        spec: What was asked for.
        end: How the process ended; None if the fork server was lost.
        written: The trial's own result, if it wrote a valid one.
        heartbeat: Its last heartbeat; any part may be missing.
        saved: The state of it that is on disk, if there is one.
        ended_at: When the end was seen (UTC); now if None.
    """
    if written is not None and belongs_to(written, spec):
        return with_saved(_reread(spec, written, end), saved)
    outcome, failure = _explain(spec, end)
    return unfinished(spec, outcome, failure, heartbeat, ended_at=ended_at, saved=saved)


def with_launch(
    result: TrialResult,
    *,
    launched_at: datetime,
    concurrent_trials: int,
    ended_at: datetime,
    peak_bytes: int | None = None,
    pruned: str = "",
) -> TrialResult:
    """Return a result with what only its launcher knows.

    Args:
        result: How the trial ended.
        launched_at: When the launcher was asked (UTC).
        concurrent_trials: Trials running when this one was started, with it.
        ended_at: When the end was seen (UTC).
        peak_bytes: The most memory that was seen; for a trial that did not measure itself.
        pruned: Why the search stopped it early, in words; empty if it did not.
    """
    phases = dict(result.seconds)
    if result.started_at is not None:
        phases["startup"] = max(0.0, (as_utc(result.started_at) - launched_at).total_seconds())
    found = result.model_copy(
        update={
            "seconds": phases,
            "launched_at": launched_at,
            "concurrent_trials": concurrent_trials,
            "ended_at": result.ended_at or ended_at,
            "peak_host_bytes": result.peak_host_bytes or peak_bytes,
        }
    )
    return with_pruned(found, pruned)


def result_of_process(
    spec: TrialSpec,
    status: int,
    *,
    launched_at: datetime,
    concurrent_trials: int = 1,
    ended_by: EndedBy | None = None,
    pruned: str = "",
) -> TrialResult:
    """Return the result of a trial that ran as ``python -m xautolm_core.trial``, and keep it.

    Args:
        spec: The trial; its folder is on this machine.
        status: What the process ended with; of a signal its negative number.
        launched_at: When the launcher was asked for it (UTC).
        concurrent_trials: Trials running when this one was started, with it.
        ended_by: Why the launcher ended it; None if it did not.
        pruned: Why the search stopped it early, in words; empty if it did not.

    Raises:
        OSError: The trial's folder cannot be written.
    """
    written, heartbeat = read_result(spec.out_folder), read_heartbeat(spec.out_folder) or {}
    end = ProcessEnd(
        exit_code=status if status >= 0 else None,
        signal=signal_name(-status) if status < 0 else None,
        ended_by=ended_by,
    )
    result = with_launch(
        result_of_end(spec, end, written, heartbeat, claim_saved(spec)),
        launched_at=launched_at,
        concurrent_trials=concurrent_trials,
        ended_at=datetime.now(UTC),
        pruned=pruned,
    )
    write_json(spec.out_folder / RESULT_FILE, result)
    return result


def with_saved(result: TrialResult, saved: SavedState | None) -> TrialResult:
    """Return a result with what is on disk of the trial's best evaluated state.

    A trial that ran into its wall limit hands that state over: it is ``ok``, and cut. Any other
    that is not ok keeps its outcome, and names the state.

    Args:
        result: How the trial ended.
        saved: The state; None if there is none that is whole.
    """
    if result.outcome is Outcome.OK:
        return result
    if saved is None:
        return result.model_copy(update={"model_folder": None, "saved_scores": {}})
    if result.outcome is Outcome.TIMEOUT:
        progress = result.progress
        return result.model_copy(
            update={
                "progress": progress.model_copy(update={"scheduled_steps": progress.steps}),
                "outcome": Outcome.OK,
                "cut_by": "wall",
                "failure": None,
                "scores": saved.result.scores,
                "saved_scores": {},
                "model_folder": saved.model_folder,
            }
        )
    return result.model_copy(
        update={"saved_scores": saved.result.scores, "model_folder": saved.model_folder}
    )


def with_pruned(result: TrialResult, pruned: str) -> TrialResult:
    """Return a result that says so if the search has stopped its trial early.

    To the trial that was an end by SIGTERM like any other. One that ended otherwise meanwhile keeps
    its outcome.

    Args:
        result: How the trial ended.
        pruned: Why it was stopped, in words; empty if it was not.
    """
    if not pruned or result.outcome is not Outcome.CANCELLED:
        return result
    failure = Failure(kind="StoppedEarly", message=pruned)
    return result.model_copy(update={"outcome": Outcome.PRUNED, "failure": failure})


def unfinished(
    spec: TrialSpec,
    outcome: Outcome,
    failure: Failure,
    heartbeat: Mapping[str, Any],
    *,
    ended_at: datetime | None = None,
    saved: SavedState | None = None,
) -> TrialResult:
    """Return the result of a trial that wrote none.

    Args:
        spec: The trial.
        outcome: How it ended.
        failure: Why.
        heartbeat: Its last heartbeat; any part may be missing.
        ended_at: When (UTC); now if None.
        saved: The state of it that is on disk, if there is one: its facts stand where the heartbeat
            has none.
    """
    # A state's result is of this attempt, and older than the heartbeat.
    known = TrialResult(
        search_id=spec.search_id,
        trial_number=spec.trial_number,
        attempt=spec.attempt,
        outcome=outcome,
        threads=spec.threads,
    )
    if saved is not None:
        known = saved.result.model_copy(update={"scores": {}})
    progress = known.progress
    told = progress_of(heartbeat)
    if told.steps >= progress.steps:
        progress = progress.model_copy(update=told.model_dump(exclude_unset=True))
    result = known.model_copy(
        update={
            "outcome": outcome,
            "failure": failure,
            "seconds": {**known.seconds, **seconds_of(heartbeat)},
            "progress": progress,
            # Those of the state are a beginning of the heartbeat's.
            "evaluations": max(known.evaluations, evaluations_of(heartbeat), key=len),
            "energy": energy_of(heartbeat) or known.energy,
            "ended_at": ended_at or datetime.now(UTC),
        }
    )
    chain = chain_facts(spec, result.seconds, result.energy_joules)
    return with_saved(result.model_copy(update=chain), saved)


def terminated(spec: TrialSpec) -> TrialResult:
    """Return the result of a trial that received SIGTERM before it was started."""
    return unfinished(spec, Outcome.CANCELLED, FROM_OUTSIDE, {})


def _reread(spec: TrialSpec, written: TrialResult, end: ProcessEnd | None) -> TrialResult:
    """Correct what a trial cannot know itself: who ended it, and what took its helpers away."""
    if end is None:
        return written
    told = written.outcome
    if told in (Outcome.INFRA, Outcome.INVALID) and end.oom_kills and end.limit_was_hit:
        found = Outcome.OOM_HOST, _memory_failure(end)
    # To the trial every SIGTERM looks the same.
    elif told is Outcome.CANCELLED and end.ended_by in ("wall_limit", "startup"):
        found = _explain(spec, end)
    elif (
        told is Outcome.CANCELLED and end.ended_by in (None, "shutdown") and not end.has_supervisor
    ):
        found = Outcome.PREEMPTED, FROM_OUTSIDE
    else:
        return written
    return written.model_copy(update=dict(zip(("outcome", "failure"), found, strict=True)))


def _explain(  # noqa: PLR0911  (a list of cases)
    spec: TrialSpec, end: ProcessEnd | None
) -> tuple[Outcome, Failure]:
    if end is None:
        message = "the process that starts trials ended, and the trial with it"
        return Outcome.INFRA, Failure(kind=SERVER_LOST, message=message)
    if end.ended_by == "wall_limit":
        return Outcome.TIMEOUT, wall_limit_failure(spec.budget.wall_limit_seconds)
    if end.ended_by == "startup":
        return Outcome.INFRA, _STARTUP_LIMIT
    if _is_out_of_memory(end):
        return Outcome.OOM_HOST, _memory_failure(end)
    if end.ended_by == "cancel":
        return Outcome.CANCELLED, Failure(kind="Cancelled", message="ended by its search")
    if end.ended_by == "termination":
        # The launcher knows why its supervisor was asked to end.
        return Outcome.CANCELLED, FROM_OUTSIDE
    if end.ended_by == "lingering":
        # By SIGTERM of ours, so that how its process ended says nothing.
        return Outcome.INFRA, end.failure or _NO_RESULT
    if _is_from_outside(end):
        return Outcome.PREEMPTED, FROM_OUTSIDE
    return Outcome.INFRA, _infra_failure(end)


def _is_out_of_memory(end: ProcessEnd) -> bool:
    if end.ended_by == "memory":
        return True
    # Without a group of its own, the kills may be another trial's. Below a supervisor they may be
    # of a helper while the trial ended as requested.
    is_its_own = end.limit_was_hit and not end.has_supervisor
    return end.oom_kills > 0 and (is_its_own or end.signal == "SIGKILL")


def _is_from_outside(end: ProcessEnd) -> bool:
    if end.has_supervisor:
        return False  # which would have passed it on
    is_sigterm = end.signal == "SIGTERM" or end.exit_code == TERMINATED_EXIT_CODE
    return end.ended_by == "shutdown" or is_sigterm


def _memory_failure(end: ProcessEnd) -> Failure:
    if end.limit_was_hit:
        return Failure(kind="MemoryLimit", message="ran into its memory limit")
    return Failure(kind="MachineMemory", message="killed when the machine had no memory left")


def _infra_failure(end: ProcessEnd) -> Failure:
    if end.failure is not None:
        return end.failure
    if end.signal is not None:
        return Failure(kind=end.signal, message="killed by a signal, without a result")
    if end.exit_code is None:
        return Failure(kind="NotStarted", message="its process could not be started")
    return exit_failure(end.exit_code)
