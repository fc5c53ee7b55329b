"""Where the time of a search went: by outcome of the trials, and by phase."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xautolm_core.records.outcome import Outcome

if TYPE_CHECKING:
    from xautolm_core.search.contract import SearchResult
    from xautolm_core.search.contract import TrialRecord

# In the order in which a trial goes through them.
_PHASES = ("startup", "load_data", "tokenize", "load_model", "train", "evaluate", "save")


@dataclass(frozen=True)
class OutcomeTime:
    """What the trials with one outcome took.

    Attributes:
        outcome: How they ended.
        trials: How many they were.
        seconds: Their wall-clock seconds, from launch to end, added up.
        share: Share of what all trials together took, in [0, 1].
    """

    outcome: Outcome
    trials: int
    seconds: float
    share: float


@dataclass(frozen=True)
class TimeAccount:
    """Where the time of a search went.

    Attributes:
        by_outcome: The trials, most costly outcome first.
        trial_seconds: All trials together (they may have run side by side).
        capacity_seconds: What could have been used: wall-clock seconds times workers.
        budget_seconds: The budget times workers, or None if the search had none.
        phases: Phase of the search to wall-clock seconds.
        trial_phases: Phase of the trials (``train``, ``evaluate``, ...) to their seconds.
    """

    by_outcome: Sequence[OutcomeTime]
    trial_seconds: float
    capacity_seconds: float
    budget_seconds: float | None
    phases: Mapping[str, float]
    trial_phases: Mapping[str, float]


@dataclass(frozen=True)
class FailureGroup:
    """Trials that failed in the same way.

    Attributes:
        outcome: How they ended.
        kind: Class name of the error, or name of the limit or signal.
        message: Message of the first of them.
        trials: Their numbers.
    """

    outcome: Outcome
    kind: str
    message: str
    trials: Sequence[int]


def account_time(result: SearchResult) -> TimeAccount:
    """Return where the time of a search went."""
    seconds: dict[Outcome, float] = {}
    counts: dict[Outcome, int] = {}
    trial_phases: dict[str, float] = {}
    for record in result.trials:
        outcome = record.result.outcome
        seconds[outcome] = seconds.get(outcome, 0.0) + record.result.wall_seconds
        counts[outcome] = counts.get(outcome, 0) + 1
        for phase, spent in record.result.seconds.items():
            trial_phases[phase] = trial_phases.get(phase, 0.0) + spent
    total = sum(seconds.values())
    budget = result.spec.budget_seconds
    return TimeAccount(
        by_outcome=[
            OutcomeTime(outcome, counts[outcome], spent, spent / total if total > 0 else 0.0)
            for outcome, spent in sorted(seconds.items(), key=lambda item: (-item[1], item[0]))
        ],
        trial_seconds=total,
        capacity_seconds=result.seconds * result.spec.workers,
        budget_seconds=None if budget is None else budget * result.spec.workers,
        phases=dict(result.phase_seconds),
        trial_phases={phase: trial_phases[phase] for phase in sorted(trial_phases, key=_order)},
    )


def _order(phase: str) -> tuple[int, str]:
    known = _PHASES.index(phase) if phase in _PHASES else len(_PHASES)
    return (known, phase)


def failure_groups(trials: Sequence[TrialRecord]) -> list[FailureGroup]:
    """Return the trials that did not end ok, by outcome and kind, most frequent first."""
    groups: dict[tuple[Outcome, str], list[TrialRecord]] = {}
    for record in trials:
        if record.result.outcome is Outcome.OK:
            continue
        kind = record.result.failure.kind if record.result.failure else ""
        groups.setdefault((record.result.outcome, kind), []).append(record)
    return [
        FailureGroup(
            outcome,
            kind,
            next((r.result.failure.message for r in records if r.result.failure), ""),
            [record.number for record in records],
        )
        for (outcome, kind), records in sorted(groups.items(), key=lambda g: (-len(g[1]), g[0]))
    ]
