"""From the end of a trial's process to its result."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from xautolm_core.records.attempt import TrialResult
from xautolm_core.records.outcome import Failure
from xautolm_core.records.outcome import Outcome
from xautolm_core.trial.contract import TrialSpec
from xautolm_core.trial.endings import ProcessEnd
from xautolm_core.trial.endings import result_of_end

MakeSpec = Callable[..., TrialSpec]


def watched(**facts: object) -> ProcessEnd:
    """Return the end of a process as the supervisor in its container saw it."""
    return ProcessEnd.model_validate({"has_supervisor": True, **facts})


def taken(**facts: object) -> ProcessEnd:
    """Return the end of a process that the kernel took something of at its memory limit."""
    return watched(oom_kills=1, limit_was_hit=True, **facts)


@pytest.mark.parametrize(
    ("end", "outcome", "kind"),
    [
        (ProcessEnd(exit_code=0), Outcome.INFRA, "NoResult"),
        (ProcessEnd(exit_code=3), Outcome.INFRA, "Exit3"),
        (ProcessEnd(signal="SIGSEGV"), Outcome.INFRA, "SIGSEGV"),
        (ProcessEnd(signal="SIGKILL"), Outcome.INFRA, "SIGKILL"),
        (
            taken(signal="SIGKILL"),
            Outcome.OOM_HOST,
            "MemoryLimit",
        ),
        (ProcessEnd(signal="SIGSEGV", oom_kills=1), Outcome.INFRA, "SIGSEGV"),
        (
            ProcessEnd(signal="SIGKILL", ended_by="memory", limit_was_hit=True),
            Outcome.OOM_HOST,
            "MemoryLimit",
        ),
        (ProcessEnd(signal="SIGKILL", ended_by="wall_limit"), Outcome.TIMEOUT, "WallLimit"),
        (ProcessEnd(signal="SIGTERM", ended_by="startup"), Outcome.INFRA, "StartupLimit"),
        (watched(signal="SIGKILL", ended_by="termination"), Outcome.CANCELLED, "SIGTERM"),
        (watched(exit_code=143, ended_by="termination"), Outcome.CANCELLED, "SIGTERM"),
        (watched(signal="SIGTERM", ended_by="lingering"), Outcome.INFRA, "NoResult"),
        # Only a helper was taken, or it was on the way to its end.
        (taken(signal="SIGTERM", ended_by="termination"), Outcome.CANCELLED, "SIGTERM"),
        (taken(exit_code=143, ended_by="termination"), Outcome.CANCELLED, "SIGTERM"),
        (taken(signal="SIGKILL", ended_by="termination"), Outcome.OOM_HOST, "MemoryLimit"),
        (taken(exit_code=1), Outcome.INFRA, "Exit1"),
        # The platform's SIGTERM goes to the supervisor.
        (watched(signal="SIGTERM"), Outcome.INFRA, "SIGTERM"),
        (watched(exit_code=143), Outcome.INFRA, "Exit143"),
    ],
)
def test_without_a_result(
    make_spec: MakeSpec, end: ProcessEnd, outcome: Outcome, kind: str
) -> None:
    heartbeat = {
        "step": 4,
        "seconds": {"train": 2.5},
        "energy": [{"component": "gpu", "joules": 7.0, "source": "nvml", "quality": "A"}],
        "evaluations": [{"epoch": 1, "score": 0.5, "seconds": 2.0}, {"epoch": 2}],
    }
    result = result_of_end(make_spec(), end, None, heartbeat)
    assert (result.outcome, result.failure and result.failure.kind) == (outcome, kind)
    assert result.progress.steps == 4
    assert result.seconds == {"train": 2.5}
    assert [reading.joules for reading in result.energy] == [7.0]
    assert [(one.epoch, one.score) for one in result.evaluations] == [(1, 0.5)]
    assert result.ended_at is not None


@pytest.mark.parametrize(
    ("written", "end", "outcome"),
    [
        (Outcome.OK, ProcessEnd(signal="SIGKILL", ended_by="lingering"), Outcome.OK),
        (Outcome.OK, ProcessEnd(exit_code=0, ended_by="termination"), Outcome.OK),
        (Outcome.DIVERGED, ProcessEnd(exit_code=0), Outcome.DIVERGED),
        (Outcome.CANCELLED, watched(exit_code=0, ended_by="termination"), Outcome.CANCELLED),
        (Outcome.CANCELLED, watched(exit_code=0), Outcome.CANCELLED),
        (Outcome.CANCELLED, ProcessEnd(exit_code=0, ended_by="wall_limit"), Outcome.TIMEOUT),
        (Outcome.CANCELLED, ProcessEnd(exit_code=0, ended_by="startup"), Outcome.INFRA),
        (Outcome.INFRA, taken(exit_code=0), Outcome.OOM_HOST),
        (
            Outcome.INVALID,
            taken(exit_code=0),
            Outcome.OOM_HOST,
        ),
        (Outcome.INVALID, ProcessEnd(exit_code=0), Outcome.INVALID),
        (
            Outcome.OOM_GPU,
            taken(exit_code=0),
            Outcome.OOM_GPU,
        ),
    ],
)
def test_what_the_trial_wrote_stands_but_for_what_it_cannot_know(
    make_spec: MakeSpec, written: Outcome, end: ProcessEnd, outcome: Outcome
) -> None:
    spec = make_spec()
    result = TrialResult(
        search_id="test", trial_number=0, outcome=written, failure=Failure(kind="its own")
    )
    found = result_of_end(spec, end, result, {})
    assert found.outcome is outcome
    assert (found == result) == (outcome is written)


def test_a_result_of_another_attempt_is_none(make_spec: MakeSpec) -> None:
    other = TrialResult(search_id="test", trial_number=0, attempt=1, outcome=Outcome.OK)
    found = result_of_end(make_spec(), ProcessEnd(exit_code=0), other, {})
    assert (found.outcome, found.attempt) == (Outcome.INFRA, 0)


@pytest.mark.parametrize("heartbeat", [{"energy": 3, "seconds": [], "step": "x"}, {"energy": [{}]}])
def test_a_heartbeat_of_nonsense_does_no_harm(
    make_spec: MakeSpec, heartbeat: dict[str, object]
) -> None:
    found = result_of_end(make_spec(), ProcessEnd(exit_code=1), None, heartbeat)
    assert (found.seconds, found.energy, found.progress.steps) == ({}, (), 0)
