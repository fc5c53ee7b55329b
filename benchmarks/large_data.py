"""A search with no options on 120,000 rows: when is the first usable model on disk?

Makes the rows by repeating a data set with noise (a word dropped and two words swapped in each
copy), runs ``xautolm search FILE --budget 15m`` on one file without splits, and watches the run
folder. Copies of one row fall into several splits, so the scores say nothing about the task.

    XAUTOLM_DATA_DIR=... python benchmarks/large_data.py --out runs/large-data
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import psutil


def noisy(text: str, noise: random.Random) -> str:
    """Return the text with one word dropped and two neighbours swapped."""
    words = text.split()
    if len(words) > 3:
        words.pop(noise.randrange(len(words)))
        place = noise.randrange(len(words) - 1)
        words[place], words[place + 1] = words[place + 1], words[place]
    return " ".join(words)


def write_rows(source: Path, target: Path, rows: int, seed: int) -> None:
    """Write ``rows`` rows of text and label as Parquet, repeated with noise from a data set."""
    import pandas as pd

    frame = pd.concat(
        [pd.read_parquet(source / f"{name}.parquet") for name in ("train", "validation", "test")]
    )
    noise = random.Random(seed)
    copies = frame.sample(n=rows, replace=True, random_state=seed).reset_index(drop=True)
    copies["text"] = [noisy(text, noise) for text in copies["text"]]
    copies.to_parquet(target)


def resident_bytes(process: psutil.Process) -> int:
    """Return the resident memory of one process, 0 once it is gone."""
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def main() -> None:
    """Run the search; print when the first model appeared, and the shares of the budget."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", default="ag_news")
    parser.add_argument("--rows", type=int, default=120_000)
    parser.add_argument("--budget", default="15m")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("runs/large-data"))
    arguments = parser.parse_args()
    if not os.environ.get("XAUTOLM_DATA_DIR"):
        raise SystemExit("error: XAUTOLM_DATA_DIR is not set. Name the folder of the data sets.")
    arguments.out.mkdir(parents=True, exist_ok=True)
    data = arguments.out / f"{arguments.task}-{arguments.rows}.parquet"
    source = Path(os.environ["XAUTOLM_DATA_DIR"]) / arguments.task
    write_rows(source, data, arguments.rows, arguments.seed)
    run = arguments.out / f"run-{time.strftime('%Y%m%dT%H%M%S')}"
    command = [sys.executable, "-m", "xautolm_core.cli", "search", str(data), "--json"]
    command += ["--budget", arguments.budget, "--out", str(run), "--seed", str(arguments.seed)]
    command += ["--store", str(arguments.out / f"store-{run.name}")]
    begin = time.monotonic()
    first_model_seconds = None
    peak_search_bytes = 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as search:
        watched = psutil.Process(search.pid)
        while search.poll() is None:
            if first_model_seconds is None and any(run.glob("model/*.safetensors")):
                first_model_seconds = time.monotonic() - begin
            peak_search_bytes = max(peak_search_bytes, resident_bytes(watched))
            time.sleep(0.25)
        assert search.stdout is not None
        document = json.loads(search.stdout.read())
    print(f"rows: {arguments.rows}, budget: {arguments.budget}, {os.cpu_count()} cores")
    print(f"first usable model on disk after: {first_model_seconds} s")
    print(
        f"whole run: {time.monotonic() - begin:.1f} s, search process: {peak_search_bytes:,} bytes"
    )
    print(f"test macro-F1: {document['test']['macro_f1']:.4f}, trials: {document['trials']}")
    cheap = document["cheap"]["validation"]["macro_f1"]
    print(f"outcomes: {document['outcomes']}, best cheap candidate on validation: {cheap:.4f}")


if __name__ == "__main__":
    main()
