"""A small task of moods, and real searches for it with a tiny untrained model."""

from __future__ import annotations

import csv
import random
from pathlib import Path

from tests.search.conftest import SPACE
from tests.search.instant import Silent
from xautolm_core.launch.local import LocalLauncher
from xautolm_core.report.folder import write_result_folder
from xautolm_core.search.contract import SearchSpec
from xautolm_core.search.runner import run_search
from xautolm_core.tasks.source import read_task_spec

WORDS = {"good": ["fine", "happy", "bright", "warm"], "bad": ["sad", "grim", "cold", "dull"]}
TASK = "moods"


def write_moods(path: Path, rows: int, seed: int = 0, *, swapped: bool = False) -> Path:
    """Write a data file; swapped: what was good is now called bad."""
    generator = random.Random(seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["text", "label"])
        for i in range(rows):
            mood = "good" if i % 2 else "bad"
            text = [generator.choice(WORDS[mood]) for _ in range(5)]
            label = ({"good": "bad", "bad": "good"}[mood]) if swapped else mood
            writer.writerow([" ".join([*text, f"number {seed} {i}"]), label])
    return path


def search_moods(data: Path, work: Path, *, seed: int = 0, trials: int = 2) -> Path:
    """Search for a model; return the run folder."""
    work.mkdir(parents=True, exist_ok=True)
    space = work / "tiny.yaml"
    space.write_text(
        SPACE.replace("[1e-4, 1e-3, 1e-2]", "[3e-2]").replace("low: 1, high: 4", "low: 4, high: 5")
    )
    spec = SearchSpec(
        search_id=f"search-{seed}",
        task=read_task_spec(str(data), name=TASK),
        space=str(space),
        sampler="random",
        max_trials=trials,
        seed=seed,
        store=str(work / "store"),
        offline=True,
    )
    with LocalLauncher() as launcher:
        result = run_search(spec, work / "run", launcher=launcher, observer=Silent())
    write_result_folder(result)
    return work / "run"
