"""From the end of a trial's process, as its supervisor saw it, to the trial's result."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from datetime import datetime
from typing import Any

from xautolm_core.outcomes import Outcome
from xautolm_core.records.attempt import TrialResult
from xautolm_core.records.failure import Failure
from xautolm_core.trial.checkpoint_manifest import chain_facts
from xautolm_core.trial.contract import TrialSpec
from xautolm_core.trial.files import belongs_to
from xautolm_core.trial.heartbeat_facts import energy_of
from xautolm_core.trial.heartbeat_facts import evaluations_of
from xautolm_core.trial.heartbeat_facts import progress_of
from xautolm_core.trial.heartbeat_facts import seconds_of
from xautolm_core.trial.saved_state import SavedState
from xautolm_core.trial.supervise import ProcessEnd

_WALL_LIMIT = Failure(kind="WallLimit", message="ran into the wall-clock limit")
_STARTUP_LIMIT = Failure(kind="StartupLimit", message="did not begin in time")
_MEMORY_LIMIT = Failure(kind="MemoryLimit", message="ran into the memory limit of its container")
_TERMINATED = Failure(kind="SIGTERM", message="ended from outside")


def result_of_end(
    spec: TrialSpec,
    end: ProcessEnd,
    written: TrialResult | None,
    heartbeat: Mapping[str, Any],
    saved: SavedState | None = None,
) -> TrialResult:
    """Return the result of a trial whose process has ended.

    What the trial itself wrote stands, but for what it cannot know: who sent SIGTERM, and what took
    its helpers away.

    Args:
        spec: What was asked for.
        end: How the process ended.
        written: The trial's own result, if it wrote a valid one.
        heartbeat: What it last told; any part may be missing.
        saved: The state of it that is on disk, if there is one.
    """
    if written is not None and belongs_to(written, spec):
        return with_saved(_reread(written, end), saved)
    outcome, failure = _explain(end)
    return unfinished(spec, outcome, failure, heartbeat, saved=saved)


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
        heartbeat: What it last told; any part may be missing.
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
    """Return the result of a trial that SIGTERM met before it was started."""
    return unfinished(spec, Outcome.CANCELLED, _TERMINATED, {})


def _reread(written: TrialResult, end: ProcessEnd) -> TrialResult:
    if written.outcome is Outcome.CANCELLED and end.ended_by == "wall_limit":
        return written.model_copy(update={"outcome": Outcome.TIMEOUT, "failure": _WALL_LIMIT})
    if written.outcome is Outcome.CANCELLED and end.ended_by == "startup":
        return written.model_copy(update={"outcome": Outcome.INFRA, "failure": _STARTUP_LIMIT})
    if written.outcome in (Outcome.INFRA, Outcome.INVALID) and end.oom_kills:
        return written.model_copy(update={"outcome": Outcome.OOM_HOST, "failure": _MEMORY_LIMIT})
    return written


def _explain(end: ProcessEnd) -> tuple[Outcome, Failure]:
    if end.ended_by == "wall_limit":
        return Outcome.TIMEOUT, _WALL_LIMIT
    if end.ended_by == "startup":
        return Outcome.INFRA, _STARTUP_LIMIT
    if end.ended_by == "memory" or (end.signal == "SIGKILL" and end.oom_kills):
        return Outcome.OOM_HOST, _MEMORY_LIMIT
    if end.ended_by == "termination":
        return Outcome.CANCELLED, _TERMINATED
    if end.signal is not None:
        message = "killed by a signal, without a result"
        return Outcome.INFRA, Failure(kind=end.signal, message=message)
    message = f"ended with status {end.exit_code}, without a valid result"
    kind = f"Exit{end.exit_code}" if end.exit_code else "NoResult"
    return Outcome.INFRA, Failure(kind=kind, message=message)
