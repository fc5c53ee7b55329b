"""The result of a replayed search, in figures."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xautolm_core.search.pareto import hypervolume

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmarks.replay.problem import Scale

CHECKPOINTS = (5, 10, 20, 40)
"""Trials after which hypervolume and regret are reported."""

WARM_UP_TRIALS = 10
"""The error ratio after these is that of an engine that has seen failures."""

NEGATIVE_TRANSFER = 0.01
"""A task whose mean hypervolume is so much below that without history counts as one of it."""


@dataclass(frozen=True)
class Prediction80:
    """An 80 % interval and what came out, in one unit."""

    low: float
    high: float
    actual: float

    @property
    def holds(self) -> bool:
        """Whether the outcome lies within."""
        return self.low <= self.actual <= self.high


@dataclass(frozen=True)
class SearchMeasures:
    """Figures of one search.

    Attributes:
        hypervolumes: Shape (trials,): after each trial that ended, divided by what counts as 1.
        regrets: Shape (trials,): best score of the scale minus the best so far, over the range of
            the scale; 1 before the first success. It can be negative where the scale comes from a
            sample.
        error_ratio: Failed trials over all.
        late_error_ratio: The same of those asked for after ``WARM_UP_TRIALS``.
        wasted_seconds: What failed trials took.
        sampler_ms: CPU milliseconds of a proposal, shape (trials,).
    """

    hypervolumes: NDArray[np.float64]
    regrets: NDArray[np.float64]
    error_ratio: float
    late_error_ratio: float
    wasted_seconds: float
    sampler_ms: NDArray[np.float64]

    @property
    def mean_hypervolume(self) -> float:
        """Mean over the trials."""
        return float(self.hypervolumes.mean())

    def figures(self) -> dict[str, float]:
        """Return name to figure; a search that was exhausted stays at its last value."""
        found = {
            "mean_hv": self.mean_hypervolume,
            "error_ratio": self.error_ratio,
            "error_ratio_late": self.late_error_ratio,
            "wasted_seconds": self.wasted_seconds,
            "sampler_ms": float(self.sampler_ms.mean()),
            "sampler_ms_p95": float(np.quantile(self.sampler_ms, 0.95)),
        }
        last = len(self.hypervolumes) - 1
        for count in CHECKPOINTS:
            found[f"hv_{count}"] = float(self.hypervolumes[min(count - 1, last)])
            found[f"regret_{count}"] = float(self.regrets[min(count - 1, last)])
        return found


def hypervolume_of(units: Sequence[tuple[float, float]]) -> float:
    """Return the area that maximised points dominate above (0, 0)."""
    if not units:
        return 0.0
    return hypervolume(-np.asarray(units, dtype=float), (0.0, 0.0))


def measure(columns: Mapping[str, Sequence[float | int | None]], scale: Scale) -> SearchMeasures:
    """Return the figures of one search.

    Args:
        columns: ``number``, ``score`` (None for a failure), ``seconds`` and ``sampler_ms``, in the
            order in which the trials ended.
        scale: Of the task.

    Raises:
        ValueError: There are no trials.
    """
    if not columns["number"]:
        raise ValueError("A search without trials has no figures")
    volumes, regrets = [], []
    front: list[tuple[float, float]] = []
    best = -np.inf
    area = 0.0
    for score, seconds in zip(columns["score"], columns["seconds"], strict=True):
        if score is not None and seconds is not None:
            point = scale.unit(score, seconds)
            best = max(best, point[0])
            if not any(u >= point[0] and v >= point[1] for u, v in front):
                front = [(u, v) for u, v in front if u > point[0] or v > point[1]]
                front.append(point)
                area = hypervolume_of(front) / scale.whole
        volumes.append(area)
        regrets.append(1.0 - max(best, 0.0))
    failed = np.asarray([score is None for score in columns["score"]])
    spent = np.asarray(columns["seconds"], dtype=float)
    late = np.asarray(columns["number"]) >= WARM_UP_TRIALS
    return SearchMeasures(
        hypervolumes=np.asarray(volumes),
        regrets=np.asarray(regrets),
        error_ratio=float(failed.mean()),
        late_error_ratio=float(failed[late].mean()) if late.any() else float("nan"),
        wasted_seconds=float(spent[failed].sum()),
        sampler_ms=np.asarray(columns["sampler_ms"], dtype=float),
    )


def bootstrap_interval(
    values: NDArray[np.float64], generator: np.random.Generator, *, resamples: int = 2_000
) -> tuple[float, float]:
    """Return the 95 % interval of a mean over tasks and seeds; both are resampled.

    Args:
        values: Shape (tasks, seeds); of a paired comparison the differences. NaN is missing.
        generator: Of the resampling.
        resamples: How many.
    """
    tasks, seeds = values.shape
    chosen_tasks = generator.integers(tasks, size=(resamples, tasks, 1))
    chosen_seeds = generator.integers(seeds, size=(resamples, tasks, seeds))
    drawn = values[chosen_tasks, chosen_seeds].reshape(resamples, -1)
    present = ~np.isnan(drawn)
    counts = np.maximum(present.sum(axis=1), 1)
    means = np.where(present, drawn, 0.0).sum(axis=1) / counts
    low, high = np.quantile(means[present.any(axis=1)], [0.025, 0.975])
    return float(low), float(high)


def reliability(
    probabilities: Sequence[float], failed: Sequence[bool], bins: int = 10
) -> list[tuple[float, float, int, float, float]]:
    """Return a reliability table of predicted failures.

    Returns:
        Of each tenth of the probabilities that is not empty: its ends, how many trials, the mean
        probability and the share that failed.
    """
    p, y = np.asarray(probabilities, dtype=float), np.asarray(failed, dtype=float)
    place = np.minimum((p * bins).astype(int), bins - 1)
    return [
        (i / bins, (i + 1) / bins, int(m.sum()), float(p[m].mean()), float(y[m].mean()))
        for i in range(bins)
        if (m := place == i).any()
    ]


def brier(probabilities: Sequence[float], failed: Sequence[bool]) -> float:
    """Return the mean squared difference of predicted failures to what came out."""
    p, y = np.asarray(probabilities, dtype=float), np.asarray(failed, dtype=float)
    return float(((p - y) ** 2).mean())


def coverage(predictions: Sequence[Prediction80]) -> float:
    """Return the share of 80 % intervals that hold what came out."""
    return float(np.mean([one.holds for one in predictions]))
