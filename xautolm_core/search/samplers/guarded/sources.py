"""The tasks of a history as sources: normal scores of configurations on each."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from xautolm_core.search.contract import Objective
from xautolm_core.search.samplers.guarded.costs import relative_costs
from xautolm_core.search.samplers.guarded.scores import normal_scores
from xautolm_core.search.samplers.screening import past_screening_scores

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from xautolm_core.search.history.arrays import History
    from xautolm_core.search.samplers.guarded.design import Design
    from xautolm_core.search.samplers.guarded.design import DesignSpace
    from xautolm_core.search.samplers.selection import SearchContext
    from xautolm_core.search.samplers.selection import UsableHistory

MOST_ROWS = 1_000
"""Most experiences that kernels and priors are learnt from."""

MOST_TASKS = 66
"""Most tasks, so that each keeps fifteen experiences: fewer show little of how tasks differ."""

_LEAST_COST = 1e-6
"""Least seconds, joules or milliseconds: a clock that counts 0 is not infinitely quick."""

_LEAST_ROWS = 3
"""Least successes of a task: with fewer, ranks mean little."""


@dataclass(frozen=True)
class Sources:
    """Successes of earlier tasks, one per row.

    Attributes:
        names: Name of each task.
        task: Shape (rows,): index of the task.
        design: The configurations.
        values: Shape (rows, objectives): more is better; times and energies by negative logarithm;
            NaN where one was not measured.
        scores: Shape (rows, objectives): normal scores of the values within their task.
        trust: Shape (tasks,): weight in (0, 1] of the stores that a task comes from.
        floors: Shape (tasks,): normal score of the poorest cheap candidate of the task, below which
            a language model has no worth; NaN where none was tried.
        own: Index of the current task in the history; -1 if it is not there.
        history_rows: Shape (rows,): row of the usable history.
    """

    names: tuple[str, ...]
    task: NDArray[np.int64]
    design: Design
    values: NDArray[np.float64]
    scores: NDArray[np.float64]
    trust: NDArray[np.float64]
    floors: NDArray[np.float64]
    own: int
    history_rows: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.task)

    @property
    def others(self) -> list[int]:
        """Indices of the tasks other than the current one."""
        return [index for index in range(len(self.names)) if index != self.own]


def better_values(
    costs: NDArray[np.float64], objectives: tuple[Objective, ...]
) -> NDArray[np.float64]:
    """Return objectives so that more is better: minimised ones by their negative logarithm.

    Args:
        costs: Shape (rows, objectives), all minimised (a score is negated).
        objectives: Objectives of the columns.
    """
    found = -costs
    for column, objective in enumerate(objectives):
        if objective is not Objective.F1:
            found[:, column] = -np.log(np.maximum(costs[:, column], _LEAST_COST))
    return found


def sources_of(
    usable: UsableHistory, context: SearchContext, space: DesignSpace, history_with_cheap: History
) -> Sources:
    """Return the successes of a history by task, at most ``MOST_ROWS`` of them.

    Where there are more, each task keeps an equal number, a sample by id: one that depends on the
    outcomes would bias what is learnt from their ranks.
    """
    history = usable.history
    names, name_of_task = np.unique([n for n, _ in history.task.values], return_inverse=True)
    task_of_row = np.append(name_of_task, -1)[history.task.codes]
    values = better_values(_costs(usable, context.objectives), context.objectives)
    usable_rows = np.flatnonzero(usable.succeeded & np.isfinite(values[:, 0]))
    kept_tasks = _kept_tasks(task_of_row[usable_rows], names.tolist(), context.task_name)
    by_task = _members(task_of_row[usable_rows], usable_rows)
    rival_task = np.append(name_of_task, -1)[usable.rival_tasks]
    rivals = _members(rival_task, np.arange(len(rival_task)))
    scores = np.full(values.shape, np.nan)
    floors = np.full(len(kept_tasks), np.nan)
    for index_of_task, number in enumerate(kept_tasks):
        rows = by_task[number]
        for column, objective in enumerate(context.objectives):
            # Cheap candidates on a task count, too: the best of poor ones is poor.
            places = rivals.get(number) if objective is Objective.F1 else None
            beside = np.zeros(0) if places is None else usable.rival_scores[places]
            both = np.append(values[rows, column], beside)
            ranked = normal_scores(both)
            scores[rows, column] = ranked[: len(rows)]
            if len(beside):
                floors[index_of_task] = ranked[len(rows) :].min()
    rows = np.sort(np.concatenate([by_task[number] for number in kept_tasks] or [usable_rows[:0]]))
    rows = _sample(rows, task_of_row[rows], usable)
    index = {number: place for place, number in enumerate(kept_tasks)}
    kept_names = tuple(str(names[number]) for number in kept_tasks)
    task = np.asarray([index[t] for t in task_of_row[rows].tolist()], dtype=np.int64)
    trust = np.ones(len(kept_tasks))
    for place in range(len(kept_tasks)):
        trust[place] = history.trust[rows[task == place]].mean()
    chosen = history.take(rows)
    design = space.of_history(chosen, past_screening_scores(history_with_cheap, chosen))
    own = kept_names.index(context.task_name) if context.task_name in kept_names else -1
    return Sources(
        names=kept_names,
        task=task,
        design=replace(design, cost=relative_costs(history)[rows]),
        values=values[rows],
        scores=scores[rows],
        trust=trust,
        floors=floors,
        own=own,
        history_rows=rows,
    )


def _costs(usable: UsableHistory, objectives: tuple[Objective, ...]) -> NDArray[np.float64]:
    """Return the objectives, minimised, shape (rows, objectives); NaN where unknown.

    A trial that was cut would have taken longer. Joules compare within a task, by their ranks.
    """
    costs = usable.costs.copy()
    for column, objective in enumerate(objectives):
        if objective is Objective.ENERGY:
            joules = usable.history.energy_joules
            costs[:, column] = np.where(usable.succeeded, joules, np.nan)
        if objective.grows_with_schedule:
            costs[usable.history.is_cut, column] = np.nan
    return costs


def _members(groups: NDArray[np.int64], rows: NDArray[np.int64]) -> dict[int, NDArray[np.int64]]:
    """Return the rows of each group, ascending."""
    order = np.argsort(groups, kind="stable")
    different, begins = np.unique(groups[order], return_index=True)
    parts = np.split(rows[order], begins[1:]) if len(different) else []
    return dict(zip(different.tolist(), parts, strict=True))


def _kept_tasks(task_of_row: NDArray[np.int64], names: Sequence[str], own: str | None) -> list[int]:
    """Return the tasks to learn from: those with enough successes, at most ``MOST_TASKS``.

    Of more, the current one and others by a digest of their names, independent of outcomes.
    """
    counts = np.bincount(task_of_row, minlength=len(names))
    found = np.flatnonzero(counts >= _LEAST_ROWS).tolist()
    if len(found) <= MOST_TASKS:
        return found
    order = sorted(found, key=lambda i: (names[i] != own, zlib.crc32(names[i].encode()), names[i]))
    return sorted(order[:MOST_TASKS])


def _sample(
    rows: NDArray[np.int64], tasks: NDArray[np.int64], usable: UsableHistory
) -> NDArray[np.int64]:
    """Return at most ``MOST_ROWS`` rows, as equally many of each task as there are."""
    if len(rows) <= MOST_ROWS:
        return rows
    ids = usable.history.ids[rows]
    # Ids are digests: their order has nothing to do with the outcomes.
    order = np.lexsort((*ids.T[::-1], tasks))
    position = np.arange(len(rows)) - np.searchsorted(tasks[order], tasks[order])
    share = MOST_ROWS // max(len(np.unique(tasks)), 1)
    fewest = np.sort(np.unique(tasks, return_counts=True)[1])
    for count in fewest:  # other tasks get what small tasks do not need
        if count <= share:
            left = MOST_ROWS - fewest[fewest <= share].sum()
            larger = (fewest > share).sum()
            share = max(share, left // max(larger, 1))
    kept = order[position < share][:MOST_ROWS]
    return np.sort(rows[kept])
