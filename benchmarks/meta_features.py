"""Seconds and peak memory of the task's meta-features, at 5,000 and 120,000 training rows.

Run ``python benchmarks/meta_features.py``. With ``XAUTOLM_DATA_DIR`` set, the texts are those of
ag_news, drawn with replacement and every tenth word replaced; else they are made up. With
``--tokenizer FILE`` token lengths are measured as a search does it.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from xautolm_core.features.task_extractors import extract_task_features
from xautolm_core.records.features import FeatureVector
from xautolm_core.tasks.spec import TaskType
from xautolm_core.tasks.task import Split
from xautolm_core.tasks.task import Task

ROWS = (5_000, 120_000)
LIMIT_SECONDS = {5_000: 5.0, 120_000: 60.0}
LIMIT_GIB = 2.0


def source_texts() -> tuple[list[str], np.ndarray, str]:
    """Return texts, class indices and where they come from."""
    if root := os.environ.get("XAUTOLM_DATA_DIR"):
        table = pq.read_table(Path(root) / "ag_news" / "train.parquet")
        _, labels = np.unique(table.column("label").to_pylist(), return_inverse=True)
        return table.column("text").to_pylist(), labels, "ag_news with noise"
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 4, 6_000)
    ranks = np.arange(1, 20_001)
    shares = 1 / ranks / (1 / ranks).sum()
    texts = [
        " ".join(
            f"w{(word * (label + 1)) % 20_000}"
            for word in generator.choice(20_000, generator.integers(20, 60), p=shares)
        )
        for label in labels
    ]
    return texts, labels, "made up"


def make_task(rows: int) -> tuple[Task, str]:
    """Make a task of so many training rows, no two of them alike."""
    texts, labels, source = source_texts()
    generator = np.random.default_rng(1)
    vocabulary = np.array(sorted({word for text in texts for word in text.split()}), dtype=object)
    chosen = generator.integers(0, len(texts), rows)
    noisy: list[str] = []
    for row in chosen:
        words = np.array(texts[row].split(), dtype=object)
        replaced = generator.random(len(words)) < 0.1
        words[replaced] = vocabulary[generator.integers(0, len(vocabulary), replaced.sum())]
        noisy.append(" ".join(words))
    column = pa.chunked_array([pa.array(noisy, type=pa.large_string())])
    split = Split(column, None, labels[chosen].astype(np.int32))
    task = Task(
        name="benchmark",
        type=TaskType.TEXT_CLASSIFICATION,
        fingerprint="0" * 64,
        labels=tuple("abcd"),
        splits={"train": split, "validation": split, "test": split},
    )
    return task, source


def measure(rows: int, tokenizer: Path | None) -> dict[str, float | str]:
    """Extract the features once in this process."""
    task, source = make_task(rows)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    cpu_before = time.process_time()
    tokenizers = {"reference": tokenizer} if tokenizer else {}
    vector: FeatureVector = extract_task_features(task, tokenizers=tokenizers)
    return {
        "source": source,
        "seconds": vector.seconds,
        "cpu_seconds": time.process_time() - cpu_before,
        "gib_before": before / (1 << 20),
        "peak_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20),
        "landmark_rows": vector.facts.get("landmark_decision_tree_rows", "all rows"),
    }


def main() -> int:
    """Measure each size in a process of its own and print a table; 1 if a limit is broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=ROWS)
    parser.add_argument("--tokenizer", type=Path, help="a tokenizer.json")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(arguments.one, arguments.tokenizer)))
        return 0
    broken = False
    print(f"{'rows':>9} {'seconds':>9} {'CPU s':>7} {'peak GiB':>9} {'landmark':>12}  texts")
    for rows in arguments.rows:
        command = [sys.executable, __file__, "--one", str(rows)]
        if arguments.tokenizer:
            command += ["--tokenizer", str(arguments.tokenizer)]
        answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        result = json.loads(answer)
        broken |= result["seconds"] > LIMIT_SECONDS.get(rows, float("inf"))
        broken |= result["peak_gib"] > LIMIT_GIB
        print(
            f"{rows:>9,} {result['seconds']:>9.2f} {result['cpu_seconds']:>7.2f}"
            f" {result['peak_gib']:>9.2f} {result['landmark_rows']:>12}  {result['source']}"
        )
    return int(broken)


if __name__ == "__main__":
    raise SystemExit(main())
