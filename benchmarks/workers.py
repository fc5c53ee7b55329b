"""One worker with all cores, or one for each core: which trains more in the same time?

    python benchmarks/workers.py

Fine-tunes MiniLM on rows of SST-2, AG News and MELD (``$XAUTOLM_DATA_DIR``, see
``trial_throughput.py``; made up without it). Either one trial has all threads, or as many trials as
there are cores run beside each other with one thread each. The figure is the ratio of optimiser
steps a second, all trials of a side together, over the repetitions, with the least and the largest
of the repetitions; and the ratio of the memory of all processes. Above 1 favours several workers.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from trial_throughput import CASES
from trial_throughput import Case
from trial_throughput import make_task
from trial_throughput import run_side


def beside_each_other(job: dict[str, Any], count: int) -> dict[str, float]:
    """Run ``count`` trials at once; return their steps a second and their memory, summed."""
    with ThreadPoolExecutor(count) as pool:
        found = list(pool.map(lambda _: run_side("trial", job), range(count)))
    return {
        "steps_per_second": sum(one["steps_per_second"] for one in found),
        "peak_bytes": sum(one["peak_bytes"] for one in found),
    }


def compare(case: Case, arguments: argparse.Namespace, cache: Path) -> dict[str, Any]:
    """Run one worker and several in turns; return the ratios, several over one."""
    from xautolm_core.tasks.prepared import write_prepared

    task, source = make_task(case, arguments.rows)
    job = {"task": str(write_prepared(task, cache)), "cache": str(cache), "bf16": False}
    cores = arguments.cores
    # Tokens are kept: no side pays for them.
    beside_each_other({**job, "threads": cores}, 1)
    speed, memory = [], []
    for _ in range(arguments.repetitions):
        one = beside_each_other({**job, "threads": cores}, 1)
        several = beside_each_other({**job, "threads": 1}, cores)
        speed.append(several["steps_per_second"] / one["steps_per_second"])
        memory.append(several["peak_bytes"] / one["peak_bytes"])
    return {
        "case": case.name,
        "source": source,
        "speed_ratio": statistics.median(speed),
        "speed_ratios": speed,
        "memory_ratio": statistics.median(memory),
    }


def main() -> None:
    """Compare, print a table and one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", nargs="+", default=[c.name for c in CASES])
    parser.add_argument("--rows", type=int, default=1_600, help="training rows: one epoch of them")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--cores", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    print(f"{'case':8} {'speed':>6} {'least':>6} {'most':>6} {'memory':>6}")
    with tempfile.TemporaryDirectory() as folder:
        cases = [c for c in CASES if c.name in arguments.cases]
        compared = []
        for case in cases:
            row = compare(case, arguments, Path(folder))
            compared.append(row)
            print(
                f"{row['case']:8} {row['speed_ratio']:6.2f} {min(row['speed_ratios']):6.2f} "
                f"{max(row['speed_ratios']):6.2f} {row['memory_ratio']:6.2f}",
                flush=True,
            )
    print(json.dumps({"benchmark": "workers", "cores": arguments.cores, "cases": compared}))


if __name__ == "__main__":
    main()
