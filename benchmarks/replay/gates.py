"""The targets that the benchmark checks."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.replay.arms import ARMS
from benchmarks.replay.measures import bootstrap_interval
from benchmarks.replay.regimes import HOSTILE
from benchmarks.replay.regimes import NONE
from benchmarks.replay.regimes import NORMAL
from benchmarks.replay.regimes import SHUFFLED
from benchmarks.replay.results import Results
from benchmarks.replay.results import difference
from benchmarks.replay.results import negative_transfer

if TYPE_CHECKING:
    from benchmarks.replay.results import Cell

GUARDED = "guarded"
MODELS, SYNTHETIC = "model_selection", "synthetic"


@dataclass(frozen=True)
class Gate:
    """A target, and what came out.

    Attributes:
        table: Name of the table.
        target: In words.
        figure: What was measured; None if it was not.
        holds: Whether the target is met; None if it was not measured.
        interval: 95 % interval of the figure, if it is a mean.
    """

    table: str
    target: str
    figure: float | None = None
    holds: bool | None = None
    interval: tuple[float, float] | None = None


@dataclass(frozen=True)
class _Judge:
    """Compares the cells of one table.

    Attributes:
        results: All searches.
        table: The table.
    """

    results: Results
    table: str

    def at_least(self, target: str, regime: str, least: float, figure: str = "mean_hv") -> Gate:
        """Judge that a mean of ``guarded`` is not below a number."""
        return self._mean(target, regime, figure, lambda value: value >= least)

    def at_most(self, target: str, regime: str, most: float, figure: str) -> Gate:
        """Judge that a mean of ``guarded`` is not above a number."""
        return self._mean(target, regime, figure, lambda value: value <= most)

    def _mean(self, target: str, regime: str, figure: str, met: Callable[[float], bool]) -> Gate:
        cell = self.results.cell(self.table, regime, GUARDED)
        if cell is None:
            return Gate(self.table, target)
        value = cell.mean(figure)
        return Gate(self.table, target, value, met(value), cell.interval(figure))

    def not_below(
        self, target: str, regime: str, arm: str, other_regime: str, slack: float = 0.0
    ) -> Gate:
        """Judge that ``guarded`` is not below an arm by more than a slack, on the same pairs."""
        one = self.results.cell(self.table, regime, GUARDED)
        other = self.results.cell(self.table, other_regime, arm)
        return (
            Gate(self.table, target)
            if not (one and other)
            else self._pairs(target, one, other, slack)
        )

    def _pairs(self, target: str, one: Cell, other: Cell, slack: float) -> Gate:
        pairs = difference(one, other, "mean_hv")
        value = float(np.nanmean(pairs))
        interval = bootstrap_interval(pairs, np.random.default_rng(0))
        return Gate(self.table, target, value, value >= -slack, interval)

    def negative_transfer(self, target: str, regime: str, most: float) -> Gate:
        """Judge the share of tasks on which history did harm."""
        cell = self.results.cell(self.table, regime, GUARDED)
        without = None if cell is None else self.results.without_history(cell)
        if cell is None or without is None:
            return Gate(self.table, target)
        share = negative_transfer(cell, without)
        return Gate(self.table, target, share, share <= most)


def judge(results: Results) -> list[Gate]:
    """Return every target with what came out."""
    return [*_model_selection(results), *_synthetic(results)]


def _model_selection(results: Results) -> Iterator[Gate]:
    judge = _Judge(results, MODELS)
    yield judge.at_least("normal: mean HV of guarded ≥ .89", NORMAL, 0.89)
    for arm, spec in ARMS.items():
        if spec.group in ("baseline", "peer", "ours", "paper") and MODELS in spec.tables:
            regime = NORMAL if spec.reads_history else NONE
            target = f"normal: guarded above {spec.title}"
            yield judge.not_below(target, NORMAL, arm, regime)
    yield judge.negative_transfer("normal: negative transfer on ≤ 5 % of tasks", NORMAL, 0.05)
    yield judge.not_below("hostile: not below no history by > .005", HOSTILE, GUARDED, NONE, 0.005)
    yield judge.not_below(
        "shuffled: not below no history by > .015", SHUFFLED, GUARDED, NONE, 0.015
    )
    yield judge.not_below("five tasks: ≥ portfolio - .01", "scarce5", "portfolio", "scarce5", 0.01)
    for arm in ("gp", "tpe", "tpe_fail"):
        yield judge.not_below(f"no history: ≥ {ARMS[arm].title}", NONE, arm, NONE)


def _synthetic(results: Results) -> Iterator[Gate]:
    judge = _Judge(results, SYNTHETIC)
    yield judge.at_least("no history: mean HV of guarded ≥ .57", NONE, 0.57)
    yield judge.at_least("normal: mean HV of guarded ≥ .71", NORMAL, 0.71)
    yield judge.not_below("normal: guarded ≥ greedy portfolio", NORMAL, "portfolio", NORMAL)
    yield judge.at_least("hostile: mean HV of guarded ≥ .58", HOSTILE, 0.58)
    for regime in (NONE, NORMAL, HOSTILE):
        words = f"{'no history' if regime == NONE else regime}: error ratio after ten ≤ .04"
        yield judge.at_most(words, regime, 0.04, "error_ratio_late")
