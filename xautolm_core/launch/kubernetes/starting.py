"""Trials that have not started, or start again: why, for the user, and when that is too long."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC
from datetime import datetime
from typing import Any
from typing import Literal

from xautolm_core.launch.kubernetes import observed
from xautolm_core.launch.kubernetes.explain import Waiting
from xautolm_core.launch.kubernetes.explain import explain
from xautolm_core.launch.kubernetes.explain import failure_of
from xautolm_core.launch.kubernetes.explain import is_silent_for
from xautolm_core.launch.kubernetes.explain import limit_of
from xautolm_core.launch.kubernetes.jobs import Jobs
from xautolm_core.launch.kubernetes.notes import SpacedNotes
from xautolm_core.launch.kubernetes.records import tell_waiting
from xautolm_core.launch.kubernetes.settings import KubernetesSettings
from xautolm_core.launch.kubernetes.tracked import TrackedTrial
from xautolm_core.launch.kubernetes.watching import Seen
from xautolm_core.records.outcome import Failure

_AGAIN_SECONDS = 30.0
_FIRST_LOOK_SECONDS = 10.0
UNREADABLE = (
    "its volumes or its network are not ready; why, its events tell, which the search may not"
    " read (events: list)"
)


class Troubles:
    """What the events of Jobs and pods say, read again twice a minute at most while it is needed.

    Args:
        jobs: Reads the events.
        settings: Its limits say how long a look may be put off.
    """

    def __init__(self, jobs: Jobs, settings: KubernetesSettings) -> None:
        self._jobs = jobs
        self._again_seconds = {
            "Job": min(_AGAIN_SECONDS, settings.unschedulable_timeout_seconds / 4),
            "Pod": min(_AGAIN_SECONDS, settings.start_failure_timeout_seconds / 4),
        }
        self._read_at = dict.fromkeys(self._again_seconds, float("-inf"))
        self._found: dict[str, dict[str, str] | None] = {"Job": {}, "Pod": {}}

    def of_jobs(self, waited_seconds: float) -> Mapping[str, str]:
        """Return what keeps pods from being made, by Job.

        Args:
            waited_seconds: For how long there should have been a pod.
        """
        if waited_seconds >= self._again_seconds["Job"]:
            self._read("Job")
        return self._found["Job"] or {}

    def of_pods(self, pod: Mapping[str, Any], waited_seconds: float) -> Mapping[str, str]:
        """Return what keeps containers from being made, by pod.

        Args:
            pod: One that is being readied.
            waited_seconds: For how long it is: a volume may need a second try.
        """
        if waited_seconds >= min(_FIRST_LOOK_SECONDS, self._again_seconds["Pod"]):
            self._read("Pod")
        found = self._found["Pod"]
        if found is not None:
            return found
        conditions = pod.get("status", {}).get("conditions") or []
        is_unready = any(one.get("type") == observed.SANDBOX_READY for one in conditions)
        return {observed.name_of(pod): UNREADABLE} if is_unready else {}

    def _read(self, kind: Literal["Job", "Pod"]) -> None:
        now = time.monotonic()
        if now - self._read_at[kind] >= self._again_seconds[kind]:
            self._read_at[kind] = now
            self._found[kind] = self._jobs.troubles(kind)


class StartDelays:
    """Looks at trials that have not started, or whose pods are replaced.

    Args:
        jobs: Reads events.
        settings: For how long what is waited for.
        notes: Tells the user.
    """

    def __init__(self, jobs: Jobs, settings: KubernetesSettings, notes: SpacedNotes) -> None:
        self._settings = settings
        self._notes = notes
        self._troubles = Troubles(jobs, settings)

    def look_at(self, trial: TrackedTrial, seen: Seen) -> Failure | None:
        """Tell the user why a trial waits; return a failure once it has waited too long."""
        self._tell_replacements(trial, seen)
        return self.wait_for(trial, explain(seen.job, seen.pods, self._troubles_of(trial, seen)))

    def wait_for(self, trial: TrackedTrial, waiting: Waiting | None) -> Failure | None:
        """Tell the user what a trial waits for; return a failure once it has waited too long."""
        now = time.monotonic()
        if waiting is None or trial.waiting is None or waiting.cause is not trial.waiting.cause:
            trial.waiting_since = now
        is_news = waiting != trial.waiting
        trial.waiting = waiting
        if trial.cancelled:
            return None
        if waiting is None:
            if is_news:
                tell_waiting(trial)
            return None
        waited_seconds = now - trial.waiting_since
        if waited_seconds >= is_silent_for(waiting, self._settings):
            self._notes.warn(f"Trial {trial.spec.trial_number} waits: {waiting.text}", waiting.text)
            if is_news:
                tell_waiting(trial)
        limit_seconds = limit_of(waiting, self._settings)
        return failure_of(waiting, limit_seconds) if waited_seconds >= limit_seconds else None

    def _troubles_of(self, trial: TrackedTrial, seen: Seen) -> Mapping[str, str]:
        if trial.cancelled or seen.job is None:
            return {}
        if not seen.pods:
            launched_seconds = (datetime.now(UTC) - trial.launched_at).total_seconds()
            return self._troubles.of_jobs(launched_seconds)
        pod = seen.pods[-1]
        if observed.has_ended(pod) or not observed.is_being_readied(pod):
            trial.readied_since = None
            return {}
        if trial.readied_since is None:
            trial.readied_since = time.monotonic()
        return self._troubles.of_pods(pod, time.monotonic() - trial.readied_since)

    def _tell_replacements(self, trial: TrackedTrial, seen: Seen) -> None:
        """Tell why a trial starts again in another pod of its Job."""
        for pod in seen.pods[:-1][trial.replacements_told :]:
            trial.replacements_told += 1
            reason = observed.disruption_of(pod)
            what = "vanished" if reason is None else observed.disruption_words(reason)
            text = f"Trial {trial.spec.trial_number} starts again: its pod {what}"
            self._notes.warn(text, observed.uid_of(pod))
