"""Non-dominated sorting of very many points: a pool of all past successes.

Source: efficient non-dominated sort with binary search (Zhang et al. 2015). Points are taken in
lexicographic order, so that a later one never dominates an earlier one; whatever is dominated by a
member of a front is also dominated by one of each front before it, so the right front is found by
bisection. ``xautolm_core.search.pareto`` compares all pairs, which is right for one search's trials
and takes 10 GB for a hundred thousand points.
"""

from __future__ import annotations

import bisect
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


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
    """Rank two objectives: of each front its least second objective is all that matters."""
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
