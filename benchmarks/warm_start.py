"""Does history help? The ``xautolm`` sampler with and without it, and random search.

Three pairs of related tasks. A random search on the first task of a pair fills a store; then each
arm searches the second task with equal numbers of real trials, several seeds each: ``warm`` starts
from the store, ``cold`` is the same sampler with an empty store, ``random`` is uniform. No arm gets
the space's own first configurations, which would be the same for all (``--starts preset``). With
``--arms warm,cold,random,paper`` there is also ``paper``: warm with the paper's own learning rates.

Each search runs in a process of its own on a core of its own. Results are kept in ``--out``, so
that an interrupted run continues where it stopped.

    XAUTOLM_DATA_DIR=... python benchmarks/warm_start.py --out runs/warm-start

Without ``XAUTOLM_DATA_DIR`` the pairs are synthetic texts.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import queue
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from related_tasks import PAIRS
from related_tasks import Pair
from related_tasks import write_task

ARMS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "warm": ("xautolm", {}),
    "cold": ("xautolm", {}),
    "random": ("random", {}),
    "paper": (
        "xautolm",
        {
            "positive_multiplier": 1,
            "branch_multiplier": 1,
            "utility_power": 1,
            "negative": "fixed",
            "replay": "descending",
            "memory_first": False,
            "exploration": "warm",
        },
    ),
}
WITH_HISTORY = ("warm", "paper")
HISTORY_SEED = 1_000
RESAMPLES = 10_000


# --- searches ---


def run_one(request: Mapping[str, Any]) -> None:
    """Run one search in this process and write what came of it."""
    from xautolm_core.launch.local import LocalLauncher
    from xautolm_core.search.contract import SearchSpec
    from xautolm_core.search.runner import run_search
    from xautolm_core.tasks.source import read_task_spec

    os.sched_setaffinity(0, {int(request["cpu"])})
    work = Path(request["work"])
    shutil.rmtree(work, ignore_errors=True)
    if request["history"]:
        shutil.copytree(request["history"], work / "store")
    spec = SearchSpec(
        search_id=str(request["name"]),
        task=read_task_spec(str(request["data"])),
        space=str(request["space"]),
        sampler=str(request["sampler"]),
        sampler_options=dict(request["options"]),
        max_trials=int(request["trials"]),
        trial_timeout_seconds=float(request["trial_timeout"]),
        seed=int(request["seed"]),
        store=str(work / "store"),
        keep_models="best",
        offline=True,
    )
    with LocalLauncher() as launcher:
        result = run_search(
            spec,
            work / "run",
            launcher=launcher,
            observer=Quiet(),
            with_test=False,
        )
    row = {
        "name": request["name"],
        "applied": result.warm_start.applied,
        "mapped": result.warm_start.mapped,
        "prior_shift": result.warm_start.prior_shift,
        "seconds": result.seconds,
        "trials": [
            {
                "number": record.number,
                "outcome": record.result.outcome.value,
                "f1": record.values.get("f1"),
                "seconds": record.result.time_seconds,
                "branch": record.configuration.branch,
                "parameters": dict(record.configuration.parameters),
            }
            for record in result.trials
        ],
    }
    if request["keep_store"]:
        shutil.rmtree(request["keep_store"], ignore_errors=True)
        shutil.copytree(work / "store", request["keep_store"])
    shutil.rmtree(work, ignore_errors=True)
    target = Path(request["row"])
    target.with_suffix(".tmp").write_text(json.dumps(row, indent=1))
    target.with_suffix(".tmp").rename(target)


class Quiet:
    """An observer that ignores all events."""

    def __getattr__(self, name: str) -> Any:
        """Ignore an event."""
        return lambda *arguments, **named: None


class Runner:
    """Runs searches in processes of their own, one a core."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.arguments = arguments
        self.out: Path = arguments.out.resolve()
        allowed = sorted(os.sched_getaffinity(0))
        self.cpus: queue.Queue[int] = queue.Queue()
        for cpu in allowed[: arguments.processes or len(allowed)]:
            self.cpus.put(cpu)
        self.pool = ThreadPoolExecutor(self.cpus.qsize())

    def search(self, name: str, **request: Any) -> Mapping[str, Any]:
        """Run a search, or read what an earlier run has measured."""
        row = self.out / "rows" / f"{name}.json"
        if not row.exists():
            row.parent.mkdir(parents=True, exist_ok=True)
            cpu = self.cpus.get()
            try:
                self._run(name, row, {**request, "cpu": cpu})
            finally:
                self.cpus.put(cpu)
        document: Mapping[str, Any] = json.loads(row.read_text())
        return document

    def _run(self, name: str, row: Path, request: Mapping[str, Any]) -> None:
        full = {
            "name": name,
            "row": str(row),
            "work": str(self.out / "work" / name),
            "space": self.arguments.space,
            "trial_timeout": self.arguments.trial_timeout,
            "history": "",
            "keep_store": "",
            **request,
        }
        begin = time.monotonic()
        subprocess.run(
            [sys.executable, __file__, "--one", json.dumps(full)],
            check=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        print(f"{name}: {time.monotonic() - begin:.0f} s", file=sys.stderr, flush=True)

    def history(self, pair: Pair) -> Path:
        """Search the pair's first task at random; return the store that it filled."""
        store = self.out / "history" / pair.name
        self.search(
            f"{pair.name}-history",
            data=str(write_task(pair, "source", self.arguments.rows, self.out / "data")),
            sampler="random",
            options={"starts": "none"},
            trials=self.arguments.history_trials,
            seed=HISTORY_SEED,
            keep_store=str(store),
        )
        return store

    def arm(self, pair: Pair, arm: str, seed: int) -> Mapping[str, Any]:
        """Search the pair's second task."""
        sampler, options = ARMS[arm]
        return self.search(
            f"{pair.name}-{arm}-{seed}",
            data=str(write_task(pair, "target", self.arguments.rows, self.out / "data")),
            sampler=sampler,
            options={"starts": self.arguments.starts, **options},
            trials=self.arguments.trials,
            seed=seed,
            history=str(self.out / "history" / pair.name) if arm in WITH_HISTORY else "",
        )

    def all(self, pairs: Sequence[Pair]) -> dict[str, dict[str, list[Mapping[str, Any]]]]:
        """Run everything; return pair to arm to the rows of its seeds."""
        for pair in pairs:
            for role in ("source", "target"):
                write_task(pair, role, self.arguments.rows, self.out / "data")
        list(self.pool.map(self.history, pairs))
        asked = {
            (pair.name, arm, seed): self.pool.submit(self.arm, pair, arm, seed)
            for seed in self.arguments.seeds
            for pair in pairs
            for arm in self.arguments.arms
        }
        return {
            pair.name: {
                arm: [asked[(pair.name, arm, seed)].result() for seed in self.arguments.seeds]
                for arm in self.arguments.arms
            }
            for pair in pairs
        }


# --- figures ---


def scored(row: Mapping[str, Any]) -> np.ndarray:
    """Return the points (1 - F1, seconds) of a search, shape (n, 2)."""
    found = [(1 - t["f1"], t["seconds"]) for t in row["trials"] if t["f1"] is not None]
    return np.asarray(found, dtype=float).reshape(-1, 2)


def figures(rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, dict[str, list[float]]]:
    """Return arm to figure to values by seed, of one pair.

    The hypervolume is taken on both objectives scaled to [0, 1] over all points of the pair, with
    the common reference point (1.1, 1.1), and divided by the largest possible.
    """
    from xautolm_core.search.pareto import hypervolume

    points = np.vstack([scored(row) for found in rows.values() for row in found])
    low, spread = points.min(axis=0), np.ptp(points, axis=0)
    spread = np.where(spread > 0, spread, 1.0)
    result: dict[str, dict[str, list[float]]] = {}
    for arm, found in rows.items():
        of_arm: dict[str, list[float]] = {
            "hypervolume": [],
            "best_f1": [],
            "error_ratio": [],
            "trial_seconds": [],
        }
        for row in found:
            scaled = (scored(row) - low) / spread
            of_arm["hypervolume"].append(hypervolume(scaled, (1.1, 1.1)) / 1.1**2)
            of_arm["best_f1"].append(max((t["f1"] or 0.0) for t in row["trials"]))
            failed = [t["outcome"] != "ok" for t in row["trials"]]
            of_arm["error_ratio"].append(float(np.mean(failed)))
            times = [t["seconds"] for t in row["trials"] if t["seconds"] is not None]
            of_arm["trial_seconds"].append(float(np.mean(times)))
        result[arm] = of_arm
    return result


def interval(groups: Sequence[Sequence[float]]) -> tuple[float, float, float]:
    """Return the mean and its 95 % bootstrap interval; seeds are drawn within each pair."""
    generator = np.random.default_rng(0)
    means = np.zeros(RESAMPLES)
    for group in groups:
        values = np.asarray(group, dtype=float)
        drawn = generator.integers(len(values), size=(RESAMPLES, len(values)))
        means += values[drawn].mean(axis=1) / len(groups)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(np.mean([np.mean(g) for g in groups])), float(low), float(high)


def report(
    measured: Mapping[str, dict[str, dict[str, list[float]]]], arms: Sequence[str]
) -> dict[str, Any]:
    """Print the tables; return what is in them."""
    names = ("hypervolume", "best_f1", "error_ratio", "trial_seconds")
    document: dict[str, Any] = {"pairs": {}, "all": {}, "warm_minus": {}}
    print("| pair | arm | hypervolume | best F1 | error ratio | trial s |")
    print("|---|---|---|---|---|---|")
    for title, pairs in [*((p, [p]) for p in measured), ("all", list(measured))]:
        for arm in arms:
            cells = {n: interval([measured[p][arm][n] for p in pairs]) for n in names}
            texts = [f"{m:.3f} [{low:.3f}, {high:.3f}]" for m, low, high in cells.values()]
            print(f"| {title} | {arm} | " + " | ".join(texts) + " |")
            place = document["all"] if title == "all" else document["pairs"].setdefault(title, {})
            place[arm] = cells
    print("\nDifferences over the same seeds, mean with 95 % interval:\n")
    print("| | hypervolume | best F1 | error ratio | trial s |")
    print("|---|---|---|---|---|")
    for other in (arm for arm in arms if arm != "warm"):
        cells = {}
        for n in names:
            differences = [
                [a - b for a, b in zip(measured[p]["warm"][n], measured[p][other][n], strict=True)]
                for p in measured
            ]
            cells[n] = interval(differences)
        texts = [f"{m:+.3f} [{low:+.3f}, {high:+.3f}]" for m, low, high in cells.values()]
        print(f"| warm - {other} | " + " | ".join(texts) + " |")
        document["warm_minus"][other] = cells
    return document


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", default=",".join(p.name for p in PAIRS))
    parser.add_argument("--arms", default="warm,cold,random")
    parser.add_argument("--seeds", default="0,1,2,3,4")
    parser.add_argument("--trials", type=int, default=12, help="of each search")
    parser.add_argument("--history-trials", type=int, default=24, help="of the first task")
    parser.add_argument("--rows", type=int, default=300, help="training rows")
    parser.add_argument("--trial-timeout", type=float, default=15.0, help="seconds of a trial")
    parser.add_argument("--space", default="starter")
    parser.add_argument("--starts", default="none", choices=["none", "preset"])
    parser.add_argument("--processes", type=int, default=0, help="searches at once; 0: all cores")
    parser.add_argument("--out", type=Path, default=Path("runs/warm-start"))
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    arguments.arms = arguments.arms.split(",")
    arguments.seeds = [int(seed) for seed in arguments.seeds.split(",")]
    return arguments


def main() -> None:
    """Measure all pairs; print Markdown tables and write them as JSON."""
    arguments = parse()
    if arguments.one:
        run_one(json.loads(arguments.one))
        return
    runner = Runner(arguments)
    chosen = [p for p in PAIRS if p.name in arguments.pairs.split(",")]
    unknown = set(arguments.arms) - set(ARMS)
    if unknown:
        raise SystemExit(f"error: no such arm: {', '.join(unknown)}. There are {', '.join(ARMS)}.")
    if not chosen:
        raise SystemExit(f"error: no such pair. There are {', '.join(p.name for p in PAIRS)}.")
    begin = time.monotonic()
    rows = runner.all(chosen)
    texts = "real texts" if os.environ.get("XAUTOLM_DATA_DIR") else "synthetic texts"
    print(f"{platform.machine()}, {os.cpu_count()} cores, {time.ctime()}, {texts}")
    print(
        f"{arguments.trials} trials a search, seeds {arguments.seeds}, {arguments.rows} rows, "
        f"history of {arguments.history_trials} trials; this run took "
        f"{time.monotonic() - begin:.0f} s\n"
    )
    document = report({name: figures(found) for name, found in rows.items()}, arguments.arms)
    document["settings"] = {k: v for k, v in vars(arguments).items() if k not in ("out", "one")}
    document["warm_start"] = {
        name: [{k: r[k] for k in ("applied", "mapped", "prior_shift")} for r in found["warm"]]
        for name, found in rows.items()
    }
    (arguments.out / "warm-start.json").write_text(json.dumps(document, indent=1))


if __name__ == "__main__":
    main()
