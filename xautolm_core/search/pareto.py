"""Pareto fronts, crowding distance and hypervolume. All objectives are minimised here.

Source of the selection rule: XAutoLM, arXiv 2508.00924, and NSGA-II (Deb et al. 2002), whose
non-dominated sorting and crowding distance it uses.

Fronts are found by the efficient non-dominated sort with binary search (Zhang et al. 2015). Points
are taken in lexicographic order, so that a later one never dominates an earlier one; whatever is
dominated by a member of a front is also dominated by one of each front before it, so the right
front is found by bisection. Comparing all pairs would take 10 GB for a hundred thousand points.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import TypeVar

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Points = NDArray[np.float64]

Item = TypeVar("Item")


def staircase(
    items: Iterable[Item], *, cost: Callable[[Item], float], score: Callable[[Item], float]
) -> list[Item]:
    """Return the items that score better than everything that costs no more, the cheapest first.

    Args:
        items: In any order; of equal ones the first counts.
        cost: Returns the cost of an item.
        score: Returns the score of an item.
    """
    found: list[Item] = []
    for item in sorted(items, key=lambda one: (cost(one), -score(one))):
        if not found or score(item) > score(found[-1]):
            found.append(item)
    return found


def dominates(first: Sequence[float], second: Sequence[float]) -> bool:
    """Whether the first point is nowhere worse than the second and somewhere better."""
    pairs = list(zip(first, second, strict=True))
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)


def non_dominated_fronts(points: Points) -> list[list[int]]:
    """Sort points into fronts.

    Args:
        points: Shape (n, objectives), minimised, without NaN; ``inf`` marks the worst. Equal points
            share a front.

    Returns:
        Row indices of each front, best front first, ascending within a front.
    """
    points = np.asarray(points, dtype=float)
    if points.size == 0:
        return []
    ranks = front_ranks(points)
    return [np.flatnonzero(ranks == rank).tolist() for rank in range(int(ranks.max()) + 1)]


def front_ranks(points: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the front of each point, from 0 (not dominated at all) on.

    Args:
        points: Shape (n, objectives), minimised, without NaN. Equal points share a front.

    Returns:
        Shape (n,).
    """
    different, place = np.unique(points, axis=0, return_inverse=True)
    match different.shape[1]:
        case 1:
            ranks = np.arange(len(different))
        case 2:
            ranks = _ranks_of_pairs(different)
        case _:
            ranks = _ranks_by_search(different)
    return ranks[place.reshape(-1)]


def _ranks_of_pairs(points: NDArray[np.float64]) -> NDArray[np.int64]:
    """Rank two objectives: a front is represented by its least second objective."""
    least: list[float] = []
    ranks = np.zeros(len(points), dtype=np.int64)
    for i, second in enumerate(points[:, 1].tolist()):
        rank = bisect.bisect_right(least, second)
        least[rank : rank + 1] = [second]
        ranks[i] = rank
    return ranks


def _ranks_by_search(points: NDArray[np.float64]) -> NDArray[np.int64]:
    fronts: list[_Front] = []
    ranks = np.zeros(len(points), dtype=np.int64)
    for i, point in enumerate(points):
        rank = bisect.bisect_left(
            range(len(fronts)), True, key=lambda k: not fronts[k].dominates(point)
        )
        if rank == len(fronts):
            fronts.append(_Front(points.shape[1]))
        fronts[rank].add(point)
        ranks[i] = rank
    return ranks


class _Front:
    """A growing set of points."""

    def __init__(self, objectives: int) -> None:
        self._points = np.empty((8, objectives))
        self._count = 0

    def dominates(self, point: NDArray[np.float64]) -> bool:
        """Whether a member is nowhere worse than another, later point."""
        return bool((self._points[: self._count] <= point).all(axis=1).any())

    def add(self, point: NDArray[np.float64]) -> None:
        if self._count == len(self._points):
            self._points = np.concatenate([self._points, np.empty_like(self._points)])
        self._points[self._count] = point
        self._count += 1


def crowding_distances(points: Points) -> NDArray[np.float64]:
    """Return the crowding distance of each point within one front.

    Each objective is scaled to [0, 1] first. The extremes of an objective get ``inf``; an objective
    without any spread adds nothing.

    Args:
        points: Shape (n, objectives).

    Returns:
        Shape (n,).
    """
    points = np.asarray(points, dtype=float)
    distances = np.zeros(len(points))
    for column in points.T:
        if not np.isfinite(column).all() or column.max() <= column.min():
            continue
        spread = column.max() - column.min()
        order = np.argsort(column, kind="stable")
        scaled = (column[order] - column.min()) / spread
        distances[order[0]] = distances[order[-1]] = np.inf
        distances[order[1:-1]] += scaled[2:] - scaled[:-2]
    return distances


def select_fittest(points: Points, count: int) -> list[int]:
    """Choose points by fronts; the front that overflows is cut by crowding distance, descending.

    Args:
        points: Shape (n, objectives), minimised.
        count: Number to choose; all if there are fewer.

    Returns:
        Row indices, best front first. Ties go to the lower index.
    """
    chosen: list[int] = []
    for front in non_dominated_fronts(points):
        free = count - len(chosen)
        if free <= 0:
            break
        if len(front) > free:
            distances = crowding_distances(np.asarray(points, dtype=float)[front])
            order = np.argsort(-distances, kind="stable")[:free]
            front = [front[i] for i in order]  # noqa: PLW2901
        chosen.extend(front)
    return chosen


def hypervolume(points: Points, reference: Sequence[float]) -> float:
    """Return the area that two minimised objectives dominate up to a reference point.

    Args:
        points: Shape (n, 2); points that are not better than the reference add nothing.
        reference: The worst corner, two numbers.

    Returns:
        The dominated area, 0 if there is none.
    """
    points = np.asarray(points, dtype=float).reshape(-1, 2)
    inside = points[(points < np.asarray(reference, dtype=float)).all(axis=1)]
    area = 0.0
    height = float(reference[1])
    for x, y in inside[np.lexsort((inside[:, 1], inside[:, 0]))]:
        if y < height:
            area += (float(reference[0]) - float(x)) * (height - float(y))
            height = float(y)
    return area
