"""Early stopping for several objectives: rungs over epochs, and the fronts at each of them.

As in successive halving (Jamieson and Talwalkar, arXiv 1502.07943; asynchronously: Li et al., arXiv
1810.05934) a trial is compared, after 1, 2, 4, 8 ... epochs, with all that reached them, but by
non-dominated sorting, as a search has several objectives. Optuna's pruners support one objective.
"""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Any
from typing import Self

import numpy as np

from xautolm_core.records.methods import is_cheap
from xautolm_core.search.contract import Objective
from xautolm_core.search.pareto import non_dominated_fronts
from xautolm_core.space.hyperparameters import row_share
from xautolm_core.tasks.task_type import task_kind
from xautolm_core.trial.heartbeat_facts import evaluations_of
from xautolm_core.trial.heartbeat_facts import progress_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xautolm_core.records.attempt import TrialEvaluation
    from xautolm_core.search.contract import TrialRecord
    from xautolm_core.search.running import RunningTrial
    from xautolm_core.search.setup import SearchSetup

ETA = 2
"""Ratio of the epochs of two rungs; half of the trials pass a rung."""

LEAST_OTHERS = 3
"""Number of others that must have reached a rung before a trial is stopped there."""

# Evaluations are at the ends of epochs, which are reported with four digits.
_SAME_EPOCH = 1e-3
# In any other phase a trial is not training yet, or is about to end.
_STOPPABLE_PHASES = ("train", "evaluate")


@dataclass(frozen=True)
class RungPoint:
    """The evaluation of a trial at a rung.

    Attributes:
        number: Number of the trial.
        method: Method of the trial.
        at: The evaluation there.
    """

    number: int
    method: str
    at: TrialEvaluation


def rung_of(evaluation: TrialEvaluation) -> int | None:
    """Return the rung, in epochs, that an evaluation is at; None between two."""
    rung = 1
    while rung < evaluation.epoch - _SAME_EPOCH:
        rung *= ETA
    return rung if abs(rung - evaluation.epoch) <= _SAME_EPOCH else None


def points_at(
    rung: int, trials: Iterable[tuple[int, str, Sequence[TrialEvaluation]]]
) -> list[RungPoint]:
    """Return the points of those trials that were evaluated at a rung.

    Args:
        rung: In epochs.
        trials: Number, method and evaluations of each.
    """
    found = []
    for number, method, evaluations in trials:
        there = [one for one in evaluations if rung_of(one) == rung]
        if there:
            found.append(RungPoint(number, method, there[0]))
    return found


def why_to_stop(
    point: RungPoint,
    others: Collection[RungPoint],
    objectives: Sequence[Objective],
    score_title: str = "score",
) -> str | None:
    """Return why to stop a trial at a rung, in words; None to continue it.

    It is stopped if at least half of all points there are better: on an earlier front, or on the
    same one with a higher score. It is not if fewer than three others reached the rung, if it is on
    the first front, if no score there is higher, or if no other trial of its method reached it.

    Args:
        point: Of the trial.
        others: Of all others that have reached the same rung, in any order.
        objectives: Of the search.
        score_title: What people call the score.
    """
    if len(others) < LEAST_OTHERS or all(one.method != point.method for one in others):
        return None
    points = [point, *others]
    fronts = non_dominated_fronts(_costs(points, objectives))
    front = {row: place for place, rows in enumerate(fronts) for row in rows}
    score = point.at.score
    if front[0] == 0 or score >= max(one.at.score for one in others):
        return None
    better = sum(
        (front[row], -one.at.score) < (front[0], -score) for row, one in enumerate(others, start=1)
    )
    if ETA * better < len(points):
        return None
    rung = rung_of(point.at) or 0
    return (
        f"{better} of {len(points)} trials were better after {rung} epoch{'s' if rung > 1 else ''}:"
        f" {score_title} {score:.4f} on front {front[0] + 1} of {len(fronts)}"
    )


class EarlyStops:
    """Finds running trials to stop; each is checked once at each rung that it reaches.

    It is compared with trials of the same share of the training rows.

    Args:
        objectives: Of the search.
        score_title: What people call its score.
    """

    def __init__(self, objectives: Sequence[Objective], score_title: str = "score") -> None:
        self._objectives = objectives
        self._score_title = score_title
        self._seen: set[tuple[int, int, int]] = set()

    @classmethod
    def of(cls, setup: SearchSetup) -> Self | None:
        """Return the early stops of a search; None if no budget binds it, or they are off.

        Args:
            setup: The shared setup of the search.
        """
        spec = setup.spec
        timed = setup.policy.effective_budget_seconds is not None
        if not spec.early_stopping or not (timed or spec.spending.is_limited):
            return None
        return cls(spec.objectives, task_kind(setup.task.type).primary.title)

    def find(
        self,
        running: Mapping[int, RunningTrial],
        heartbeats: Mapping[int, Mapping[str, Any]],
        records: Iterable[TrialRecord],
    ) -> dict[int, str]:
        """Return number to reason of the trials to stop now.

        Args:
            running: By number.
            heartbeats: Their last ones.
            records: All trials that have ended; stopped and failed ones count at the rungs that
                they reached.
        """
        evaluations = {number: evaluations_of(heartbeats[number]) for number in running}
        known = [
            *((r.number, r.configuration, r.result.evaluations) for r in records),
            *((n, t.spec.configuration, evaluations[n]) for n, t in running.items()),
        ]
        known = [trial for trial in known if not is_cheap(trial[1].method)]
        found: dict[int, str] = {}
        for number, trial in running.items():
            rungs = [rung for one in evaluations[number] if (rung := rung_of(one)) is not None]
            if not rungs or not _trains_on(heartbeats[number]):
                continue
            key = (number, trial.spec.attempt, rungs[-1])
            if key in self._seen:
                continue
            self._seen.add(key)
            # An epoch of a part of the rows is less than one of all: like compares with like.
            share = row_share(trial.spec.configuration)
            alike = [(n, c.method, seen) for n, c, seen in known if row_share(c) == share]
            points = {one.number: one for one in points_at(rungs[-1], alike)}
            others = [one for one in points.values() if one.number != number]
            why = why_to_stop(points[number], others, self._objectives, self._score_title)
            if why is not None:
                found[number] = why
        return found


def _trains_on(heartbeat: Mapping[str, Any]) -> bool:
    progress = progress_of(heartbeat)
    return heartbeat.get("phase") in _STOPPABLE_PHASES and progress.steps < progress.scheduled_steps


def _costs(points: Sequence[RungPoint], objectives: Sequence[Objective]) -> NDArray[np.float64]:
    """Return the objectives that are known of all points, minimised.

    Latency is measured only at the end: time is used in its place, as both depend on the model.
    """
    columns = [[-one.at.score for one in points]]
    joules = [one.at.joules for one in points]
    if Objective.ENERGY in objectives and None not in joules:
        columns.append([one for one in joules if one is not None])
    if {Objective.TIME, Objective.LATENCY} & set(objectives):
        columns.append([one.at.seconds for one in points])
    return np.asarray(columns, dtype=float).T
