"""The part of a history that can inform one search, in terms of that search."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xautolm_core.records.methods import LINEAR_PROBE
from xautolm_core.records.methods import is_cheap
from xautolm_core.records.outcome import Outcome
from xautolm_core.search.contract import Objective
from xautolm_core.search.history.coded import NONE
from xautolm_core.search.history.relevance import DropReason
from xautolm_core.search.history.relevance import Relevance
from xautolm_core.search.samplers.mapping import MappedHistory
from xautolm_core.search.samplers.mapping import corresponding_branches
from xautolm_core.search.samplers.mapping import map_history
from xautolm_core.space.screening import ROWS_PARAMETER
from xautolm_core.tasks.task_type import primary_names

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xautolm_core.records.features import FeatureVector
    from xautolm_core.search.history.arrays import History
    from xautolm_core.space.space import SearchSpace

_OK = tuple(Outcome).index(Outcome.OK)
_IS_FAILURE = np.asarray([outcome.is_failure for outcome in Outcome])


@dataclass(frozen=True)
class SearchContext:
    """What a warm start needs to know of the current search.

    Attributes:
        space: What it draws from.
        objectives: What it optimises.
        task_type: Kind of the task.
        task_features: Meta-features of the task.
        system_features: Meta-features of the machine.
        task_name: Name of the task; None finds no experience of the same task.
    """

    space: SearchSpace
    objectives: tuple[Objective, ...]
    task_type: str
    task_features: FeatureVector
    system_features: FeatureVector
    task_name: str | None = None

    @property
    def relevance(self) -> Relevance:
        """What an experience must have in common with the search."""
        task, system = self.task_features, self.system_features
        return Relevance(
            self.task_type, (task.extractor, task.version), (system.extractor, system.version)
        )


@dataclass(frozen=True)
class UsableHistory:
    """Experiences that say something in terms of this search.

    Attributes:
        history: The experiences, by row.
        mapped: Their configurations in this space.
        costs: Shape (rows, objectives), all minimised (a score is negated); NaN where one was not
            measured, and for failures.
        succeeded: Shape (rows,): whether the trial came to a score.
        rival_tasks: Shape (rivals,): tasks (codes of ``history.task``) of successes that have no
            branch in this space, such as cheap candidates; without screening trials, which are on
            too few rows to be compared with others.
        rival_scores: Shape (rivals,): what these came to.
    """

    history: History
    mapped: MappedHistory
    costs: NDArray[np.float64]
    succeeded: NDArray[np.bool_]
    rival_tasks: NDArray[np.int32]
    rival_scores: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.history)


def select_usable(
    history: History, context: SearchContext
) -> tuple[UsableHistory, Counter[DropReason]]:
    """Map a history onto the space; count what is dropped, by reason."""
    relevant = history.relevant(context.relevance)
    dropped = Counter(relevant.left_out)
    succeeded = has_score(relevant)
    has_branch = corresponding_branches(relevant, context.space) != NONE
    says_nothing = ~succeeded & ~_IS_FAILURE[relevant.outcomes]
    # Every search runs them anyway, and no sampler can propose them.
    cheap = relevant.method.spread([is_cheap(n) for n in relevant.method.values], none=False)
    dropped[DropReason.CHEAP_METHOD] += int(np.count_nonzero(cheap))
    dropped[DropReason.NO_BRANCH] += int(np.count_nonzero(~has_branch & ~cheap))
    dropped[DropReason.NO_SCORE] += int(np.count_nonzero(has_branch & says_nothing))
    usable = has_branch & ~says_nothing
    chosen = relevant if usable.all() else relevant.take(usable)
    mapped = map_history(chosen, context.space)
    rivals = succeeded & ~has_branch & ~screening_trials(relevant)
    found = UsableHistory(
        chosen,
        mapped,
        costs(chosen, context.objectives),
        succeeded[usable],
        rival_tasks=relevant.task.codes[rivals],
        rival_scores=-_column(relevant, Objective.F1)[rivals],
    )
    return found, +dropped


def primary_scores(history: History) -> NDArray[np.float64]:
    """Return the score that the search of each experience optimised, NaN without one, (rows,)."""
    found = np.full(len(history), np.nan)
    for name in primary_names():
        if name in history.scores:
            found = np.where(np.isfinite(found), found, history.scores[name])
    return found


def has_score(history: History) -> NDArray[np.bool_]:
    """Return which experiences are successes with a finite score, shape (rows,)."""
    return np.asarray((history.outcomes == _OK) & np.isfinite(_column(history, Objective.F1)))


def screening_trials(history: History) -> NDArray[np.bool_]:
    """Return which experiences are of screening trials, shape (rows,)."""
    column = history.parameters.get(ROWS_PARAMETER)
    if column is None:
        return np.zeros(len(history), dtype=bool)
    return np.asarray(history.method.equals(LINEAR_PROBE) & (column.codes != NONE))


def costs(history: History, objectives: tuple[Objective, ...]) -> NDArray[np.float64]:
    """Return the objectives, all minimised, shape (rows, objectives).

    A success without a latency (it may not have been asked for) keeps NaN in its place: that is no
    failure. A failure has nothing but NaN.
    """
    matrix = np.column_stack([_column(history, objective) for objective in objectives])
    matrix[~np.isfinite(matrix)] = np.nan
    matrix[~has_score(history)] = np.nan
    return matrix


def _column(history: History, objective: Objective) -> NDArray[np.float64]:
    match objective:
        case Objective.F1:
            return -primary_scores(history)
        case Objective.TIME:
            return history.time_seconds
        case Objective.LATENCY:
            return history.latency_ms
        case Objective.ENERGY:
            # Joules of another machine, or of another class of meter, do not compare.
            return np.full(len(history), np.nan)
