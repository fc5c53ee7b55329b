"""Pareto fronts, crowding distance and hypervolume. All objectives are minimised here.

Source of the selection rule: XAutoLM, arXiv 2508.00924, and NSGA-II (Deb et al. 2002), whose
non-dominated sorting and crowding distance it uses.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Points = NDArray[np.float64]


def dominates(first: Sequence[float], second: Sequence[float]) -> bool:
    """Whether the first point is nowhere worse than the second and somewhere better."""
    pairs = list(zip(first, second, strict=True))
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)


def non_dominated_fronts(points: Points) -> list[list[int]]:
    """Sort points into fronts.

    Args:
        points: Shape (n, objectives), minimised; ``inf`` marks the worst. Equal points share a
            front.

    Returns:
        Row indices of each front, best front first, ascending within a front.
    """
    points = np.asarray(points, dtype=float)
    if points.size == 0:
        return []
    not_worse = np.asarray((points[:, None, :] <= points[None, :, :]).all(axis=2))
    better = np.asarray((points[:, None, :] < points[None, :, :]).any(axis=2))
    dominated_by_row = np.asarray(not_worse & better)
    left = np.ones(len(points), dtype=bool)
    fronts = []
    while left.any():
        dominated = np.asarray(dominated_by_row[left].any(axis=0))
        front = np.flatnonzero(left & ~dominated)
        fronts.append([int(i) for i in front])
        left[front] = False
    return fronts


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
        count: How many to choose; all if there are fewer.

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
