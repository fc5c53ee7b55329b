"""``make demo``: three real searches within five minutes, and what memory did for the second.

A first task is searched without any history. A second, similar one is then searched twice at the
same time, on as many cores each: with what the first search has learnt, and with an empty store.

All the work is done by the public command line, on real English text that is on any machine with
the package: the docstrings of installed libraries (see ``docstrings.py``).
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from datetime import datetime
from pathlib import Path
from typing import IO
from typing import Any

from docstrings import MASK
from docstrings import TASKS
from docstrings import write_split_task
from memory_claim import comparison_lines
from memory_claim import demo_trials

from xautolm_core.records.methods import TFIDF
from xautolm_core.report.wording import method_words
from xautolm_core.report.wording import score_words
from xautolm_core.search.contract import BEST_MODEL_FOLDER
from xautolm_core.tasks.scores import classification_scores

COMMAND = (sys.executable, "-m", "xautolm_core.cli")
QUESTION = (
    f"Compute the eigenvalues of a sparse {MASK} matrix by the implicitly restarted Arnoldi method."
)
FIRST_SHARE = 0.32
"""Of the time for searches, that the first one gets; it has all cores, the other two half each."""
END_SECONDS = 20.0
"""Kept for the predictions in the end."""
TIMES_TEST = 2.0
"""How often the first search's final test is reserved as well: on half the cores it takes twice as
long, and where other processes want the cores it does not end in time."""
LEAST_SECONDS = 60.0
"""With less, a search of the second task says nothing about memory: the cold one is left out."""
AS_IT_IS: Mapping[str, Any] = {"replace_whitespace": False, "break_long_words": False}
BELOW_TFIDF = 1
"""Exit code where a model is below TF-IDF on validation, or that cannot be shown."""


@dataclass(frozen=True)
class Search:
    """One search of the demonstration.

    Attributes:
        task: Folder of the task, with a file of each split.
        run: Where its results go.
        store: Its experiences.
        seconds: Its budget.
        workers: Trials at the same time.
    """

    task: Path
    run: Path
    store: Path
    seconds: float
    workers: int

    @property
    def arguments(self) -> tuple[str, ...]:
        """The arguments of the command line."""
        return (
            *("search", str(self.task), "--text", "text", "--label", "label"),
            *("--space", "starter", "--seed", "0", "--budget", f"{self.seconds:.0f}s"),
            *("--workers", str(self.workers), "--store", str(self.store), "--out", str(self.run)),
        )

    def summary(self) -> Mapping[str, Any]:
        """Return ``summary.json``."""
        text = (self.run / "summary.json").read_text(encoding="utf-8")
        summary: Mapping[str, Any] = json.loads(text)
        return summary

    def rows(self) -> list[dict[str, Any]]:
        """Return the rows of ``trials.parquet``."""
        import pyarrow.parquet

        rows: list[dict[str, Any]] = pyarrow.parquet.read_table(
            self.run / "trials.parquet"
        ).to_pylist()
        return rows


def main() -> int:
    """Build both tasks, search on them, and show what came out."""
    arguments = parsed_arguments()
    ends = time.monotonic() + arguments.seconds - END_SECONDS
    folder = arguments.folder.absolute()
    # A demonstration begins at the beginning: without a run or an experience of an earlier one.
    for name in ("runs", "store", "empty-store", "data"):
        shutil.rmtree(folder / name, ignore_errors=True)
    say("1/3  Building two tasks: which library does a docstring come from?")
    tasks = [
        write_split_task(
            name, folder / "data", rows=arguments.rows, max_characters=arguments.characters
        )
        for name in TASKS
    ]
    for task in tasks:
        print(f"     {describe(task)}", flush=True)

    runs, store = folder / "runs", folder / "store"
    cores = sorted(os.sched_getaffinity(0))
    # Two trials of one thread each get more done than one of two threads.
    workers = min(len(cores), 2)
    seconds = FIRST_SHARE * (ends - time.monotonic())
    first = Search(tasks[0], runs / tasks[0].name, store, seconds, workers)
    say(f"2/3  {tasks[0].name}: a search of {seconds:.0f} s, without any history")
    code = wait(start(first, cores))
    if code != 0:
        return code

    halves = (cores[: len(cores) // 2], cores[len(cores) // 2 :]) if cores[1:] else (cores, cores)
    tested = first.summary()["phase_seconds"].get("test", 0.0)
    seconds = max(ends - time.monotonic() - TIMES_TEST * tested, LEAST_SECONDS / 2)
    name, workers = tasks[1].name, min(len(halves[0]), 2)
    warm = Search(tasks[1], runs / f"{name}-warm", store, seconds, workers)
    cold = Search(tasks[1], runs / f"{name}-cold", folder / "empty-store", seconds, workers)
    is_compared = seconds >= LEAST_SECONDS
    say(f"3/3  {name}: a search of {seconds:.0f} s, with what the first one has learnt")
    begun_at = datetime.now(UTC)
    if is_compared:
        print(f"     At the same time, on as many cores: one with an empty store ({cold.run}.log)")
        cold.run.parent.mkdir(parents=True, exist_ok=True)
        with cold.run.with_suffix(".log").open("wb") as log:
            beside = start(cold, halves[1], output=log)
        code, cold_code = wait(start(warm, halves[0])), wait(beside)
    else:
        code, cold_code = wait(start(warm, cores)), None
    if code != 0:
        return code

    say(f"Done. One prediction, for: {QUESTION}")
    call("predict", str(warm.run), "--text", QUESTION)
    code = show_models([first, warm])
    say(f"What memory did on {name}")
    for line in memory_lines(cold if cold_code == 0 else None, warm, begun_at=begun_at):
        print(textwrap.fill(line, 96, initial_indent="  ", subsequent_indent="    ", **AS_IT_IS))
    say("Where to find everything")
    print(f"  Model:    {warm.run / BEST_MODEL_FOLDER}")
    for search in (first, warm, *([cold] if cold_code == 0 else [])):
        print(f"  Report:   {search.run / 'report.html'}")
    took = time.monotonic() - ends + arguments.seconds - END_SECONDS
    print(f"\nThe whole demonstration took {took:.0f} s of {arguments.seconds:.0f} s.")
    return code


def parsed_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--folder", type=Path, default=Path(".demo"), help="where everything goes")
    parser.add_argument("--seconds", type=float, default=300.0, help="for everything")
    parser.add_argument("--rows", type=int, default=2000, help="of each task")
    # Short texts, so that two slow cores get some models trained within a minute.
    parser.add_argument("--characters", type=int, default=160, help="of a text, at most")
    arguments = parser.parse_args()
    if arguments.seconds < 2 * LEAST_SECONDS:
        parser.error(f"--seconds must be at least {2 * LEAST_SECONDS:.0f}")
    return arguments


def start(
    search: Search, cores: Iterable[int], *, output: IO[bytes] | None = None
) -> subprocess.Popen[bytes]:
    """Start a search on some cores; its output goes to the terminal, or else to a file."""
    if output is None:
        print(f"$ xautolm {shlex.join(search.arguments)}", flush=True)
    mine = os.sched_getaffinity(0)
    # Inherited by the search and by its trials.
    os.sched_setaffinity(0, cores)
    try:
        return subprocess.Popen([*COMMAND, *search.arguments], stdout=output, stderr=output)
    finally:
        os.sched_setaffinity(0, mine)


def call(*arguments: str) -> int:
    """Run the public command and return its exit code."""
    print(f"$ xautolm {shlex.join(arguments)}", flush=True)
    return wait(subprocess.Popen([*COMMAND, *arguments]))


def wait(process: subprocess.Popen[bytes]) -> int:
    """Return a process's exit code; Ctrl-C is left to it."""
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue


def describe(task: Path) -> str:
    """Return rows and classes of a task."""
    rows = {path.stem: read_rows(path) for path in sorted(task.glob("*.jsonl"))}
    classes = sorted({row["label"] for split in rows.values() for row in split})
    sizes = ", ".join(f"{len(rows[split])} {split}" for split in ("train", "validation", "test"))
    return f"{task.name}: {sizes} rows; {', '.join(classes)}"


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a JSON Lines file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def show_models(searches: Sequence[Search]) -> int:
    """Show each model that was handed over beside TF-IDF; return an exit code.

    TF-IDF with logistic regression is a trial of every search, so that no model may be below it.
    """
    say(f"{'The models handed over, by macro F1':<66}{'validation':>10}{'test':>9}")
    complaints = []
    for search in searches:
        summary, task = search.summary(), search.task.name
        best, test = summary["best"], summary["test"]
        model = (best["configuration"]["model"] or "").rsplit("/", 1)[-1]
        mine = best["validation"]["macro_f1"]
        obvious = next((r for r in search.rows() if r["method"] == TFIDF), {}).get("score.macro_f1")
        method = best["configuration"]["method"]
        print_scores(task, method_words(method, model), mine, test["macro_f1"] if test else None)
        if method != TFIDF:
            print_scores("", method_words(TFIDF, ""), obvious, tfidf_test(search, summary))
        if obvious is None:
            complaints.append(f"{task}: TF-IDF has no score, so no comparison is possible.")
        elif mine < obvious:
            complaints.append(f"{task}: BELOW TF-IDF. This must not happen; please report it.")
    for line in complaints or [
        "None is below TF-IDF on validation: it is a trial of every search."
    ]:
        print(f"  {line}")
    return BELOW_TFIDF if complaints else 0


def print_scores(task: str, name: str, validation: float | None, test: float | None) -> None:
    """Print one line of the table of models."""
    print(f"  {task:<14}{name:<50}{score_words(validation):>10}{score_words(test):>9}", flush=True)


def tfidf_test(search: Search, summary: Mapping[str, Any]) -> float | None:
    """Return TF-IDF's macro-F1 on the test split; None where its model was not kept.

    A search tests the model it hands over and the best one of the other kind. TF-IDF may be
    neither, but it is on the front as the quickest, and models on the front are kept.
    """
    best, cheap = summary["best"], summary["cheap"]
    if best["configuration"]["method"] == TFIDF and summary["test"]:
        return float(summary["test"]["macro_f1"])
    if cheap and cheap["method"] == TFIDF and cheap["test"]:
        return float(cheap["test"]["macro_f1"])
    rows = [row for row in search.rows() if row["method"] == TFIDF and row["outcome"] == "ok"]
    if not rows:
        return None
    model = search.run / "trials" / f"{rows[0]['trial']:04d}-{rows[0]['attempt']}" / "model"
    truth = search.task / "test.jsonl"
    answers = search.run / "tfidf-test.jsonl"
    command = ("predict", str(model), str(truth), "--column", "text", "--out", str(answers))
    if not model.is_dir():
        return None
    predicted = subprocess.run([*COMMAND, *command], stdout=subprocess.DEVNULL, check=False)
    if predicted.returncode != 0:
        return None
    labels = summary["data"]["labels"]
    true = [labels.index(row["label"]) for row in read_rows(truth)]
    predicted_classes = [labels.index(row["prediction"]) for row in read_rows(answers)]
    return classification_scores(true, predicted_classes, labels).macro_f1


def memory_lines(cold: Search | None, warm: Search, *, begun_at: datetime) -> list[str]:
    """Return what memory did; without the cold search, that nothing can be said.

    Args:
        cold: The search without memory; None if there was no time for it, or it failed.
        warm: The one with memory, which began at the same time.
        begun_at: When (UTC).
    """
    if cold is None:
        return ["No comparison: the same search without memory did not complete."]
    trials = [demo_trials(search.rows(), begun_at=begun_at) for search in (cold, warm)]
    return comparison_lines(*trials, validation_rows=warm.summary()["data"]["rows"]["validation"])


def say(text: str) -> None:
    """Print a headline at once, so that it stands before what the searches print."""
    print(f"\n{text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
