"""How useful a past success was, in [0, 1].

Source: XAutoLM, arXiv 2508.00924, the three utilities of the warm start.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import Literal

import numpy as np

from xautolm_core.search.pareto import non_dominated_fronts

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    ColumnUtility = Callable[[NDArray[np.float64], int], NDArray[np.float64]]

Utility = Literal["weighted_sum", "weighted_ratio", "linear_front", "logarithmic_front"]


def utilities(
    costs: NDArray[np.float64], groups: Sequence[str], utility: Utility
) -> NDArray[np.float64]:
    """Return the utility of each success.

    Args:
        costs: Shape (n, objectives), all minimised (a score is negated); NaN where one was not
            measured.
        groups: The search that each success belongs to: scores are compared within a search only by
            the weighted sums; the fronts pool all of them, as in the paper.
        utility: Which of the utilities.

    Returns:
        Shape (n,), in [0, 1].
    """
    if len(costs) == 0:
        return np.zeros(0)
    match utility:
        case "weighted_sum":
            return _by_group(costs, groups, _min_max_utility)
        case "weighted_ratio":
            return _by_group(costs, groups, _ratio_utility)
        case "linear_front":
            return _front_utility(costs, lambda i, count: (count - i) / count)
        case "logarithmic_front":
            return _front_utility(
                costs, lambda i, count: math.log(count - i + 1) / math.log(count + 1)
            )


def _by_group(
    costs: NDArray[np.float64], groups: Sequence[str], function: ColumnUtility
) -> NDArray[np.float64]:
    result = np.zeros(len(costs))
    names = np.asarray(groups)
    for name in dict.fromkeys(groups):
        members = np.flatnonzero(names == name)
        columns = np.column_stack(
            [function(column, j) for j, column in enumerate(costs[members].T)]
        )
        result[members] = [
            float(np.mean(row[~np.isnan(row)])) if (~np.isnan(row)).any() else 0.5
            for row in columns
        ]
    return result


def _min_max_utility(column: NDArray[np.float64], _: int) -> NDArray[np.float64]:
    known = column[~np.isnan(column)]
    spread = known.max() - known.min() if len(known) else 0.0
    if spread <= 0:
        return np.where(np.isnan(column), np.nan, 0.5)
    return np.asarray((known.max() - column) / spread)


def _ratio_utility(column: NDArray[np.float64], objective: int) -> NDArray[np.float64]:
    if objective > 0:
        return _min_max_utility(column, objective)
    best = -np.nanmin(column)  # the first objective is the score, negated
    return np.asarray(-column / best) if best > 0 else np.full(len(column), 0.5)


def _front_utility(
    costs: NDArray[np.float64], rank_utility: Callable[[int, int], float]
) -> NDArray[np.float64]:
    fronts = non_dominated_fronts(np.nan_to_num(costs, nan=np.inf))
    result = np.zeros(len(costs))
    for i, front in enumerate(fronts):
        result[front] = rank_utility(i, len(fronts))
    return result
