"""The utility of a past success, in [0, 1].

Source: XAutoLM, arXiv 2508.00924, the three utilities of the warm start.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import Literal

import numpy as np

from xautolm_core.search.pareto import front_ranks

if TYPE_CHECKING:
    from numpy.typing import NDArray

Utility = Literal["weighted_sum", "weighted_ratio", "linear_front", "logarithmic_front"]


def utilities(
    costs: NDArray[np.float64], groups: NDArray[np.integer], utility: Utility
) -> NDArray[np.float64]:
    """Return the utility of each success.

    Args:
        costs: Shape (n, objectives), all minimised (a score is negated); NaN where one was not
            measured.
        groups: Shape (n,): the search that each success belongs to, as a number from 0 on. Scores
            are compared within a search only by the weighted sums; the fronts pool all of them, as
            in the paper.
        utility: Which of the utilities.

    Returns:
        Shape (n,), in [0, 1].
    """
    if len(costs) == 0:
        return np.zeros(0)
    match utility:
        case "weighted_sum":
            return _mean([_min_max_utility(column, groups) for column in costs.T])
        case "weighted_ratio":
            first, *others = costs.T
            return _mean(
                [_ratio_utility(first, groups)] + [_min_max_utility(c, groups) for c in others]
            )
        case "linear_front":
            rank, count = _front_ranks(costs)
            return (count - rank) / count
        case "logarithmic_front":
            rank, count = _front_ranks(costs)
            return np.log(count - rank + 1) / math.log(count + 1)


def _mean(columns: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return the mean over the objectives that were measured; 0.5 where none was."""
    matrix = np.column_stack(columns)
    known = (~np.isnan(matrix)).sum(axis=1)
    return np.where(known > 0, np.nansum(matrix, axis=1) / np.maximum(known, 1), 0.5)


def _min_max_utility(
    column: NDArray[np.float64], groups: NDArray[np.integer]
) -> NDArray[np.float64]:
    """Return 1 for the least of each group, 0 for the largest; 0.5 where all are equal."""
    low, high = _bounds(column, groups)
    spread = high - low
    scaled = (high - column) / np.where(spread > 0, spread, 1.0)
    return np.where((spread > 0) | np.isnan(column), scaled, 0.5)


def _ratio_utility(scores: NDArray[np.float64], groups: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return the (negated) score over the best of its group; 0.5 where that is not above 0."""
    best = -_bounds(scores, groups)[0]
    return np.where(best > 0, -scores / np.where(best > 0, best, 1.0), 0.5)


def _bounds(
    column: NDArray[np.float64], groups: NDArray[np.integer]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return least and largest known value of each row's group, shape (n,) each; NaN if none."""
    low = np.full(int(groups.max()) + 1, np.nan)
    high = low.copy()
    np.fmin.at(low, groups, column)
    np.fmax.at(high, groups, column)
    return low[groups], high[groups]


def _front_ranks(costs: NDArray[np.float64]) -> tuple[NDArray[np.int64], int]:
    """Return the front of each row, from 0 on, and how many fronts there are."""
    ranks = front_ranks(np.nan_to_num(costs, nan=np.inf))
    return ranks, int(ranks.max()) + 1
