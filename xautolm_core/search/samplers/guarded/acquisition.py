"""The expected improvement of the hypervolume of the Pareto front by a configuration.

The hypervolume of points with m non-negative coordinates is, up to a constant, the mean over the
directions of the positive orthant of ``max over points of min_i(y_i / direction_i) ** m`` (Deng and
Zhang, "Approximating hypervolume and hypervolume contributions using polar coordinate", 2019). So
one rule serves any number of objectives: the improvement is averaged over fixed directions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xautolm_core.search.samplers.guarded.scores import ValueCurve
    from xautolm_core.search.samplers.guarded.structures import Beliefs

DRAWS = 96
_LEAST_WORTH = 0.2
"""Least worth of the most costly configuration, where scores have a floor."""

_SMALLEST_RANGE = 0.02
_DIRECTIONS_OF_TWO = 48
_DIRECTIONS_OF_MORE = 96
_LEAST_COORDINATE = 1e-3


def directions(objectives: int) -> NDArray[np.float64]:
    """Return unit vectors of the positive orthant, shape (directions, objectives)."""
    if objectives == 1:
        return np.ones((1, 1))
    if objectives == 2:
        angles = (np.arange(_DIRECTIONS_OF_TWO) + 0.5) / _DIRECTIONS_OF_TWO * np.pi / 2
        return np.column_stack([np.cos(angles), np.sin(angles)])
    normal = np.abs(np.random.default_rng(0).standard_normal((_DIRECTIONS_OF_MORE, objectives)))
    unit = normal / np.linalg.norm(normal, axis=1, keepdims=True)
    return np.asarray(np.maximum(unit, _LEAST_COORDINATE))


def reach(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how far points reach in each direction, to the power of the number of objectives.

    Args:
        values: Shape (..., objectives): worth in each objective; what is negative counts as 0.

    Returns:
        Shape (..., directions).
    """
    objectives = values.shape[-1]
    found = np.full((*values.shape[:-1], len(directions(objectives))), np.inf)
    for column in range(objectives):
        share = np.maximum(values[..., column, None], 0.0) / directions(objectives)[:, column]
        found = np.minimum(found, share)
    return np.asarray(found**objectives)


def hypervolume_gain(
    values: NDArray[np.float64], front_reach: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the hypervolume that points add to a front, up to a constant factor, shape (...,).

    Args:
        values: Shape (..., objectives).
        front_reach: Shape (directions,): the largest reach of the front; 0 where it is empty.
    """
    return np.asarray(np.maximum(reach(values) - front_reach, 0.0).mean(axis=-1))


def expected_gain(
    beliefs: Sequence[Beliefs],
    curves: Sequence[ValueCurve],
    rows: slice,
    front: NDArray[np.float64],
    *,
    generator: np.random.Generator,
    floors: Sequence[float] | None = None,
    draws: int | None = None,
) -> NDArray[np.float64]:
    """Return the expected improvement of the hypervolume of each candidate.

    For each draw a structure is drawn by its weight, then a quantile of its prediction. Both
    are stratified over the draws.

    Where there are floors, only what lies above them counts: below the score of the quickest cheap
    candidate nothing is of use, however quick. A cost has none (minus infinity); the largest still
    has a worth there, for the slowest model may be the best.

    Args:
        beliefs: One entry per objective, over the same rows.
        curves: Likewise: the worth of a normal score.
        rows: The candidates among the rows.
        front: Shape (points, objectives): normal scores of what is known, on the own trials' scale.
        generator: Random generator of the draws.
        floors: Shape (objectives,): normal scores on the own trials' scale; None for none.
        draws: Their number.

    Returns:
        Shape (candidates,).
    """
    draws = DRAWS if draws is None else draws
    candidates, known = [], []
    for column, (belief, curve) in enumerate(zip(beliefs, curves, strict=True)):
        places = (np.arange(draws) + generator.random()) / draws
        chosen = np.searchsorted(np.cumsum(belief.weights), places).clip(0, len(belief.weights) - 1)
        chosen = generator.permutation(chosen)
        mean, spread = belief.mean[:, rows], np.sqrt(belief.variance[:, rows])
        # The same quantile for all candidates: they differ by the prediction, not by chance.
        noise = ndtri(generator.permutation(places))[:, None]
        of_candidates = curve(mean[chosen] + spread[chosen] * noise)
        shift = belief.constant[chosen][:, None]
        of_front = curve(front[None, :, column] - shift)
        if floors is not None:
            lowest = curve(floors[column] - shift) if np.isfinite(floors[column]) else None
            of_candidates = above(of_candidates, lowest)
            of_front = above(of_front, lowest)
        candidates.append(of_candidates)
        known.append(of_front)
    reached = reach(np.stack(known, axis=-1)).max(axis=1, initial=0.0)
    gain = hypervolume_gain(np.stack(candidates, axis=-1), reached[:, None, :])
    return np.asarray(gain.mean(axis=0))


def above(worth: NDArray[np.float64], lowest: NDArray[np.float64] | None) -> NDArray[np.float64]:
    """Return worth from a floor on, in [0, 1]; that of a cost from its least worth on."""
    if lowest is None:
        return _LEAST_WORTH + (1 - _LEAST_WORTH) * worth
    return np.asarray((worth - lowest) / np.maximum(1 - lowest, _SMALLEST_RANGE))


def greedy_portfolio(
    values: NDArray[np.float64], chance: NDArray[np.float64], count: int
) -> list[int]:
    """Return configurations that together do best on the tasks of the history, the first one first.

    Each next one adds most to the mean hypervolume over the tasks. The hypervolume of a set grows
    with diminishing returns, so this reaches at least 63 % of the best set (Nemhauser, Wolsey and
    Fisher 1978).

    Args:
        values: Shape (tasks, configurations, objectives): worth.
        chance: Shape (configurations,): that the configuration does not fail here.
        count: Number to choose.
    """
    reaches = reach(values)
    known = np.zeros((len(values), reaches.shape[-1]))
    chosen: list[int] = []
    for _ in range(min(count, values.shape[1])):
        gain = np.maximum(reaches - known[:, None, :], 0.0).mean(axis=(0, 2)) * chance
        gain[chosen] = -1.0
        best = int(np.argmax(gain))
        if gain[best] <= 0:
            break
        chosen.append(best)
        known = np.maximum(known, reaches[:, best, :])
    return chosen
