"""One search in a Green AI report: its winner, what that is compared with, and its front."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from datetime import datetime
from pathlib import Path

from xautolm_core.records.methods import is_cheap
from xautolm_core.report.green.attempts import Attempt
from xautolm_core.report.green.sums import EnergySum
from xautolm_core.report.green.sums import energy_of
from xautolm_core.report.green.sums import is_unmetered
from xautolm_core.report.green.sums import wasted
from xautolm_core.search.pareto import staircase


@dataclass(frozen=True)
class RunFigures:
    """What a run folder adds to the experiences of its search.

    Attributes:
        folder: The folder; reports show its name only.
        best: Number of the chosen trial; None if none gave a model.
        test_scores: Trial to score on the test split: of the chosen one, and of the one that it
            was compared with.
    """

    folder: Path
    best: int | None
    test_scores: Mapping[int, float] = field(default_factory=dict)

    @property
    def test_score(self) -> float | None:
        """Score of the chosen model on the test split; None if it was not evaluated."""
        return None if self.best is None else self.test_scores.get(self.best)


@dataclass(frozen=True)
class GreenSearch:
    """One search.

    Attributes:
        search_id: Its id.
        task_name: Its task.
        task_fingerprint: Fingerprint of the task; the first one if there are several.
        tenant: Owner of its experiences.
        attempts: All attempts, in order.
        energy: Of all attempts; None if nothing was metered.
        wasted: Of attempts that did not end ok; None likewise.
        unmetered: Attempts that trained without any reading.
        winner: The chosen trial's attempt; else the one with the best score; None without a score.
        smaller: The best attempt that fine-tuned a model of fewer parameters than the winner's;
            None if none was tried.
        cheap: The best attempt of a cheap candidate; None without a score of one.
        language_model: The best attempt that fine-tuned a language model; None likewise.
        front: Attempts for which nothing scored better with less energy, the least energy first.
        run: Figures of the run folder; None if it was not given.
        ended_at: Of the last attempt.
    """

    search_id: str
    task_name: str
    task_fingerprint: str
    tenant: str
    attempts: Sequence[Attempt]
    energy: EnergySum | None
    wasted: EnergySum | None
    unmetered: int
    winner: Attempt | None
    smaller: Attempt | None
    cheap: Attempt | None
    language_model: Attempt | None
    front: Sequence[Attempt]
    run: RunFigures | None
    ended_at: datetime

    @property
    def hardware(self) -> tuple[str, ...]:
        """Names of the hardware that it ran on."""
        return tuple(sorted({attempt.hardware for attempt in self.attempts}))

    @property
    def trials(self) -> int:
        """Number of trials; a trial may have several attempts."""
        return len({attempt.trial_number for attempt in self.attempts})


def searches_of(
    attempts: Sequence[Attempt], runs: Mapping[str, RunFigures] | None = None
) -> list[GreenSearch]:
    """Return the searches of some attempts, the latest first.

    Args:
        attempts: Of any number of searches.
        runs: Search id to the figures of its run folder.
    """
    groups: dict[str, list[Attempt]] = {}
    for attempt in attempts:
        groups.setdefault(attempt.search_id, []).append(attempt)
    found = [_search(group, (runs or {}).get(search)) for search, group in groups.items()]
    return sorted(found, key=lambda search: (search.ended_at, search.search_id), reverse=True)


def energy_front(attempts: Sequence[Attempt]) -> list[Attempt]:
    """Return the attempts for which no other has at least the score for less energy.

    Args:
        attempts: Those without a score or a reading are left out.
    """
    scored = [a for a in attempts if a.is_evaluated and a.joules is not None]
    return staircase(scored, cost=lambda a: a.joules or 0.0, score=lambda a: a.score or 0.0)


def _search(attempts: Sequence[Attempt], run: RunFigures | None) -> GreenSearch:
    first = attempts[0]
    winner = _winner(attempts, run)
    return GreenSearch(
        search_id=first.search_id,
        task_name=first.task_name,
        task_fingerprint=first.task_fingerprint,
        tenant=first.tenant,
        attempts=attempts,
        energy=energy_of(attempts),
        wasted=energy_of(wasted(attempts)),
        unmetered=sum(map(is_unmetered, attempts)),
        winner=winner,
        smaller=_smaller(attempts, winner),
        cheap=_best_of_kind(attempts, cheap=True),
        language_model=_best_of_kind(attempts, cheap=False),
        front=energy_front(attempts),
        run=run,
        ended_at=max(attempt.ended_at for attempt in attempts),
    )


def _winner(attempts: Sequence[Attempt], run: RunFigures | None) -> Attempt | None:
    """Return the chosen trial; without a run folder the best score, the quickest of equals."""
    evaluated = [attempt for attempt in attempts if attempt.is_evaluated]
    if run is not None:
        return next((a for a in evaluated if a.trial_number == run.best), None)
    return max(evaluated, key=_rank, default=None)


def _smaller(attempts: Sequence[Attempt], winner: Attempt | None) -> Attempt | None:
    if winner is None or winner.parameters is None:
        return None
    limit = winner.parameters
    candidates = [
        attempt
        for attempt in attempts
        if attempt.is_evaluated
        and not is_cheap(attempt.method)
        and attempt.parameters is not None
        and attempt.parameters < limit
    ]
    return max(candidates, key=_rank, default=None)


def _best_of_kind(attempts: Sequence[Attempt], *, cheap: bool) -> Attempt | None:
    of_kind = [a for a in attempts if a.is_evaluated and is_cheap(a.method) is cheap]
    return max(of_kind, key=_rank, default=None)


def _rank(attempt: Attempt) -> tuple[float, float, int]:
    seconds = (attempt.train_seconds or 0.0) + (attempt.evaluate_seconds or 0.0)
    return (attempt.score or 0.0, -seconds, -attempt.trial_number)
