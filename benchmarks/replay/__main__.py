"""Replays samplers on tables of recorded outcomes, and compares them.

    python -m benchmarks.replay --out runs/replay            # everything
    python -m benchmarks.replay --quick                      # two tasks, one seed
    python -m benchmarks.replay --arms guarded,portfolio --tables synthetic --tasks 4 --seeds 2

Results are kept in ``--out``, so that an interrupted run continues. The table of language
models is in the folder ``model_selection_replay`` below ``XAUTOLM_DATA_DIR``; without it, it is
left out with a word.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.replay.schedule import Selection


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark, and write its report."""
    from benchmarks.replay.runner import TABLE_NAMES
    from benchmarks.replay.runner import limit_threads

    limit_threads()
    from benchmarks.replay.report import note_unavailable
    from benchmarks.replay.report import write_report
    from benchmarks.replay.runner import open_table
    from benchmarks.replay.runner import run_jobs
    from benchmarks.replay.runner import unavailable_arms
    from benchmarks.replay.schedule import Selection
    from benchmarks.replay.schedule import schedule
    from benchmarks.replay.summary import print_summary
    from benchmarks.replay.synthetic import SyntheticTable

    options = _options(arguments)
    tables = {}
    for name in options.tables or TABLE_NAMES:
        table = open_table(name)
        if table is None:
            print(f"table {name} is left out: XAUTOLM_DATA_DIR does not name its folder")
        else:
            tables[name] = table.tasks
    selection = Selection(
        arms=options.arms,
        regimes=options.regimes,
        tasks=options.tasks or (2 if options.quick else None),
        seeds=options.seeds or (1 if options.quick else None),
        workers=options.workers,
        trials=options.trials,
    )
    jobs = list(schedule(tables, selection))
    failed = []
    if not options.report_only:
        unavailable = unavailable_arms(jobs, options.out)
        note_unavailable(options.out, unavailable)
        jobs = [job for job in jobs if job.arm not in unavailable]
        failed = run_jobs(jobs, options.out, processes=options.processes, again=options.again)
        if SyntheticTable.name in tables:
            measure_failure_model(options.out, selection)
    print_summary(options.out, jobs)
    for gate in write_report(options.out, options.trials):
        if gate.figure is not None:
            verdict = "holds" if gate.holds else "DOES NOT HOLD"
            print(f"{gate.table:<16}{gate.target:<60}{gate.figure:>8.3f}  {verdict}")
    print(f"{options.out / 'report.md'}, report.html and tasks.csv have all of it")
    return 1 if failed else 0


def measure_failure_model(folder: Path, selection: Selection) -> None:
    """Judge the failure model on as many tasks and seeds, unless it has been done."""
    from benchmarks.replay.failure_reliability import FILE
    from benchmarks.replay.failure_reliability import forecast
    from benchmarks.replay.failure_reliability import write_forecasts
    from benchmarks.replay.schedule import FEW_SEEDS
    from benchmarks.replay.schedule import spread
    from benchmarks.replay.synthetic import SyntheticTable

    if not (folder / FILE).is_file():
        table = SyntheticTable()
        tasks = spread(table.tasks, selection.tasks)
        seeds = min(selection.seeds or FEW_SEEDS, FEW_SEEDS)
        write_forecasts(folder, forecast(table, tasks, seeds))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.replay",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--out", type=Path, default=Path("runs/replay"), help="folder of parts and report")
    add("--arms", type=_names, help="these arms only (comma-separated)")
    add("--tables", type=_names, help="synthetic, model_selection")
    add("--regimes", type=_names, help="these histories only, such as normal,hostile")
    add("--tasks", type=int, help="number of tasks of each table")
    add("--seeds", type=int, help="number of seeds for every arm")
    add("--workers", type=_numbers, help="these numbers of workers only")
    add("--trials", type=int, default=40, help="of a search")
    add("--processes", type=int, default=2, help="searches at once")
    add("--quick", action="store_true", help="two tasks of each table and one seed")
    add("--again", action="store_true", help="run also what has been run")
    add("--report-only", action="store_true", help="only report existing results")
    return parser.parse_args(arguments)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _numbers(text: str) -> list[int]:
    return [int(number) for number in _names(text)]


if __name__ == "__main__":
    sys.exit(main())
