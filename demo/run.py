"""``make demo``: two real searches, the second warm-started from what the first one has learnt.

Uses nothing but the public command line, on real English text that is on any machine with the
package: the docstrings of installed libraries (see ``docstrings.py``).
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from docstrings import MASK
from docstrings import TASKS
from docstrings import write_task

COMMAND = (sys.executable, "-m", "xautolm_core.cli")
QUESTION = (
    f"Compute the eigenvalues of a sparse {MASK} matrix by the implicitly restarted Arnoldi method."
)


def main() -> int:
    """Build both tasks, search on each, and show what came out."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--folder", type=Path, default=Path(".demo"), help="where everything goes")
    parser.add_argument("--budget", default="135s", help="of each search")
    parser.add_argument(
        "--workers",
        type=int,
        # Two trials of one thread each get more done than one of two threads.
        default=min(len(os.sched_getaffinity(0)), 2),
        help="trials at the same time",
    )
    parser.add_argument("--rows", type=int, default=2500, help="of each task")
    arguments = parser.parse_args()
    began = time.monotonic()
    folder = arguments.folder.absolute()
    # A demonstration begins at the beginning: without a run or an experience of an earlier one.
    for name in ("runs", "store", "data"):
        shutil.rmtree(folder / name, ignore_errors=True)
    say("1/3  Building two tasks: which library does a docstring come from?")
    files = [write_task(name, folder / "data", rows=arguments.rows) for name in TASKS]
    for file in files:
        say(f"     {file}: {describe(file)}")
    summaries = []
    stages = ("without any history", "warm-started from what the first search has learnt")
    for number, (file, stage) in enumerate(zip(files, stages, strict=True), start=2):
        say(f"{number}/3  Searching on {file.stem}, {stage}")
        run = folder / "runs" / file.stem
        code = search(
            file, run, folder / "store", budget=arguments.budget, workers=arguments.workers
        )
        if code != 0:
            return code
        summaries.append(json.loads((run / "summary.json").read_text(encoding="utf-8")))
    say("Done.")
    for summary in summaries:
        print_front(summary)
    run = Path(summaries[-1]["run"])
    print(f"\nOne prediction of the second model, for: {QUESTION}", flush=True)
    code = call("predict", str(run), "--text", QUESTION)
    print(f"\nBest model: {summaries[-1]['model']}")
    print(f"Reports:    {summaries[0]['report']}\n            {summaries[1]['report']}")
    print(f"The whole demonstration took {time.monotonic() - began:.0f} s.")
    return code


def search(file: Path, run: Path, store: Path, *, budget: str, workers: int) -> int:
    """Run ``xautolm search`` on a file; its output goes to the terminal."""
    return call(
        *("search", str(file), "--text", "text", "--label", "label", "--space", "starter"),
        *("--budget", budget, "--workers", str(workers), "--seed", "0"),
        *("--store", str(store), "--out", str(run)),
    )


def call(*arguments: str) -> int:
    """Run the public command and return its exit code; Ctrl-C is left to it."""
    print(f"$ xautolm {shlex.join(arguments)}", flush=True)
    process = subprocess.Popen([*COMMAND, *arguments], env=dict(os.environ))
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue


def describe(file: Path) -> str:
    """Return rows and classes of a task's file."""
    counts: dict[str, int] = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        label = json.loads(line)["label"]
        counts[label] = counts.get(label, 0) + 1
    classes = ", ".join(f"{label} {count}" for label, count in sorted(counts.items()))
    return f"{sum(counts.values())} rows ({classes})"


def print_front(summary: Mapping[str, Any]) -> None:
    """Print the Pareto front of a search's summary."""
    warm = summary["warm_start"]
    print(
        f"\n{summary['task']}: {summary['trials']} trials in {summary['seconds']:.0f} s, "
        f"{warm['applied'] + warm['mapped']} experiences of earlier searches used"
    )
    front: Sequence[Mapping[str, Any]] = summary["pareto"]
    for entry in front:
        configuration = entry["configuration"]
        model = (configuration["model"] or "no model").rsplit("/", 1)[-1]
        label = "" if entry["pretrained"] else " (not pretrained)"
        print(
            f"  trial {entry['trial']:>3}  macro F1 {entry['validation']['macro_f1']:.4f}  "
            f"{entry['seconds']:7.1f} s  {model} {configuration['method']}{label}"
        )
    test, compared = summary["test"], summary["comparison"]
    if test and compared:
        print(
            f"  chosen: trial {summary['best']['trial']}, test macro F1 {test['macro_f1']:.4f}; "
            f"best cheap candidate {compared['cheap_macro_f1']:.4f}"
        )


def say(text: str) -> None:
    """Print a headline at once, so that it stands before what the searches print."""
    print(f"\n{text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
