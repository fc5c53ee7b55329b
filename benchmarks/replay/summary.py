"""The short table of a run: a line an arm, regime and table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.replay.arms import ARMS
from benchmarks.replay.parts import Job
from benchmarks.replay.regimes import REGIMES
from benchmarks.replay.results import Cell
from benchmarks.replay.results import Results
from benchmarks.replay.results import negative_transfer

_HEAD = (
    f"{'table':<16}{'regime':<10}{'arm':<22}{'w':>2}{'n':>5}{'mean HV':>9}{'interval':>15}"
    f"{'HV5':>7}{'HV10':>7}{'HV40':>7}{'regr10':>8}{'regr40':>8}{'err':>6}{'err>10':>7}"
    f"{'neg':>6}{'ms':>8}{'p95':>8}"
)


def print_summary(folder: Path, jobs: Sequence[Job]) -> None:
    """Print the figures of some searches, as far as they have been run."""
    wanted = set(jobs)
    results = Results.read(folder, lambda part: part.job in wanted)
    print(_HEAD)
    for key in sorted(results.cells, key=_order):
        print(_line(results, results.cells[key]))


def _order(key: tuple[str, str, str, int]) -> tuple[str, int, int, int]:
    table, regime, arm, workers = key
    return table, list(REGIMES).index(regime), workers, list(ARMS).index(arm)


def _line(results: Results, cell: Cell) -> str:
    low, high = cell.interval("mean_hv")
    without = results.without_history(cell)
    negative = ""
    if without is not None and without is not cell:
        negative = f"{negative_transfer(cell, without):.2f}"
    hv = [cell.mean(f"hv_{count}") for count in (5, 10, 40)]
    return (
        f"{cell.table:<16}{cell.regime:<10}{cell.arm:<22}{cell.workers:>2}"
        f"{len(cell.searches):>5}{cell.mean('mean_hv'):>9.4f}{f'{low:.3f}-{high:.3f}':>15}"
        f"{hv[0]:>7.3f}{hv[1]:>7.3f}{hv[2]:>7.3f}{cell.mean('regret_10'):>8.3f}"
        f"{cell.mean('regret_40'):>8.3f}{cell.mean('error_ratio'):>6.2f}"
        f"{cell.mean('error_ratio_late'):>7.3f}{negative:>6}{cell.mean('sampler_ms'):>8.1f}"
        f"{cell.mean('sampler_ms_p95'):>8.1f}"
    )
