"""Is the budget kept? Searches of one to five minutes on 300 to 120,000 rows, the end included.

Rows are made by repeating a data set with noise (``large_data.py``); scores say nothing about the
task. Each search runs in a process of its own with an empty store. Results are kept in
``--out``, so that an interrupted run continues where it stopped.

    XAUTOLM_DATA_DIR=... python benchmarks/budget_kept.py --out runs/budget-kept
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from large_data import write_rows
from measured_process import call

ROWS = (300, 2_000, 10_000, 40_000, 120_000)
BUDGETS = ("1m", "2m", "3m", "5m")
MOST_OVER_SHARE = 0.03
MOST_OVER_SECONDS = 5.0


def search(data: Path, budget: str, work: Path) -> Mapping[str, Any]:
    """Run one search; return its seconds, as reported and by the wall clock."""
    command = [sys.executable, "-m", "xautolm_core.cli", "search", str(data), "--budget", budget]
    command += ["--offline", "--json", "--store", str(work / "store"), "--out", str(work / "run")]
    called = call(command, work / "log")
    if called["exit_code"] != 0:
        raise SystemExit(f"error: the search ended with {called['exit_code']}: see {work / 'log'}")
    document = json.loads(called["stdout"])
    return {
        "wall_seconds": called["wall_seconds"],
        "seconds": document["seconds"],
        "trials": document["trials"],
        "stopped_by": document["stopped_by"],
        "chosen": document["best"]["configuration"]["method"],
        "validation": document["best"]["validation"]["macro_f1"],
    }


def is_kept(measured: Mapping[str, Any], budget_seconds: float) -> bool:
    """Whether a search took at most 3 % or 5 s more than its budget, whichever is larger."""
    allowed = budget_seconds + max(MOST_OVER_SHARE * budget_seconds, MOST_OVER_SECONDS)
    return float(measured["wall_seconds"]) <= allowed


def main() -> None:
    """Measure all sizes and budgets; print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", default="ag_news")
    parser.add_argument("--rows", default=",".join(map(str, ROWS)))
    parser.add_argument("--budgets", default=",".join(BUDGETS))
    parser.add_argument("--out", type=Path, default=Path("runs/budget-kept"))
    arguments = parser.parse_args()
    if not os.environ.get("XAUTOLM_DATA_DIR"):
        raise SystemExit("error: XAUTOLM_DATA_DIR is not set. Name the folder of the data sets.")
    source = Path(os.environ["XAUTOLM_DATA_DIR"]) / arguments.task
    arguments.out.mkdir(parents=True, exist_ok=True)
    print(f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores, {time.ctime()}")
    print("| rows | budget | wall s | of the budget | kept | trials | chosen | ended by |")
    print("|---|---|---|---|---|---|---|---|")
    for rows in map(int, arguments.rows.split(",")):
        data = arguments.out / f"{rows}.parquet"
        if not data.exists():
            write_rows(source, data, rows, seed=0)
        for budget in arguments.budgets.split(","):
            part = arguments.out / f"{rows}-{budget}.json"
            if not part.exists():
                work = arguments.out / f"{rows}-{budget}"
                work.mkdir(exist_ok=True)
                part.write_text(json.dumps(search(data, budget, work), indent=1))
            measured = json.loads(part.read_text())
            seconds = 60.0 * float(budget.removesuffix("m"))
            print(
                f"| {rows:,} | {budget} | {measured['wall_seconds']:.0f} "
                f"| {measured['wall_seconds'] / seconds:.2f} "
                f"| {'yes' if is_kept(measured, seconds) else '**no**'} | {measured['trials']} "
                f"| {measured['chosen']} | {measured['stopped_by']} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
