"""Do the predictions of a sampler hold? Over all searches of a cell."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Any

from benchmarks.replay.measures import Prediction80
from benchmarks.replay.measures import brier
from benchmarks.replay.measures import coverage
from benchmarks.replay.measures import reliability
from xautolm_core.search.contract import Objective

if TYPE_CHECKING:
    from benchmarks.replay.results import Cell

Bin = tuple[float, float, int, float, float]


@dataclass(frozen=True)
class Calibration:
    """How predictions compare with what came out.

    Attributes:
        coverages: Objective to the share of 80 % intervals that held, and how many there were.
        brier: Of the failure probability; None if none was predicted.
        base_rate_brier: What predicting the share of failures would have come to.
        bins: Reliability table of the failure probability.
    """

    coverages: dict[str, tuple[float, int]]
    brier: float | None
    base_rate_brier: float | None
    bins: list[Bin]


def calibrate(cell: Cell) -> Calibration | None:
    """Return the calibration of a cell, or None if nothing was predicted in it."""
    intervals: dict[str, list[Prediction80]] = {}
    probabilities: list[float] = []
    failed: list[bool] = []
    for explained, score, seconds in _explained(cell):
        if "failure_probability" in explained:
            probabilities.append(explained["failure_probability"])
            failed.append(score is None)
        actual = {Objective.F1.value: score, Objective.TIME.value: seconds}
        for objective, predicted in explained.get("predictions", {}).items():
            value = actual.get(objective)
            if score is not None and value is not None:
                intervals.setdefault(objective, []).append(
                    Prediction80(predicted["low"], predicted["high"], value)
                )
    if not intervals and not probabilities:
        return None
    share = sum(failed) / len(failed) if failed else 0.0
    return Calibration(
        coverages={name: (coverage(found), len(found)) for name, found in intervals.items()},
        brier=brier(probabilities, failed) if probabilities else None,
        base_rate_brier=brier([share] * len(failed), failed) if probabilities else None,
        bins=reliability(probabilities, failed) if probabilities else [],
    )


def _explained(cell: Cell) -> Iterator[tuple[dict[str, Any], float | None, float]]:
    """Yield what was predicted of each trial, its score and its seconds."""
    for one in cell.searches.values():
        columns = one.part.columns
        for explained, score, seconds in zip(
            columns.get("explanation", []), columns["score"], columns["seconds"], strict=False
        ):
            if explained is not None:
                yield explained, score, seconds
