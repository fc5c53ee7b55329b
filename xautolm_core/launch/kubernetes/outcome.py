"""From what is known of a Job's end to the trial's outcome: a table, the first match wins."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from datetime import datetime
from typing import Any

from xautolm_core.errors import ConfigError
from xautolm_core.experience.messages import scrub_message
from xautolm_core.launch.kubernetes import observed
from xautolm_core.records.attempt import TrialResult
from xautolm_core.records.outcome import Failure
from xautolm_core.records.outcome import Outcome
from xautolm_core.trial.endings import FROM_OUTSIDE
from xautolm_core.trial.endings import exit_failure
from xautolm_core.trial.endings import wall_limit_failure
from xautolm_core.trial.remote_contract import is_settled

_DEADLINE = "DeadlineExceeded"
# Kubernetes reports whole seconds.
_CLOCK_SECONDS = 1.0


@dataclass(frozen=True)
class Facts:
    """What is known of a trial whose Job has ended, or is to be given up.

    Attributes:
        job: The Job as it was last seen; None if it vanished without having been seen.
        pods: Its pods, the oldest first; the last one is the attempt that counts.
        result: What the trial itself wrote, if it is of this attempt.
        cancelled: Whether the search ended it.
        job_gone: Whether the Job no longer exists.
        limit_seconds: What the trial may run for.
        began_at: When the trial itself began, as it last reported; None if it did not.
        given_up: Why it is not waited for any longer; None if it ended by itself.
        replacements_exceeded: Whether Kubernetes replaced its pod more often than is allowed.
        now: When this is asked (UTC).
    """

    job: Mapping[str, Any] | None = None
    pods: Sequence[Mapping[str, Any]] = ()
    result: TrialResult | None = None
    cancelled: bool = False
    job_gone: bool = False
    limit_seconds: float = float("inf")
    began_at: datetime | None = None
    given_up: Failure | None = None
    replacements_exceeded: bool = False
    now: datetime | None = None

    @property
    def last_pod(self) -> Mapping[str, Any]:
        """The newest pod; empty if there was none."""
        return self.pods[-1] if self.pods else {}


@dataclass(frozen=True)
class JobVerdict:
    """How a trial ended.

    Attributes:
        outcome: One of the list.
        failure: Why; None where the trial itself said all there is to say.
    """

    outcome: Outcome
    failure: Failure | None


def judge(facts: Facts) -> JobVerdict:
    """Return the outcome of a trial that has ended."""
    for row in _TABLE:
        verdict = row(facts)
        if verdict is not None:
            return verdict
    return _unknown(facts)


def has_evidence(facts: Facts) -> bool:
    """Whether nothing that is still to come can change the outcome.

    A Job may be seen to have failed before its pod's last state is.
    """
    if facts.cancelled or facts.given_up is not None or facts.replacements_exceeded:
        return True
    if facts.result is not None and is_settled(facts.result):
        return True
    pod = facts.last_pod
    return observed.terminated(pod) is not None or _is_disrupted(pod)


# --- the rows ---


def _told(facts: Facts) -> JobVerdict | None:
    """Return what the trial wrote: ok, pruned, oom_gpu, diverged, its own limits.

    One that was broken off cannot know why: to it every SIGTERM looks the same.
    """
    if facts.result is None or not is_settled(facts.result):
        return None
    return JobVerdict(facts.result.outcome, facts.result.failure)


def _oom_host(facts: Facts) -> JobVerdict | None:
    ended = observed.terminated(facts.last_pod) or {}
    if ended.get("reason") != "OOMKilled" or _is_disrupted(facts.last_pod):
        return None
    return _failed(Outcome.OOM_HOST, "OOMKilled", "its container ran into its memory limit")


def _timeout(facts: Facts) -> JobVerdict | None:
    """Time spent pending, pulling, fetching, importing or suspended is not the trial's."""
    if not _ran_into_deadline(facts):
        return None
    now = facts.now or datetime.now(UTC)
    seconds = observed.trial_seconds(facts.last_pod, facts.began_at, now)
    if seconds is not None and seconds + _CLOCK_SECONDS >= facts.limit_seconds:
        return JobVerdict(Outcome.TIMEOUT, wall_limit_failure(facts.limit_seconds))
    if observed.is_suspended(facts.job):
        return _failed(Outcome.PREEMPTED, "Suspended", "its deadline passed while it was suspended")
    return _failed(
        Outcome.INFRA,
        "DeadlineBeforeLimit",
        "its pod's deadline passed before the trial had run for its limit: it was pending, or its"
        " image, data or imports took too long",
    )


def _user_error(facts: Facts) -> JobVerdict | None:
    ended = observed.terminated(facts.last_pod) or {}
    if ended.get("exitCode") != ConfigError.exit_code or ended.get("signal"):
        return None
    if _is_disrupted(facts.last_pod):
        return None
    message = "the trial's command refused its input; trial.log says why"
    return _failed(Outcome.INVALID, f"Exit{ConfigError.exit_code}", message)


def _preempted(facts: Facts) -> JobVerdict | None:
    """A disruption is not a fault, but a pod that is disrupted repeatedly is one."""
    disruption = observed.condition(facts.last_pod, "DisruptionTarget")
    if facts.replacements_exceeded:
        reason = str((disruption or {}).get("reason") or "unknown")
        return _failed(
            Outcome.INFRA,
            "TooManyReplacements",
            f"its pod was disrupted {len(facts.pods)} times, at last by {reason}",
        )
    if disruption is not None:
        kind = str(disruption.get("reason") or "DisruptionTarget")
        words = observed.disruption_words(kind)
        return _failed(Outcome.PREEMPTED, kind, f"its pod {words}")
    if facts.cancelled:
        return None
    suspended = facts.job is not None and observed.condition(facts.job, "Suspended") is not None
    if suspended and (facts.job_gone or observed.end_of_job(facts.job or {}, facts.pods)):
        return _failed(Outcome.PREEMPTED, "Suspended", "its Job was suspended, and then ended")
    return None


def _infra(facts: Facts) -> JobVerdict | None:
    return JobVerdict(Outcome.INFRA, facts.given_up) if facts.given_up is not None else None


def _cancelled(facts: Facts) -> JobVerdict | None:
    if not facts.cancelled:
        return None
    return _failed(Outcome.CANCELLED, "Cancelled", "ended by its search")


def _unknown(facts: Facts) -> JobVerdict:
    """Everything else is the platform's fault; what was observed is reported."""
    if facts.result is not None and facts.result.outcome is Outcome.INFRA:
        return JobVerdict(Outcome.INFRA, facts.result.failure)
    ended = observed.terminated(facts.last_pod)
    if facts.result is not None:
        return JobVerdict(Outcome.PREEMPTED, FROM_OUTSIDE)
    if ended is not None:
        return _explain_exit(ended)
    if facts.job_gone:
        return _failed(Outcome.INFRA, "JobGone", "its Job was deleted by somebody else")
    reason = str((facts.last_pod.get("status") or {}).get("reason") or "")
    if not facts.pods or facts.last_pod.get("gone"):
        return _failed(Outcome.INFRA, "PodGone", "its pod vanished without a word")
    return _failed(Outcome.INFRA, reason or "NoResult", "its pod failed without a result")


_TABLE: tuple[Callable[[Facts], JobVerdict | None], ...] = (
    _told,
    _oom_host,
    _timeout,
    _user_error,
    _preempted,
    _infra,
    _cancelled,
)


def _ran_into_deadline(facts: Facts) -> bool:
    if (facts.last_pod.get("status") or {}).get("reason") == _DEADLINE:
        return True
    ends = (observed.condition(facts.job, kind) for kind in ("Failed", "FailureTarget"))
    return any(end is not None and end.get("reason") == _DEADLINE for end in ends)


def _is_disrupted(pod: Mapping[str, Any]) -> bool:
    return observed.condition(pod, "DisruptionTarget") is not None


def _explain_exit(ended: Mapping[str, Any]) -> JobVerdict:
    status = ended.get("exitCode")
    reason = str(ended.get("reason") or "")
    if status == 0 or reason in ("", "Error", "Completed"):
        return JobVerdict(Outcome.INFRA, exit_failure(status))
    return _failed(Outcome.INFRA, reason, f"its container ended with status {status}")


def _failed(outcome: Outcome, kind: str, message: str) -> JobVerdict:
    return JobVerdict(outcome, Failure(kind=kind, message=scrub_message(message)))
