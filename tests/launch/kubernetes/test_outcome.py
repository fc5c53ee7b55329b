"""The outcome table: each row, and which of two rows wins."""

from __future__ import annotations

from datetime import UTC
from datetime import datetime
from datetime import timedelta
from typing import Any

import pytest

from xautolm_core.launch.kubernetes.outcome import Facts
from xautolm_core.launch.kubernetes.outcome import has_evidence
from xautolm_core.launch.kubernetes.outcome import judge
from xautolm_core.records.attempt import TrialResult
from xautolm_core.records.outcome import Failure
from xautolm_core.records.outcome import Outcome

DISRUPTED = {"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}
BEGAN = datetime(2026, 11, 26, 10, 0, 10, tzinfo=UTC)
NOW = datetime(2026, 11, 26, 10, 10, tzinfo=UTC)


def told(outcome: str) -> TrialResult:
    return TrialResult(search_id="s", trial_number=0, outcome=Outcome(outcome))


def pod(
    ended_by: str = "", code: int | None = None, /, *, seconds: int = 10, **status: Any
) -> dict[str, Any]:
    if code is not None:
        ended = {
            "reason": ended_by,
            "exitCode": code,
            "startedAt": "2026-11-26T10:00:00Z",
            "finishedAt": f"2026-11-26T10:00:{seconds:02d}Z",
        }
        status["containerStatuses"] = [{"name": "trial", "state": {"terminated": ended}}]
    return {"metadata": {"name": "p", "uid": "u"}, "status": {"phase": "Failed", **status}}


def job(*conditions: tuple[str, str]) -> dict[str, Any]:
    return {
        "metadata": {"name": "j"},
        "status": {
            "conditions": [{"type": t, "status": "True", "reason": r} for t, r in conditions]
        },
    }


OOM = pod("OOMKilled", 137)
LATE = pod("Error", 137, seconds=59, reason="DeadlineExceeded")
GIVEN_UP = Failure(kind="ImagePull")
ROWS: list[tuple[str, Facts, Outcome]] = [
    *(
        (f"told {o}", Facts(pods=[OOM], result=told(o), cancelled=True), Outcome(o))
        for o in ("ok", "pruned", "oom_gpu", "oom_host", "timeout", "diverged", "invalid")
    ),
    ("oom", Facts(pods=[OOM]), Outcome.OOM_HOST),
    ("oom before cancelled", Facts(pods=[OOM], cancelled=True), Outcome.OOM_HOST),
    ("oom, though it told infra", Facts(pods=[OOM], result=told("infra")), Outcome.OOM_HOST),
    ("oom of an older pod", Facts(pods=[OOM, pod("Error", 1)]), Outcome.INFRA),
    ("drained: 137", Facts(pods=[pod("Error", 137, conditions=[DISRUPTED])]), Outcome.PREEMPTED),
    (
        "drained, oom",
        Facts(pods=[pod("OOMKilled", 137, conditions=[DISRUPTED])]),
        Outcome.PREEMPTED,
    ),
    ("deadline of the pod", Facts(pods=[LATE], limit_seconds=50, began_at=BEGAN), Outcome.TIMEOUT),
    (
        "deadline, told cancelled",
        Facts(pods=[LATE], limit_seconds=50, began_at=BEGAN, result=told("cancelled")),
        Outcome.TIMEOUT,
    ),
    (
        "deadline before the limit",
        Facts(pods=[LATE], limit_seconds=300, began_at=BEGAN),
        Outcome.INFRA,
    ),
    (
        "deadline, the container ran for the limit, the trial did not",
        Facts(pods=[LATE], limit_seconds=55, began_at=BEGAN),
        Outcome.INFRA,
    ),
    ("deadline, never began", Facts(pods=[LATE], limit_seconds=50), Outcome.INFRA),
    (
        "deadline, an older pod's trial began",
        Facts(pods=[LATE], limit_seconds=50, began_at=BEGAN - timedelta(seconds=11)),
        Outcome.INFRA,
    ),
    ("deadline, never ran", Facts(pods=[pod(reason="DeadlineExceeded")]), Outcome.INFRA),
    (
        "deadline of the Job",
        Facts(
            job=job(("Failed", "DeadlineExceeded")),
            pods=[pod("Error", 143, seconds=59)],
            limit_seconds=30,
            began_at=BEGAN,
        ),
        Outcome.TIMEOUT,
    ),
    (
        "deadline of the Job, suspended",
        Facts(job=job(("Failed", "DeadlineExceeded"), ("Suspended", ""))),
        Outcome.PREEMPTED,
    ),
    ("refused input", Facts(pods=[pod("Error", 2)]), Outcome.INVALID),
    (
        "told cancelled, not by us",
        Facts(pods=[pod("Error", 0)], result=told("cancelled")),
        Outcome.PREEMPTED,
    ),
    ("suspended and deleted", Facts(job=job(("Suspended", "")), job_gone=True), Outcome.PREEMPTED),
    ("given up", Facts(given_up=GIVEN_UP, cancelled=True), Outcome.INFRA),
    ("cancelled", Facts(pods=[pod("Error", 143)], cancelled=True), Outcome.CANCELLED),
    ("cancelled, pod gone", Facts(job_gone=True, cancelled=True), Outcome.CANCELLED),
    ("told cancelled, by us", Facts(result=told("cancelled"), cancelled=True), Outcome.CANCELLED),
    ("nothing known", Facts(), Outcome.INFRA),
    ("another status", Facts(pods=[pod("Error", 70)]), Outcome.INFRA),
    (
        "replaced too often",
        Facts(pods=[pod("Error", 137, conditions=[DISRUPTED])], replacements_exceeded=True),
        Outcome.INFRA,
    ),
]


@pytest.mark.parametrize(("facts", "outcome"), [r[1:] for r in ROWS], ids=[r[0] for r in ROWS])
def test_row(facts: Facts, outcome: Outcome) -> None:
    verdict = judge(facts)
    assert verdict.outcome is outcome
    assert verdict.failure is not None or facts.result is not None


def test_a_container_that_still_runs_counts_until_now() -> None:
    running = {"name": "trial", "state": {"running": {"startedAt": "2026-11-26T10:00:00Z"}}}
    late = pod(reason="DeadlineExceeded", containerStatuses=[running])
    for limit_seconds, outcome in ((500, Outcome.TIMEOUT), (700, Outcome.INFRA)):
        facts = Facts(pods=[late], limit_seconds=limit_seconds, began_at=BEGAN, now=NOW)
        assert judge(facts).outcome is outcome


def test_evidence() -> None:
    assert has_evidence(Facts(pods=[OOM]))
    assert has_evidence(Facts(result=told("ok")))
    assert not has_evidence(Facts(pods=[pod()]))
    assert not has_evidence(Facts(result=told("cancelled")))


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("EvictionByEvictionAPI", "evicted"),
        ("PreemptionByScheduler", "preempted by a pod"),
        ("TerminationByKubelet", "ended by its node"),
        ("DeletionByTaintManager", "its node was lost"),
        ("DeletionByPodGC", "its node is gone"),
        ("AnotherOne", "evicted or preempted"),
    ],
)
def test_a_disruption_is_told_in_words(reason: str, words: str) -> None:
    verdict = judge(Facts(pods=[pod("Error", 137, conditions=[{**DISRUPTED, "reason": reason}])]))
    assert verdict.failure is not None
    assert (verdict.outcome, verdict.failure.kind) == (Outcome.PREEMPTED, reason)
    assert words in verdict.failure.message
    assert "<" not in verdict.failure.message  # scrubbed of nothing
