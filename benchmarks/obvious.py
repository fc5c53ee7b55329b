"""What a user gets without this project: three classifiers that take seconds to minutes.

TF-IDF of words and word pairs, mean-pooled features of a frozen MiniLM, and both joined, each with
logistic regression; scikit-learn and transformers alone. Run as a process of its own:
``python benchmarks/obvious.py TASK_FOLDER``. Prints one JSON document.

The joined fit takes minutes where the others take seconds: its class weights are those of the
better part, and only C is tried again.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import time
from collections.abc import Iterable
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from plain_fine_tuning import MAX_LENGTH
from plain_fine_tuning import minilm_folder
from plain_fine_tuning import scores

PENALTIES = (1.0, 10.0, 30.0)
FROZEN_PENALTIES = (0.1, *PENALTIES)
WEIGHTS = (None, "balanced")
MAX_ITERATIONS = 500
BATCH_ROWS = 64
SPLITS = ("train", "validation", "test")


def embed(texts: list[str]) -> np.ndarray:
    """Return mean-pooled last hidden states of the frozen backbone, one row a text.

    Texts are sorted by their number of tokens, so that little is computed on padding.
    """
    import torch
    from transformers import AutoModel
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(minilm_folder(), local_files_only=True)
    model = AutoModel.from_pretrained(minilm_folder(), local_files_only=True).eval()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model.to(device)
    tokens = tokenizer(texts, truncation=True, max_length=MAX_LENGTH)["input_ids"]
    order = np.argsort([len(row) for row in tokens], kind="stable")
    features = np.empty((len(texts), model.config.hidden_size), dtype=np.float32)
    with torch.inference_mode():
        for begin in range(0, len(order), BATCH_ROWS):
            rows = order[begin : begin + BATCH_ROWS]
            batch = tokenizer.pad({"input_ids": [tokens[i] for i in rows]}, return_tensors="pt")
            batch = {name: tensor.to(device) for name, tensor in batch.items()}
            mask = batch["attention_mask"].unsqueeze(-1)
            hidden = model(**batch).last_hidden_state
            features[rows] = ((hidden * mask).sum(1) / mask.sum(1)).float().cpu().numpy()
    return features


def words(texts: Mapping[str, list[str]]) -> dict[str, Any]:
    """Return TF-IDF of words and word pairs by split."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
    vectorizer.fit(texts["train"])
    return {split: vectorizer.transform(texts[split]) for split in SPLITS}


def frozen(texts: Mapping[str, list[str]]) -> dict[str, Any]:
    """Return standardised features by split, scaled so that a row has length 1 on average.

    That is the length of a row of TF-IDF: joined, both have the same weight, and C means the same.
    """
    from sklearn.preprocessing import StandardScaler

    everything = embed([text for split in SPLITS for text in texts[split]])
    ends = np.cumsum([len(texts[split]) for split in SPLITS])[:-1]
    features = dict(zip(SPLITS, np.split(everything, ends), strict=True))
    scaler = StandardScaler().fit(features["train"])
    return {
        split: scaler.transform(found) / np.sqrt(found.shape[1])
        for split, found in features.items()
    }


def joined(sparse: Mapping[str, Any], dense: Mapping[str, Any]) -> dict[str, Any]:
    """Return both kinds of columns side by side, by split."""
    from scipy.sparse import csr_matrix
    from scipy.sparse import hstack

    return {
        split: hstack([csr_matrix(dense[split]), sparse[split]], format="csr") for split in SPLITS
    }


def best_fit(
    columns: Mapping[str, Any],
    labels: Mapping[str, np.ndarray],
    settings: Iterable[tuple[float, str | None]],
) -> dict[str, Any]:
    """Fit with each setting; return the scores and predictions of the best one on validation."""
    from sklearn.linear_model import LogisticRegression

    best: dict[str, Any] = {}
    for penalty, weight in settings:
        model = LogisticRegression(C=penalty, class_weight=weight, max_iter=MAX_ITERATIONS)
        model.fit(columns["train"], labels["train"])
        validation = scores(labels["validation"], model.predict(columns["validation"]))
        if not best or validation["macro_f1"] > best["validation"]["macro_f1"]:
            predicted = model.predict(columns["test"])
            best = {
                "C": penalty,
                "class_weight": weight,
                "validation": validation,
                "test": scores(labels["test"], predicted),
                "predictions": [str(label) for label in predicted],
            }
    return best


def main() -> None:
    """Fit the three, print their scores, seconds and predictions."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("task", type=Path, help="folder with train, validation and test Parquet")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    arguments = parser.parse_args()

    import torch

    torch.set_num_threads(arguments.threads)
    frames = {split: pd.read_parquet(arguments.task / f"{split}.parquet") for split in SPLITS}
    texts = {split: [str(text) for text in frame["text"]] for split, frame in frames.items()}
    labels = {split: frame["label"].to_numpy(dtype=str) for split, frame in frames.items()}
    found: dict[str, dict[str, Any]] = {}
    marks = [time.perf_counter()]

    def grid(
        penalties: tuple[float, ...], weights: tuple[str | None, ...] = WEIGHTS
    ) -> list[tuple[float, str | None]]:
        return [(penalty, weight) for weight in weights for penalty in penalties]

    def keep(name: str, fitted: dict[str, Any]) -> None:
        marks.append(time.perf_counter())
        found[name] = {**fitted, "seconds": marks[-1] - marks[-2]}

    sparse = words(texts)
    keep("tfidf", best_fit(sparse, labels, grid(PENALTIES)))
    dense = frozen(texts)
    keep("frozen", best_fit(dense, labels, grid(FROZEN_PENALTIES)))
    weight = max(found.values(), key=lambda one: one["validation"]["macro_f1"])["class_weight"]
    keep("joined", best_fit(joined(sparse, dense), labels, grid(PENALTIES, (weight,))))
    document = {
        "candidates": found,
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "threads": arguments.threads,
    }
    print(json.dumps(document))


if __name__ == "__main__":
    main()
