"""A cold search against one plain epoch of full fine-tuning of the same model, in one run.

For each task and seed: ``xautolm search TASK --space starter --budget 15m`` with an empty store,
and ``plain_fine_tuning.py`` on the same machine. What is done is kept in ``--out``, part by part,
so that an interrupted run goes on where it stopped; ``--part`` runs the one or the other alone (an
epoch's score does not depend on how quick the machine is, a search's does).

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
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
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


def kept(path: Path, make: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return what an earlier run has measured, or measure it now and keep it."""
    if path.exists():
        document: Mapping[str, Any] = json.loads(path.read_text())
        return document
    begin = time.perf_counter()
    measured = {**make(), "wall_seconds": time.perf_counter() - begin}
    path.write_text(json.dumps(measured, indent=1))
    return measured


def measure(
    data: Path, task: str, seed: int, *, budget: str, out: Path, part: str
) -> Mapping[str, Any] | None:
    """Measure one task with one seed; None as long as a part is missing."""
    parts = {
        "search": lambda: search(data / task, seed, budget, out / f"{task}-{seed}"),
        "plain": lambda: plain(data / task, seed),
    }
    found: dict[str, Any] = {"task": task, "seed": seed}
    for name, make in parts.items():
        path = out / f"{task}-{seed}-{name}.json"
        if part in (name, "both") or path.exists():
            found[name] = kept(path, make)
    return found if len(found) == 4 else None


def print_rows(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print the rows of a task, and their means."""
    for row in rows:
        found, reference = row["search"], row["plain"]
        print(
            f"| {row['task']} | {row['seed']} | {found['test']['macro_f1']:.4f} "
            f"| {reference['macro_f1']:.4f} | {found['cheap']['test']['macro_f1']:.4f} "
            f"| {found['trials']} | {found['best']['configuration']['branch']} "
            f"| {found['wall_seconds']:.0f} | {reference['train_seconds']:.0f} |"
        )
    if rows:
        searches = mean(row["search"]["test"]["macro_f1"] for row in rows)
        epochs = mean(row["plain"]["macro_f1"] for row in rows)
        task = rows[0]["task"]
        print(f"| {task} | mean | {searches:.4f} | {epochs:.4f} | | | | | |", flush=True)


def main() -> None:
    """Measure all tasks and seeds; print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", default="sst2,ag_news")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--budget", default="15m")
    parser.add_argument("--part", choices=("both", "search", "plain"), default="both")
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
        rows = [
            measure(
                data,
                task,
                seed,
                budget=arguments.budget,
                out=arguments.out,
                part=arguments.part,
            )
            for seed in seeds
        ]
        print_rows([row for row in rows if row is not None])


if __name__ == "__main__":
    main()
