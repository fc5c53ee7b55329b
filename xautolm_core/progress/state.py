"""The state of a running search that every view shows."""

from __future__ import annotations

import time
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from typing import TYPE_CHECKING
from typing import Any

from xautolm_core.report.wording import count_words
from xautolm_core.report.wording import seconds_words
from xautolm_core.trial.heartbeat_facts import waits_for

if TYPE_CHECKING:
    from xautolm_core.records.configuration import Configuration
    from xautolm_core.records.outcome import Outcome
    from xautolm_core.search.contract import SearchSpec
    from xautolm_core.search.contract import TrialRecord
    from xautolm_core.search.contract import WarmStartReport


@dataclass
class ShownTrial:
    """A trial that was launched and has not ended.

    Attributes:
        number: Its number.
        configuration: Its configuration.
        launched: Monotonic seconds of the launch.
        heartbeat: Its last heartbeat.
    """

    number: int
    configuration: Configuration
    launched: float
    heartbeat: Mapping[str, Any] = field(default_factory=dict)

    @property
    def share_done(self) -> float:
        """Share of the scheduled steps that were done, in [0, 1]."""
        scheduled = int(self.heartbeat.get("scheduled_steps") or 0)
        steps = int(self.heartbeat.get("step") or 0)
        return min(steps / scheduled, 1.0) if scheduled > 0 else 0.0

    @property
    def phase(self) -> str:
        """The phase that it is in."""
        return str(self.heartbeat.get("phase") or "starting")

    @property
    def waits_for(self) -> str:
        """What it waits for, if it has not begun and its launcher knows."""
        return waits_for(self.heartbeat)


@dataclass
class SearchProgress:
    """The state of a search, built from its events.

    Attributes:
        spec: The search.
        began: Monotonic seconds of the start.
        phase: The phase that it is in, with its detail.
        running: Trials that run.
        resumed: Whether it is a resumed search; trials of earlier runs are not reported again.
        done: Trials that have ended since the start or the resume.
        outcomes: How they ended.
        highest: Highest trial number so far; trials are numbered without gaps.
        front: The Pareto front as of now.
        best: The best trial as of now.
        seconds_left: Of the budget, or None without one.
    """

    spec: SearchSpec
    resumed: bool = False
    began: float = field(default_factory=time.monotonic)
    phase: str = "start"
    running: dict[int, ShownTrial] = field(default_factory=dict)
    done: int = 0
    outcomes: dict[Outcome, int] = field(default_factory=dict)
    highest: int = -1
    front: Sequence[TrialRecord] = ()
    best: TrialRecord | None = None
    seconds_left: float | None = None

    def started(self, number: int, configuration: Configuration) -> None:
        """Record that a trial was launched."""
        self.running[number] = ShownTrial(number, configuration, time.monotonic())
        self.highest = max(self.highest, number)

    def ended(
        self, record: TrialRecord, front: Sequence[TrialRecord], best: TrialRecord | None
    ) -> None:
        """Record that a trial has ended."""
        self.running.pop(record.number, None)
        self.highest = max(self.highest, record.number)
        self.done += 1
        outcome = record.result.outcome
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1
        self.front = sorted(front, key=lambda r: (r.result.comparable_seconds or 0.0, r.number))
        self.best = best

    def ticked(self, seconds_left: float | None, running: Mapping[int, Mapping[str, Any]]) -> None:
        """Record the last heartbeats."""
        self.seconds_left = seconds_left
        for number, heartbeat in running.items():
            if number in self.running and heartbeat:
                self.running[number].heartbeat = heartbeat

    @property
    def done_words(self) -> str:
        """How many trials have ended."""
        words = f"{count_words(self.done, 'trial')} done"
        return f"{words} since the resume" if self.resumed else words

    @property
    def trials_left(self) -> int | None:
        """How many trials may still end, the running ones included; None without a limit."""
        if self.spec.max_trials is None:
            return None
        return max(self.spec.max_trials - (self.highest + 1) + len(self.running), 0)

    @property
    def failures(self) -> Mapping[Outcome, int]:
        """The outcomes other than ok."""
        return {outcome: n for outcome, n in self.outcomes.items() if outcome.value != "ok"}


def warm_start_words(report: WarmStartReport) -> str:
    """Return in a sentence how the history was used."""
    dropped = sum(report.dropped.values())
    words = (
        f"{count_words(report.applied, 'experience')} applied, {report.mapped} mapped, "
        f"{dropped} dropped; the prior moved {report.prior_shift:.3f} away from uniform"
    )
    if report.neighbours:
        nearest = ", ".join(f"{name} ({weight:.2f})" for name, weight, _ in report.neighbours[:3])
        words += f"; most similar: {nearest}"
    return words


def outcome_counts(outcomes: Mapping[Outcome, int]) -> str:
    """Return counts such as ``ok 7, timeout 1``."""
    ordered = sorted(outcomes.items(), key=lambda item: (item[0].value != "ok", -item[1], item[0]))
    return ", ".join(f"{outcome.value} {count}" for outcome, count in ordered)


def time_left_words(progress: SearchProgress) -> str:
    """Return what is left of the limits."""
    parts = []
    if progress.seconds_left is not None:
        parts.append(f"{seconds_words(max(progress.seconds_left, 0.0))} left")
    if progress.trials_left is not None:
        parts.append(f"{count_words(progress.trials_left, 'trial')} left")
    return ", ".join(parts)
