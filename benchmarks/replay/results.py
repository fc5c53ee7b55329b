"""Figures of all searches of a run, side by side."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.replay.arms import ARMS
from benchmarks.replay.measures import NEGATIVE_TRANSFER
from benchmarks.replay.measures import SearchMeasures
from benchmarks.replay.measures import bootstrap_interval
from benchmarks.replay.measures import measure
from benchmarks.replay.parts import Part
from benchmarks.replay.parts import read_parts
from benchmarks.replay.problem import Scale
from benchmarks.replay.regimes import NONE
from benchmarks.replay.runner import open_table

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SEED = 0


@dataclass(frozen=True)
class Measured:
    """A search and its figures."""

    part: Part
    measures: SearchMeasures
    figures: Mapping[str, float]


@dataclass(frozen=True)
class Cell:
    """All searches of an arm in one regime of a table, with one number of workers.

    Attributes:
        table: The table.
        regime: The regime.
        arm: The arm.
        workers: Trials at once.
        searches: By task and seed.
    """

    table: str
    regime: str
    arm: str
    workers: int
    searches: Mapping[tuple[str, int], Measured]

    @cached_property
    def tasks(self) -> list[str]:
        """The tasks, in the order of their names."""
        return sorted({task for task, _ in self.searches})

    @cached_property
    def seeds(self) -> list[int]:
        """The seeds."""
        return sorted({seed for _, seed in self.searches})

    def mean(self, figure: str) -> float:
        """Return the mean of a figure over tasks and seeds; NaN if there is none."""
        values = self.matrix(figure)
        return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")

    def interval(self, figure: str) -> tuple[float, float]:
        """Return the 95 % interval of that mean."""
        return bootstrap_interval(self.matrix(figure), np.random.default_rng(_SEED))

    def matrix(
        self, figure: str, *, tasks: Sequence[str] = (), seeds: Sequence[int] = ()
    ) -> NDArray[np.float64]:
        """Return a figure by task and seed, NaN where a search is missing."""
        return np.asarray(
            [
                [
                    self.searches[task, seed].figures[figure]
                    if (task, seed) in self.searches
                    else np.nan
                    for seed in seeds or self.seeds
                ]
                for task in tasks or self.tasks
            ]
        )

    def curve(self) -> NDArray[np.float64]:
        """Return the mean hypervolume after each trial."""
        curves = [one.measures.hypervolumes for one in self.searches.values()]
        longest = max(len(curve) for curve in curves)
        padded = [np.pad(c, (0, longest - len(c)), mode="edge") for c in curves]
        return np.asarray(np.mean(padded, axis=0))


class Results:
    """What a run has measured so far.

    Args:
        parts: Searches, those that failed left out by the caller.
    """

    def __init__(self, parts: Iterable[Part]) -> None:
        found: dict[tuple[str, str, str, int], dict[tuple[str, int], Measured]] = {}
        for part in parts:
            job = part.job
            if part.error or not part.columns.get("number"):
                continue
            measures = measure(part.columns, scale_of(job.table, job.task))
            key = (job.table, job.regime, job.arm, job.workers)
            one = Measured(part, measures, measures.figures())
            found.setdefault(key, {})[job.task, job.seed] = one
        self.cells = {key: Cell(*key, searches) for key, searches in found.items()}

    @classmethod
    def read(cls, folder: Path, wanted: Callable[[Part], bool] = lambda _: True) -> Results:
        """Return the results in a folder, of the arms in their current form."""
        return cls(
            part
            for part in read_parts(folder)
            if part.job.arm in ARMS and part.digest == ARMS[part.job.arm].digest and wanted(part)
        )

    def cell(self, table: str, regime: str, arm: str, workers: int = 1) -> Cell | None:
        """Return the searches of an arm, or None if there are none."""
        return self.cells.get((table, regime, arm, workers))

    def without_history(self, cell: Cell) -> Cell | None:
        """Return the same arm's searches without a history."""
        return self.cell(cell.table, NONE, cell.arm, cell.workers)


def scale_of(table: str, task: str) -> Scale:
    """Return how the outcomes of a task are scaled."""
    opened = open_table(table)
    assert opened is not None, "a part is of a table that is there"
    return opened.problem(task).scale


def difference(one: Cell, other: Cell, figure: str) -> NDArray[np.float64]:
    """Return the paired differences of a figure, shape (tasks, seeds) that both have."""
    tasks = [task for task in one.tasks if task in other.tasks]
    seeds = [seed for seed in one.seeds if seed in other.seeds]
    first = one.matrix(figure, tasks=tasks, seeds=seeds)
    return first - other.matrix(figure, tasks=tasks, seeds=seeds)


def negative_transfer(cell: Cell, without: Cell) -> float:
    """Return the share of tasks with a mean hypervolume below that without history."""
    by_task = np.nanmean(difference(cell, without, "mean_hv"), axis=1)
    return float((by_task < -NEGATIVE_TRANSFER).mean())
