"""A trial that the launcher looks after, and what is added to its result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from datetime import UTC
from datetime import datetime
from typing import Any

from xautolm_core.launch.contract import TrialHandle
from xautolm_core.launch.kubernetes.explain import Waiting
from xautolm_core.launch.kubernetes.outcome import JobVerdict
from xautolm_core.records.attempt import TrialResult
from xautolm_core.records.outcome import Failure
from xautolm_core.trial.contract import TrialSpec
from xautolm_core.trial.endings import unfinished
from xautolm_core.trial.endings import with_launch
from xautolm_core.trial.heartbeat_facts import as_utc
from xautolm_core.trial.heartbeat_facts import started_at_of

Key = tuple[str, int, int]


@dataclass
class TrackedTrial:
    """A trial of this launcher, from submit or adopt on. Moments without a date are monotonic.

    ``manifest`` is that of a Job which cannot be created yet, because another one has its name.
    """

    spec: TrialSpec
    job_name: str
    launched_at: datetime
    concurrent: int
    cancelled: bool = False
    pruned: str = ""
    job_deleted: bool = False
    result: TrialResult | None = None
    waiting: Waiting | None = None
    waiting_since: float = 0.0
    end_seen_at: float | None = None
    reread_at: float = 0.0
    heartbeat_at: float = 0.0
    readied_since: float | None = None
    created_at: float = 0.0
    manifest: Mapping[str, Any] | None = None
    replacements_told: int = 0
    heartbeat: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> Key:
        """Its unique key among all attempts."""
        return (self.spec.search_id, self.spec.trial_number, self.spec.attempt)

    @property
    def handle(self) -> TrialHandle:
        """The handle that is given out."""
        return TrialHandle.of(self.spec, self.job_name)

    def began_at(self, result: TrialResult | None) -> datetime | None:
        """Return when the trial itself began (UTC), as its result or heartbeat reports."""
        if result is not None and result.started_at is not None:
            return as_utc(result.started_at)
        return started_at_of(self.heartbeat)


def key_of(handle: TrialHandle) -> Key:
    """Return the key of a handle's trial."""
    return (handle.search_id, handle.trial_number, handle.attempt)


def complete(trial: TrackedTrial, told: TrialResult | None, verdict: JobVerdict) -> TrialResult:
    """Return the result of a trial: its own, corrected, with what only the launcher knows."""
    spec, now = trial.spec, datetime.now(UTC)
    failure = verdict.failure or Failure(kind="NoResult")
    result = told or unfinished(spec, verdict.outcome, failure, trial.heartbeat, ended_at=now)
    return with_launch(
        result.model_copy(update={"outcome": verdict.outcome, "failure": verdict.failure}),
        launched_at=trial.launched_at,
        concurrent_trials=trial.concurrent,
        ended_at=now,
        pruned=trial.pruned,
    )
