"""Training speed and peak memory of text generation, side by side with TRL's ``SFTTrainer``.

Run ``python -m benchmarks.generation_throughput``. SmolLM2-135M-Instruct learns the answers of the
same rows by LoRA on all linear layers, one epoch, with the same configuration, precision and
threads: by a trial of ours, by one with packing, and by plain TRL 1.16 (completion-only loss, no
packing) in an environment of its own, which the first run installs. Each run has a fresh process,
and the sides take turns; the figures are ratios of medians. Rows come from
``$XAUTOLM_DATA_DIR/drop``; without it they are made up with lengths like DROP's. Rows that do not
fit into the length are left out, so that all sides learn the same tokens.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

from benchmarks.trial_throughput import peak_bytes
from benchmarks.trial_throughput import run_side

os.environ.setdefault("HF_HUB_OFFLINE", "1")

if TYPE_CHECKING:
    from xautolm_core.tasks.conversations import GenerationTask

TRL = "trl==1.16.0"
SHARED_PACKAGES = ("torch", "transformers", "peft")
"""They have the same versions on both sides."""

BATCH_SIZE = 8
MAX_LENGTH = 512
LEARNING_RATE = 1e-3
WARMUP_RATIO = 0.06
CLIPPING_NORM = 1.0
LORA_RANK = 16
LORA_ALPHA = 32
VALIDATION_ROWS = 4

_ROOT = Path(__file__).resolve().parent.parent

SIDES = ("trial", "trial_packed", "trl")
LEAST_SPEED = {"trial": 1.0, "trial_packed": 1.5}
"""Rows a second of a side of ours over those of TRL."""
MOST_MEMORY = 1.05


def smollm2_folder() -> Path:
    """Return the folder of the pretrained model, converted if that was not done yet."""
    from xautolm_core.space.conversion import converted_folder
    from xautolm_core.space.gguf_llama import SMOLLM2

    folder = converted_folder(SMOLLM2)
    if folder is None:
        raise SystemExit("error: the model package is missing. Run `make install`.")
    return folder


def read_rows() -> tuple[list[tuple[str, str]], str]:
    """Return prompts and answers in a random order, and where they come from."""
    import numpy as np

    generator = np.random.default_rng(0)
    folder = os.environ.get("XAUTOLM_DATA_DIR")
    path = Path(folder) / "drop" / "train.parquet" if folder else None
    if path is not None and path.is_file():
        import pandas as pd

        frame = pd.read_parquet(path).sample(frac=1.0, random_state=0)[:4_000]
        rows = [
            (f"Passage: {row.context}\nQuestion: {row.question}\nAnswer:", str(row.answers[0]))
            for row in frame.itertuples()
        ]
        return rows, "data"
    words = ["yards", "field", "goal", "the", "in", "quarter", "7", "touchdown", "of", "game"]
    lengths = np.maximum(generator.lognormal(np.log(200), 0.4, 4_000), 20).astype(int)
    rows = [
        (" ".join(generator.choice(words, n)), " ".join(generator.choice(words, 2)))
        for n in lengths
    ]
    return rows, "made up"


def make_task(rows: int) -> tuple[GenerationTask, list[dict[str, Any]], str]:
    """Return a task with some number of training rows, the same as TRL takes them, their source."""
    import hashlib

    from xautolm_core.tasks.generation_rows import split_of
    from xautolm_core.tasks.messages import Message
    from xautolm_core.tasks.spec import TaskType
    from xautolm_core.tasks.task import Task
    from xautolm_core.trial.generation.rendering import Renderer

    found, source = read_rows()
    renderer = Renderer(smollm2_folder(), is_seq2seq=False)
    chosen: list[tuple[str, str]] = []
    for prompt, answer in found:
        message = {"role": "user", "content": prompt}
        tokens = len(renderer.prompts([[message]])[0]) + len(renderer.answers([answer])[0])
        # TRL's answer has a line break after its closing token.
        if tokens < MAX_LENGTH:
            chosen.append((prompt, answer))
        if len(chosen) == rows + VALIDATION_ROWS:
            break

    def split(part: list[tuple[str, str]]) -> Any:
        return split_of([[Message("user", p)] for p, _ in part], [[a] for _, a in part])

    held_out = split(chosen[rows:])
    task = Task(
        name="throughput",
        type=TaskType.TEXT_GENERATION,
        fingerprint=hashlib.sha256(json.dumps(chosen).encode()).hexdigest(),
        labels=(),
        splits={"train": split(chosen[:rows]), "validation": held_out, "test": held_out},
    )
    records = [
        {
            "prompt": [{"role": "user", "content": prompt}],
            "completion": [{"role": "assistant", "content": answer}],
        }
        for prompt, answer in chosen[:rows]
    ]
    return task, records, source


def run_trial_side(job: dict[str, Any], *, packing: bool) -> dict[str, float]:
    """Train with a trial of ours."""
    from xautolm_core.records.configuration import Configuration
    from xautolm_core.space.model import ModelReference
    from xautolm_core.tasks.spec import TaskType
    from xautolm_core.trial.contract import TrialSpec
    from xautolm_core.trial.run import run_trial

    with tempfile.TemporaryDirectory() as folder:
        spec = TrialSpec(
            search_id="throughput",
            trial_number=0,
            task_type=TaskType.TEXT_GENERATION,
            task_folder=Path(job["task"]),
            out_folder=Path(folder),
            cache_folder=Path(job["cache"]),
            configuration=Configuration(
                branch="lora",
                model="smollm2",
                method="lora",
                parameters={
                    "batch_size": BATCH_SIZE,
                    "max_length": MAX_LENGTH,
                    "learning_rate": LEARNING_RATE,
                    "warmup_ratio": WARMUP_RATIO,
                    "weight_decay": 0.0,
                    "gradient_clipping_max_norm": CLIPPING_NORM,
                    "epochs": 1,
                    "lora_r": LORA_RANK,
                    "lora_alpha": LORA_ALPHA,
                    "lora_targets": "all-linear",
                    "packing": packing,
                    "use_mixed_precision": job["bf16"],
                },
            ),
            model=ModelReference(id="smollm2", path=job["model"]),
            seed=0,
            device="cpu",
            threads=job["threads"],
            save_model=False,
        )
        result = run_trial(spec)
    if result.outcome != "ok":
        raise SystemExit(f"error: the trial ended {result.outcome}: {result.failure}")
    return {
        "rows_per_second": job["rows"] / result.seconds["train"],
        "peak_bytes": peak_bytes(),
        "steps": result.progress.steps,
    }


def run_trl_side(job: dict[str, Any]) -> dict[str, float]:
    """Train with the plain ``SFTTrainer``: prompts and completions, as its documentation shows."""
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM
    from transformers import AutoTokenizer
    from transformers import set_seed
    from trl import SFTConfig
    from trl import SFTTrainer

    torch.set_num_threads(job["threads"])
    set_seed(0)
    records = [json.loads(line) for line in Path(job["records"]).read_text().splitlines()]
    with tempfile.TemporaryDirectory() as folder:
        trainer = SFTTrainer(
            model=AutoModelForCausalLM.from_pretrained(
                job["model"], local_files_only=True, dtype=torch.float32
            ),
            args=SFTConfig(
                output_dir=folder,
                num_train_epochs=1,
                per_device_train_batch_size=BATCH_SIZE,
                max_length=MAX_LENGTH,
                learning_rate=LEARNING_RATE,
                warmup_steps=WARMUP_RATIO,
                weight_decay=0.0,
                max_grad_norm=CLIPPING_NORM,
                completion_only_loss=True,
                packing=False,
                gradient_checkpointing=False,
                bf16=job["bf16"],
                use_cpu=True,
                save_strategy="no",
                eval_strategy="no",
                logging_strategy="no",
                report_to="none",
                disable_tqdm=True,
            ),
            train_dataset=Dataset.from_list(records),
            processing_class=AutoTokenizer.from_pretrained(job["model"], local_files_only=True),
            peft_config=LoraConfig(
                task_type="CAUSAL_LM",
                r=LORA_RANK,
                lora_alpha=LORA_ALPHA,
                target_modules="all-linear",
            ),
        )
        since = time.perf_counter()
        trainer.train()
        seconds = time.perf_counter() - since
    return {
        "rows_per_second": job["rows"] / seconds,
        "peak_bytes": peak_bytes(),
        "steps": trainer.state.global_step,
    }


def main() -> int:
    """Compare, print a table and one JSON document; return 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=96, help="training rows: one epoch of them")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument(
        "--environments",
        type=Path,
        default=Path("build/environments"),
        help="where the environment of TRL is kept",
    )
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--job", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side:
        job = json.loads(arguments.job)
        if arguments.side == "trl":
            print(json.dumps(run_trl_side(job)))
        else:
            print(json.dumps(run_trial_side(job, packing=arguments.side == "trial_packed")))
        return 0
    document = compare(arguments)
    print(json.dumps(document))
    return 0 if document["reached"] else 1


def compare(arguments: argparse.Namespace) -> dict[str, Any]:
    """Run all sides in turns; print a table and return medians and ratios."""
    from importlib.metadata import version

    from benchmarks.replay.external import EngineMissingError
    from benchmarks.replay.external import make_environment
    from xautolm_core.tasks.prepared import write_prepared

    wanted = [TRL, *(f"{name}=={version(name)}" for name in SHARED_PACKAGES)]
    try:
        python = make_environment("trl", wanted, arguments.environments.resolve())
    except EngineMissingError as error:
        raise SystemExit(f"error: TRL cannot be installed: {error}") from error
    found: dict[str, list[dict[str, float]]] = {side: [] for side in SIDES}
    with tempfile.TemporaryDirectory() as folder:
        task, records, source = make_task(arguments.rows)
        path = Path(folder) / "records.jsonl"
        path.write_text("\n".join(map(json.dumps, records)))
        job = {
            "task": str(write_prepared(task, Path(folder))),
            "cache": folder,
            "records": str(path),
            "rows": len(records),
            "model": str(smollm2_folder()),
            "threads": arguments.threads,
            "bf16": arguments.precision == "bfloat16",
        }
        for repetition in range(arguments.repetitions):
            for side in SIDES if repetition % 2 == 0 else reversed(SIDES):
                own = str(python) if side == "trl" else sys.executable
                command = [own, "-m", "benchmarks.generation_throughput"]
                found[side].append(run_side(side, job, command, _ROOT))

    medians = {
        side: {name: statistics.median(run[name] for run in runs) for name in runs[0]}
        for side, runs in found.items()
    }
    ratios = {
        side: {
            "speed": medians[side]["rows_per_second"] / medians["trl"]["rows_per_second"],
            "memory": medians[side]["peak_bytes"] / medians["trl"]["peak_bytes"],
        }
        for side in LEAST_SPEED
    }
    print(f"{'side':14} {'rows/s':>7} {'MB':>6} {'speed':>6} {'memory':>6}   over TRL ({source})")
    for side, values in medians.items():
        ratio = ratios.get(side, {"speed": 1.0, "memory": 1.0})
        print(
            f"{side:14} {values['rows_per_second']:7.2f} {values['peak_bytes'] / 1e6:6.0f} "
            f"{ratio['speed']:6.2f} {ratio['memory']:6.2f}"
        )
    return {
        "benchmark": "generation_throughput",
        "machine": {"cpu_count": os.cpu_count(), "processor": platform.machine()},
        "threads": arguments.threads,
        "precision": arguments.precision,
        "repetitions": arguments.repetitions,
        "rows": job["rows"],
        "source": source,
        "medians": medians,
        "ratios": ratios,
        "reached": all(
            ratios[side]["speed"] >= least and ratios[side]["memory"] <= MOST_MEMORY
            for side, least in LEAST_SPEED.items()
        ),
    }


if __name__ == "__main__":
    sys.exit(main())
