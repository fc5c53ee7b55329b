"""Is a search ever worse than the obvious, and does its memory save time?

For each set and seed:

- ``reference``: TF-IDF, a frozen MiniLM, both joined (``obvious.py``) and one plain epoch of full
  fine-tuning (``plain_fine_tuning.py``). The reference is the best of them *on validation*; the
  epoch counts only where all four together fit into the search's budget.
- ``cold``: ``xautolm search SET --space starter --budget B`` with an empty store.
- ``warm``: the same with the experiences of the other sets' cold searches of the same seed.
- ``again``: the same with the experiences of its own cold search.

``warm`` and ``again`` are measured at the first budget only, later budgets on ``--long-sets`` only.
Each part is a process of its own and is kept in ``--out`` once it is done, so that a run that was
stopped continues with the next part; delete a part's file to measure it anew.

    XAUTOLM_DATA_DIR=... python benchmarks/search_quality.py --out runs/search-quality
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from measured_process import call
from measured_process import check
from search_quality_figures import curve_of
from search_quality_figures import scored_trials
from search_quality_tables import print_report

HERE = Path(__file__).resolve().parent
SETS = ("sst2", "ag_news", "liar", "meld", "docstrings-a")
DOCSTRINGS = ("docstrings-a", "docstrings-b")
PARTS = ("reference", "cold", "warm", "again")
XAUTOLM = (sys.executable, "-m", "xautolm_core.cli")
# A search that found no model is a result; any other failure stops the benchmark.
FOUND, FOUND_NOTHING = 0, 5
# What a search leaves that is worth keeping; models and tokens are not.
KEPT_FILES = ("summary.json", "trials.parquet", "report.html", "search.json")

Document = Mapping[str, Any]


# --- the benchmark ---


class Bench:
    """The parts of one benchmark, kept in a folder."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.arguments = arguments
        self.out: Path = arguments.out.resolve()
        for name in ("data", "parts", "logs", "searches"):
            (self.out / name).mkdir(parents=True, exist_ok=True)

    def part(self, name: str, make: Callable[[Path], Document]) -> Document:
        """Return what an earlier run has measured, or measure it now and keep it."""
        path = self.out / "parts" / f"{name}.json"
        if not path.exists():
            begin = time.monotonic()
            measured = make(self.out / "logs" / f"{name}.log")
            path.with_suffix(".tmp").write_text(json.dumps(measured), encoding="utf-8")
            path.with_suffix(".tmp").replace(path)
            print(f"{name}: {time.monotonic() - begin:.0f} s", file=sys.stderr, flush=True)
        document: Document = json.loads(path.read_text(encoding="utf-8"))
        return document

    def measured(self, name: str) -> Document | None:
        """Return a part if it was measured."""
        path = self.out / "parts" / f"{name}.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None

    def data(self, name: str) -> Path:
        """Return what a search of a set is given: a folder of splits, or one file."""
        if name not in DOCSTRINGS:
            return Path(os.environ["XAUTOLM_DATA_DIR"]) / name
        path = self.out / "data" / f"{name}.jsonl"
        if not path.exists():
            builder = HERE.parent / "demo" / "docstrings.py"
            subprocess.run([sys.executable, str(builder), str(path.parent)], check=True)
        return path

    def splits(self, name: str, seed: int) -> Path:
        """Return a folder with the splits that a search of this seed sees, as Parquet."""
        import numpy as np
        import pyarrow as pa
        import pyarrow.parquet as pq

        from xautolm_core.tasks.load import load_task
        from xautolm_core.tasks.source import read_task_spec

        folder = self.out / "data" / f"{name}-{seed}"
        if folder.exists():
            return folder
        task = load_task(read_task_spec(str(self.data(name)), seed=seed))
        names = np.asarray(task.labels)
        unfinished = folder.with_name(f"{folder.name}.tmp")
        unfinished.mkdir(exist_ok=True)
        for split, part in task.splits.items():
            table = pa.table({"text": part.texts, "label": names[part.labels]})
            pq.write_table(table, unfinished / f"{split}.parquet")
        unfinished.rename(folder)
        return folder

    # --- the reference ---

    def obvious_name(self, name: str, seed: int) -> str:
        """Return the name of a part that depends on the seed only where it cuts the splits."""
        return f"{name}-{seed}-obvious" if name in DOCSTRINGS else f"{name}-obvious"

    def reference(self, name: str, seed: int) -> None:
        """Measure the obvious and the plain epoch of one set and seed."""
        obvious = self.part(
            self.obvious_name(name, seed), lambda log: self._obvious(name, seed, log)
        )
        limit = max(max(self.budgets_of(name).values()) - obvious["wall_seconds"], 1.0)
        part = f"{name}-{seed}-epoch"
        earlier = self.measured(part)
        if earlier and "validation" not in earlier and earlier["wall_seconds"] < limit:
            (self.out / "parts" / f"{part}.json").unlink()
        self.part(part, lambda log: self._epoch(name, seed, log, limit_seconds=limit))

    def _obvious(self, name: str, seed: int, log: Path) -> Document:
        command = [sys.executable, str(HERE / "obvious.py"), str(self.splits(name, seed))]
        called = call(command, log)
        check(called, log, 0)
        return {**_without_output(called), **json.loads(called["stdout"])}

    def _epoch(self, name: str, seed: int, log: Path, *, limit_seconds: float) -> Document:
        """Train one plain epoch, and end it where the four no longer fit into any budget."""
        command = [sys.executable, str(HERE / "plain_fine_tuning.py")]
        command += [str(self.splits(name, seed)), "--seed", str(seed)]
        called = call(command, log, limit_seconds=limit_seconds)
        if called["exit_code"] is None:
            return _without_output(called)
        check(called, log, 0)
        return {**_without_output(called), **json.loads(called["stdout"].splitlines()[-1])}

    # --- searches ---

    def budgets_of(self, name: str) -> dict[str, float]:
        """Return the budgets at which a set is searched, and their seconds."""
        budgets: Mapping[str, float] = self.arguments.budgets
        first = next(iter(budgets))
        return {b: s for b, s in budgets.items() if b == first or name in self.arguments.long_sets}

    def search_name(self, kind: str, name: str, seed: int, budget: str) -> str:
        """Return the name of a search's part."""
        return f"{name}-{seed}-{kind}-{budget}-{self.arguments.sampler}"

    def cold(self, name: str, seed: int) -> None:
        """Search one set with an empty store, at each of its budgets."""
        for budget in self.budgets_of(name):
            self.search("cold", name, seed, budget, history=())

    def warm(self, name: str, seed: int) -> None:
        """Search one set with the experiences of the other sets."""
        budget = next(iter(self.arguments.budgets))
        others = [other for other in self.arguments.sets if other != name]
        cold = [self.search_name("cold", other, seed, budget) for other in others]
        if all(self.measured(one) for one in cold) and cold:
            self.search("warm", name, seed, budget, history=cold)

    def again(self, name: str, seed: int) -> None:
        """Search one set with its own experiences."""
        budget = next(iter(self.arguments.budgets))
        cold = self.search_name("cold", name, seed, budget)
        if self.measured(cold):
            self.search("again", name, seed, budget, history=[cold])

    def search(
        self, kind: str, name: str, seed: int, budget: str, *, history: Sequence[str]
    ) -> None:
        """Run one search, or leave it if it was measured."""
        part = self.search_name(kind, name, seed, budget)

        def measure(log: Path) -> Document:
            run = self._prepare(part, history, log)
            command = [*XAUTOLM, "search", str(self.data(name)), "--space", self.arguments.space]
            command += ["--sampler", self.arguments.sampler, "--budget", budget]
            command += ["--seed", str(seed), "--offline", "--json"]
            command += ["--store", str(run.with_name("store")), "--out", str(run)]
            called = call(command, log)
            check(called, log, FOUND, FOUND_NOTHING)
            measured = what_was_found(called, run)
            # Only cold searches are compared row by row.
            if kind == "cold" and called["exit_code"] == FOUND:
                measured["predictions"] = predict(run, self.splits(name, seed), log)
            for path in KEPT_FILES:
                if (run / path).exists():
                    shutil.copy2(run / path, run.parent)
            shutil.rmtree(run)
            return measured

        self.part(part, measure)

    def _prepare(self, part: str, history: Sequence[str], log: Path) -> Path:
        """Make a store of earlier searches' experiences; return the run folder beside it."""
        folder = self.out / "searches" / part
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        store, run = folder / "store", folder / "run"
        store.mkdir()
        for source in history:
            command = [*XAUTOLM, "store", "copy"]
            command += [str(self.out / "searches" / source / "store"), str(store)]
            check(call(command, log), log, 0)
        return run

    def run(self) -> None:
        """Measure what was asked for; a seed is complete before the next one begins."""
        first = [part for part in ("reference", "cold") if part in self.arguments.parts]
        second = [part for part in ("warm", "again") if part in self.arguments.parts]
        for seed in self.arguments.seeds:
            for parts in (first, second):
                for name in self.arguments.sets:
                    for part in parts:
                        getattr(self, part)(name, seed)

    def report(self) -> None:
        """Print the tables of everything that was measured, and write their figures."""
        rows = [
            self._row(name, seed) for name in self.arguments.sets for seed in self.arguments.seeds
        ]
        document = print_report(
            rows,
            budgets=self.arguments.budgets,
            command=f"python benchmarks/search_quality.py {' '.join(sys.argv[1:])}".strip(),
        )
        path = self.out / f"search-quality-{self.arguments.sampler}.json"
        path.write_text(json.dumps(document, indent=1), encoding="utf-8")

    def _row(self, name: str, seed: int) -> Document:
        """Return all parts of one set and seed; None in place of what was not measured."""
        import pyarrow.parquet as pq

        first = next(iter(self.arguments.budgets))
        truth = pq.read_table(self.splits(name, seed) / "test.parquet")["label"].to_pylist()
        return {
            "set": name,
            "seed": seed,
            "truth": truth,
            "obvious": self.measured(self.obvious_name(name, seed)),
            "epoch": self.measured(f"{name}-{seed}-epoch"),
            "cold": {
                budget: self.measured(self.search_name("cold", name, seed, budget))
                for budget in self.budgets_of(name)
            },
            "warm": self.measured(self.search_name("warm", name, seed, first)),
            "again": self.measured(self.search_name("again", name, seed, first)),
        }


def what_was_found(called: Document, run: Path) -> dict[str, Any]:
    """Return the trials, the curve and the summary of a search that has ended."""
    import pyarrow.parquet as pq

    trials = scored_trials(
        pq.read_table(run / "trials.parquet").to_pylist(),
        begun_at=datetime.fromisoformat(called["begun_at"]),
    )
    return {
        **_without_output(called),
        "summary": json.loads(called["stdout"]),
        "trials": [vars(trial) for trial in trials],
        "curve": curve_of(trials),
        "predictions": None,
    }


def predict(run: Path, splits: Path, log: Path) -> list[str]:
    """Return the classes that the chosen model gives to the test rows."""
    import pyarrow.parquet as pq

    out, log = run.with_name("predictions.parquet"), log.with_suffix(".predict.log")
    command = [*XAUTOLM, "predict", str(run), str(splits / "test.parquet")]
    check(call([*command, "--column", "text", "--out", str(out)], log), log, 0)
    predicted: list[str] = pq.read_table(out, columns=["prediction"])["prediction"].to_pylist()
    return predicted


def _without_output(called: Document) -> dict[str, Any]:
    return {name: value for name, value in called.items() if name != "stdout"}


# --- the command line ---


def budgets_from(text: str) -> dict[str, float]:
    """Read ``5m,15m`` as names and seconds, in that order."""
    units = {"s": 1.0, "m": 60.0, "h": 3600.0}
    found = {}
    for budget in text.split(","):
        number, unit = budget[:-1], budget[-1:]
        if unit not in units or not number.isdigit() or not int(number):
            raise argparse.ArgumentTypeError(f"'{budget}' is not a duration. Write 90s, 5m or 1h.")
        found[budget] = float(number) * units[unit]
    return found


def names_from(text: str) -> tuple[str, ...]:
    """Read names with commas."""
    return tuple(name for name in text.split(",") if name)


def main() -> None:
    """Measure all parts; print Markdown tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sets", type=names_from, default=SETS)
    parser.add_argument("--long-sets", type=names_from, default=("sst2", "meld"))
    parser.add_argument("--seeds", type=lambda t: [int(s) for s in t.split(",")], default=[0, 1])
    parser.add_argument("--budgets", type=budgets_from, default=budgets_from("5m,15m"))
    parser.add_argument("--parts", type=names_from, default=PARTS, help=",".join(PARTS))
    parser.add_argument("--sampler", default="guarded")
    parser.add_argument("--space", default="starter")
    parser.add_argument("--report-only", action="store_true", help="print what was measured")
    parser.add_argument("--out", type=Path, default=Path("runs/search-quality"))
    arguments = parser.parse_args()
    if not os.environ.get("XAUTOLM_DATA_DIR"):
        raise SystemExit("error: XAUTOLM_DATA_DIR is not set. Name the folder of the data sets.")
    unknown = set(arguments.parts) - set(PARTS)
    if unknown:
        raise SystemExit(
            f"error: no such part: {', '.join(unknown)}. There are {', '.join(PARTS)}."
        )
    bench = Bench(arguments)
    if not arguments.report_only:
        bench.run()
    bench.report()


if __name__ == "__main__":
    main()
