"""The outcomes of a trial, and the reason of a failure."""

from __future__ import annotations

from enum import StrEnum

from xautolm_core.records.base import Record


class Failure(Record):
    """Why a trial did not end ok. Carries no data of the task.

    Attributes:
        kind: Class name of the error, or the signal or limit that ended the trial.
        message: One line, scrubbed of texts and paths.
        traceback_hash: Digest of the files and functions of the stack, to find equal faults.
    """

    kind: str
    message: str = ""
    traceback_hash: str = ""


class Outcome(StrEnum):
    """How one attempt of a trial ended."""

    OK = "ok"
    PRUNED = "pruned"
    OOM_GPU = "oom_gpu"
    OOM_HOST = "oom_host"
    TIMEOUT = "timeout"
    DIVERGED = "diverged"
    INVALID = "invalid"
    INFRA = "infra"
    PREEMPTED = "preempted"
    CANCELLED = "cancelled"

    @property
    def says_something_about_configuration(self) -> bool:
        """Whether a sampler or a failure model may learn from this outcome."""
        return self not in _UNINFORMATIVE

    @property
    def is_failure(self) -> bool:
        """Whether the configuration itself failed (and it was not pruned or interrupted)."""
        return self in _FAILURES


_UNINFORMATIVE = frozenset({Outcome.INFRA, Outcome.PREEMPTED, Outcome.CANCELLED})
_FAILURES = frozenset(
    {Outcome.OOM_GPU, Outcome.OOM_HOST, Outcome.TIMEOUT, Outcome.DIVERGED, Outcome.INVALID}
)
