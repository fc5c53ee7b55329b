"""A cold search against one plain epoch of full fine-tuning of the same model, in one run.

For each task and seed: ``xautolm search TASK --space starter --budget 15m`` with an empty store,
then ``plain_fine_tuning.py`` on the same machine with all of its cores. What is done is kept in
``--out``, so that an interrupted run goes on where it stopped.

    XAUTOLM_DATA_DIR=... python benchmarks/first_search.py --out runs/first-search
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import mean
from typing import Any

HERE = Path(__file__).resolve().parent


def search(task: Path, seed: int, budget: str, out: Path) -> Mapping[str, Any]:
    """Run one cold search; return its JSON document."""
    command = [sys.executable, "-m", "xautolm_core.cli", "search", str(task)]
    command += ["--space", "starter", "--budget", budget, "--seed", str(seed), "--json"]
    command += ["--store", str(out / "store"), "--out", str(out / "run")]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    document: Mapping[str, Any] = json.loads(done.stdout)
    return document


def plain(task: Path, seed: int) -> Mapping[str, Any]:
    """Run one plain epoch; return its JSON document."""
    command = [sys.executable, str(HERE / "plain_fine_tuning.py"), str(task), "--seed", str(seed)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    document: Mapping[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return document


def measure(data: Path, task: str, seed: int, budget: str, out: Path) -> Mapping[str, Any]:
    """Measure one task with one seed, or read what an earlier run has measured."""
    kept = out / f"{task}-{seed}.json"
    if kept.exists():
        document: Mapping[str, Any] = json.loads(kept.read_text())
        return document
    begin = time.perf_counter()
    found = search(data / task, seed, budget, out / f"{task}-{seed}")
    search_seconds = time.perf_counter() - begin
    reference = plain(data / task, seed)
    row = {
        "task": task,
        "seed": seed,
        "budget": budget,
        "search_seconds": search_seconds,
        "search": found,
        "plain": reference,
    }
    kept.write_text(json.dumps(row, indent=1))
    return row


def main() -> None:
    """Measure all tasks and seeds; print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", default="sst2,ag_news")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--budget", default="15m")
    parser.add_argument("--out", type=Path, default=Path("runs/first-search"))
    arguments = parser.parse_args()
    data = Path(os.environ.get("XAUTOLM_DATA_DIR", ""))
    if not os.environ.get("XAUTOLM_DATA_DIR"):
        raise SystemExit("error: XAUTOLM_DATA_DIR is not set. Name the folder of the data sets.")
    arguments.out.mkdir(parents=True, exist_ok=True)
    seeds = [int(seed) for seed in arguments.seeds.split(",")]
    print(f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores, {time.ctime()}")
    print("| task | seed | search | plain epoch | linear | trials | best | search s | plain s |")
    print("|---|---|---|---|---|---|---|---|---|")
    for task in arguments.tasks.split(","):
        rows = [measure(data, task, seed, arguments.budget, arguments.out) for seed in seeds]
        for row in rows:
            found, reference = row["search"], row["plain"]
            print(
                f"| {task} | {row['seed']} | {found['test']['macro_f1']:.4f} "
                f"| {reference['macro_f1']:.4f} | {found['baseline']['macro_f1']:.4f} "
                f"| {found['trials']} | {found['best']['configuration']['branch']} "
                f"| {row['search_seconds']:.0f} | {reference['train_seconds']:.0f} |",
                flush=True,
            )
        search_mean = mean(row["search"]["test"]["macro_f1"] for row in rows)
        plain_mean = mean(row["plain"]["macro_f1"] for row in rows)
        print(f"| {task} | mean | {search_mean:.4f} | {plain_mean:.4f} | | | | | |", flush=True)


if __name__ == "__main__":
    main()
