"""The tables of the report as rows of text, so that a page and a document show the same."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.replay.arms import ARMS
from benchmarks.replay.calibration import Calibration
from benchmarks.replay.calibration import calibrate
from benchmarks.replay.failure_reliability import Forecasts
from benchmarks.replay.gates import Gate
from benchmarks.replay.headlines import HEADLINES
from benchmarks.replay.headlines import Headline
from benchmarks.replay.headlines import headlines
from benchmarks.replay.measures import CHECKPOINTS
from benchmarks.replay.measures import bootstrap_interval
from benchmarks.replay.measures import brier
from benchmarks.replay.measures import reliability
from benchmarks.replay.regimes import REGIMES
from benchmarks.replay.results import Cell
from benchmarks.replay.results import Results
from benchmarks.replay.results import difference
from benchmarks.replay.results import negative_transfer

TITLES: Mapping[str, str] = {
    "synthetic": "Table (a), synthetic conditional space",
    "model_selection": "Table (b), model selection",
}


@dataclass(frozen=True)
class TextTable:
    """A table as text.

    Attributes:
        title: Its heading.
        note: What is to be known to read it.
        head: Names of the columns.
        rows: One cell a column.
    """

    title: str
    note: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


def all_tables(results: Results, gates: Sequence[Gate]) -> Iterator[TextTable]:
    """Yield the tables of the report in their order."""
    yield gates_table(gates)
    names = [name for name in TITLES if any(key[0] == name for key in results.cells)]
    for name in names:
        for regime in REGIMES:
            for workers in sorted({key[3] for key in results.cells}):
                cells = _cells(results, name, regime, workers)
                if cells:
                    yield arms_table(results, cells)
    for name in names:
        found = list(headlines(results, name))
        if found:
            yield headlines_table(name, found)
            yield peaks_table(name, found)
    yield from calibration_tables(results)
    yield times_table(results)


def gates_table(gates: Sequence[Gate]) -> TextTable:
    """Return the targets with what came out."""
    rows = [
        [
            TITLES[gate.table],
            gate.target,
            "not measured" if gate.figure is None else f"{gate.figure:.3f}",
            "" if gate.interval is None else _interval(gate.interval),
            {None: "", True: "holds", False: "**does not hold**"}[gate.holds],
        ]
        for gate in gates
    ]
    note = (
        "Targets that compare show the mean difference over the same tasks and seeds. Intervals "
        "are 95 %, from a bootstrap over tasks and seeds."
    )
    return TextTable("Targets", note, ["table", "target", "figure", "interval", ""], rows)


def _cells(results: Results, table: str, regime: str, workers: int) -> list[Cell]:
    found = [results.cell(table, regime, arm, workers) for arm in ARMS]
    return [cell for cell in found if cell is not None]


def arms_table(results: Results, cells: Sequence[Cell]) -> TextTable:
    """Return the figures of all arms in one regime of a table."""
    first = cells[0]
    head = [
        "arm",
        "searches",
        "mean HV",
        "interval",
        "over no history",
        "negative transfer",
        *(f"HV {count}" for count in CHECKPOINTS),
        *(f"regret {count}" for count in CHECKPOINTS),
        "errors",
        "errors after 10",
        "wasted s",
        "ms an ask",
        "p95",
    ]
    workers = "" if first.workers == 1 else f", {first.workers} workers"
    title = f"{TITLES[first.table]}: {first.regime}{workers}"
    note = f"The history is {REGIMES[first.regime]}."
    return TextTable(title, note, head, [_arm_row(results, cell) for cell in cells])


def _arm_row(results: Results, cell: Cell) -> list[str]:
    without = results.without_history(cell)
    gain, share = "", ""
    if without is not None and without is not cell:
        pairs = difference(cell, without, "mean_hv")
        interval = bootstrap_interval(pairs, np.random.default_rng(0))
        gain = f"{float(np.nanmean(pairs)):+.3f} ({_interval(interval)})"
        share = f"{negative_transfer(cell, without):.0%}"
    return [
        ARMS[cell.arm].title,
        str(len(cell.searches)),
        f"{cell.mean('mean_hv'):.3f}",
        _interval(cell.interval("mean_hv")),
        gain,
        share,
        *(f"{cell.mean(f'hv_{count}'):.3f}" for count in CHECKPOINTS),
        *(f"{cell.mean(f'regret_{count}'):.3f}" for count in CHECKPOINTS),
        f"{cell.mean('error_ratio'):.3f}",
        f"{cell.mean('error_ratio_late'):.3f}",
        f"{cell.mean('wasted_seconds'):.0f}",
        f"{cell.mean('sampler_ms'):.1f}",
        f"{cell.mean('sampler_ms_p95'):.1f}",
    ]


def headlines_table(table: str, found: Sequence[Headline]) -> TextTable:
    """Return the paper's headlines of each arm."""
    by_arm: dict[str, dict[str, Headline]] = {}
    for one in found:
        by_arm.setdefault(one.arm, {})[one.name] = one
    rows = [
        [
            ARMS[arm].title,
            *(
                f"{of_arm[name].mean:.3f} ({_interval(of_arm[name].interval)})"
                for name in HEADLINES
            ),
        ]
        for arm, of_arm in by_arm.items()
    ]
    note = "Each search beside `zero_shot` of the same task and seed; with a normal history."
    title = f"{TITLES[table]}: the paper's headlines"
    return TextTable(title, note, ["arm", *HEADLINES], rows)


def peaks_table(table: str, found: Sequence[Headline]) -> TextTable:
    """Return by how much each arm's peak score is above zero-shot's, task by task."""
    name = next(iter(HEADLINES))
    chosen = [one for one in found if one.name == name and one.arm != "zero_shot"]
    tasks = sorted({task for one in chosen for task in one.tasks})
    of_task = [one.by_task() for one in chosen]
    rows = [
        [task, *(f"{known.get(task, float('nan')):+.3f}" for known in of_task)] for task in tasks
    ]
    rows.append(
        ["tasks above", *(f"{sum(v > 0 for v in one.values())} of {len(one)}" for one in of_task)]
    )
    title = f"{TITLES[table]}: peak score over zero-shot, by task"
    return TextTable(title, "", ["task", *(ARMS[one.arm].title for one in chosen)], rows)


def calibration_tables(results: Results) -> Iterator[TextTable]:
    """Yield whether predictions held, and how reliable failure probabilities were."""
    found = _calibrations(results)
    if not found:
        return
    rows = [[*_name(cell), *_calibrated(one)] for cell, one in found]
    head = ["table", "history", "arm", "F1 within", "seconds within", "Brier", "of base rate"]
    note = "Share of outcomes within the predicted 80 % intervals; Brier score of p(failure)."
    yield TextTable("Calibration", note, head, rows)
    reliable = [
        [*_name(cell), f"{low:.1f}-{high:.1f}", str(count), f"{said:.3f}", f"{came:.3f}"]
        for cell, one in found
        for low, high, count, said, came in one.bins
    ]
    if reliable:
        head = ["table", "history", "arm", "p(failure)", "trials", "mean predicted", "failed"]
        yield TextTable("Reliability of failure probabilities", "", head, reliable)


def _calibrations(results: Results) -> list[tuple[Cell, Calibration]]:
    cells = [cell for cell in results.cells.values() if cell.workers == 1]
    pairs = [(cell, calibrate(cell)) for cell in sorted(cells, key=_place)]
    return [(cell, one) for cell, one in pairs if one is not None]


def _calibrated(one: Calibration) -> list[str]:
    covered = [one.coverages.get(name) for name in ("f1", "time")]
    return [
        *("" if pair is None else f"{pair[0]:.0%} of {pair[1]}" for pair in covered),
        "" if one.brier is None else f"{one.brier:.4f}",
        "" if one.base_rate_brier is None else f"{one.base_rate_brier:.4f}",
    ]


def forecast_tables(found: Sequence[Forecasts]) -> Iterator[TextTable]:
    """Yield how reliable the failure model is on random configurations."""
    if not found:
        return
    head = ["history", "own trials", "configurations", "failed", "Brier", "of base rate"]
    rows = []
    for one in found:
        share = sum(one.failed) / len(one.failed)
        rows.append(
            [
                one.regime,
                str(one.own_trials),
                str(len(one.failed)),
                f"{share:.3f}",
                f"{brier(one.probabilities, one.failed):.3f}",
                f"{share * (1 - share):.3f}",
            ]
        )
    note = "Random configurations of the synthetic tasks, judged before they run."
    yield TextTable("The failure model on random configurations", note, head, rows)
    reliable = [
        [
            one.regime,
            str(one.own_trials),
            f"{low:.1f}-{high:.1f}",
            str(count),
            f"{said:.3f}",
            f"{came:.3f}",
        ]
        for one in found
        for low, high, count, said, came in reliability(one.probabilities, one.failed)
    ]
    head = ["history", "own trials", "p(failure)", "configurations", "mean predicted", "failed"]
    yield TextTable("Reliability of the failure model", "", head, reliable)


def times_table(results: Results) -> TextTable:
    """Return what the benchmark itself took, by arm."""
    seconds: dict[str, list[float]] = {}
    for cell in results.cells.values():
        for one in cell.searches.values():
            seconds.setdefault(cell.arm, []).append(one.part.wall_seconds)
    rows = [
        [ARMS[arm].title, str(len(seconds[arm])), f"{sum(seconds[arm]):.0f}"]
        for arm in ARMS
        if arm in seconds
    ]
    total = sum(sum(each) for each in seconds.values())
    rows.append(["all", str(sum(map(len, seconds.values()))), f"{total:.0f}"])
    note = "Of one process each; the histories are built besides."
    return TextTable("What the benchmark took", note, ["arm", "searches", "seconds"], rows)


def _name(cell: Cell) -> list[str]:
    return [TITLES[cell.table], cell.regime, ARMS[cell.arm].title]


def _place(cell: Cell) -> tuple[str, int, int]:
    return cell.table, list(REGIMES).index(cell.regime), list(ARMS).index(cell.arm)


def _interval(ends: tuple[float, float]) -> str:
    return f"{ends[0]:.3f} to {ends[1]:.3f}"


def as_markdown(table: TextTable) -> str:
    """Return a table as Markdown."""
    lines = [f"## {table.title}", ""]
    if table.note:
        lines += [table.note, ""]
    lines.append("| " + " | ".join(table.head) + " |")
    lines.append("|" + "---|" * len(table.head))
    lines += ["| " + " | ".join(row) + " |" for row in table.rows]
    return "\n".join([*lines, ""])
