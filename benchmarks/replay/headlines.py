"""The paper's three headlines, measured again: each search beside ``zero_shot`` of the same seed.

Peak score over zero-shot, mean evaluation time and error ratio; and the share of a search's valid
pipelines that no point of the zero-shot front dominates.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Any

import numpy as np

from benchmarks.replay.measures import bootstrap_interval
from benchmarks.replay.regimes import NONE
from benchmarks.replay.regimes import NORMAL
from xautolm_core.search.pareto import dominates
from xautolm_core.search.pareto import non_dominated_fronts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmarks.replay.results import Cell
    from benchmarks.replay.results import Results

ARMS_COMPARED = ("xautolm", "xautolm_desc", "paper_asc", "paper_desc", "guarded")
ZERO_SHOT = "zero_shot"

Columns = Mapping[str, Sequence[Any]]


@dataclass(frozen=True)
class Headline:
    """A figure of an arm beside zero-shot, by task and seed.

    Attributes:
        arm: The arm.
        name: What it is.
        values: Shape (tasks, seeds), NaN where there is none.
        tasks: Names of the tasks.
    """

    arm: str
    name: str
    values: NDArray[np.float64]
    tasks: Sequence[str]

    @property
    def mean(self) -> float:
        """Mean over tasks and seeds."""
        return float(np.nanmean(self.values))

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the mean."""
        return bootstrap_interval(self.values, np.random.default_rng(0))

    def by_task(self) -> Mapping[str, float]:
        """Return the mean of each task."""
        return dict(zip(self.tasks, np.nanmean(self.values, axis=1).tolist(), strict=True))


def peak_gain(own: Columns, zero_shot: Columns) -> float:
    """Return by how much the best score is above zero-shot's; NaN without any success."""
    return _peak(own) - _peak(zero_shot)


def time_ratio(own: Columns, zero_shot: Columns) -> float:
    """Return the mean seconds of a successful evaluation over zero-shot's."""
    return _mean_seconds(own) / _mean_seconds(zero_shot)


def error_ratio(own: Columns, zero_shot: Columns) -> float:
    """Return the share of trials that failed."""
    return float(np.mean([score is None for score in own["score"]]))


def above_front(own: Columns, zero_shot: Columns) -> float:
    """Return the share of successes that no point of zero-shot's front dominates."""
    points, others = _points(own), _points(zero_shot)
    if not len(points) or not len(others):
        return float("nan")
    front = others[non_dominated_fronts(others)[0]].tolist()
    return float(np.mean([not any(dominates(f, p) for f in front) for p in points.tolist()]))


HEADLINES: Mapping[str, Callable[[Columns, Columns], float]] = {
    "peak score over zero-shot": peak_gain,
    "mean evaluation time over zero-shot's": time_ratio,
    "error ratio": error_ratio,
    "share above the zero-shot front": above_front,
}


def headlines(results: Results, table: str) -> Iterator[Headline]:
    """Yield the figures of each arm that has been run beside zero-shot."""
    base = results.cell(table, NONE, ZERO_SHOT)
    if base is None:
        return
    for arm in (ZERO_SHOT, *ARMS_COMPARED):
        cell = results.cell(table, NONE if arm == ZERO_SHOT else NORMAL, arm)
        if cell is not None:
            for name, figure in HEADLINES.items():
                yield _headline(cell, base, name, figure)


def _headline(
    cell: Cell, base: Cell, name: str, figure: Callable[[Columns, Columns], float]
) -> Headline:
    tasks = [task for task in cell.tasks if task in base.tasks]
    seeds = [seed for seed in cell.seeds if seed in base.seeds]
    values = np.full((len(tasks), len(seeds)), np.nan)
    for i, task in enumerate(tasks):
        for j, seed in enumerate(seeds):
            own, other = cell.searches.get((task, seed)), base.searches.get((task, seed))
            if own is not None and other is not None:
                values[i, j] = figure(own.part.columns, other.part.columns)
    return Headline(cell.arm, name, values, tasks)


def _peak(columns: Columns) -> float:
    return max((score for score in columns["score"] if score is not None), default=float("nan"))


def _mean_seconds(columns: Columns) -> float:
    points = _points(columns)
    return float(points[:, 1].mean()) if len(points) else float("nan")


def _points(columns: Columns) -> NDArray[np.float64]:
    """Return the successes, minimised: negated score and seconds."""
    pairs = zip(columns["score"], columns["seconds"], strict=True)
    return np.asarray([(-s, t) for s, t in pairs if s is not None], dtype=float).reshape(-1, 2)
