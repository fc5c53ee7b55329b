"""Meta-features of a classification task: the ten of the paper, and further cheap ones."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from xautolm_core.features.landmarks import decision_tree_accuracy
from xautolm_core.features.landmarks import linear_landmarks
from xautolm_core.features.text_shape import describe_texts
from xautolm_core.features.token_lengths import TOKEN_UNITS
from xautolm_core.features.token_lengths import token_features
from xautolm_core.records.features import FeatureVector
from xautolm_core.tasks.sampling import stratified_sample

if TYPE_CHECKING:
    from xautolm_core.tasks.task import Split
    from xautolm_core.tasks.task import Task

EXTRACTOR = "text-classification"
VERSION = "1.0"
SAMPLE_ROWS = 5_000
# The paper's landmark is exact up to here; its largest data set has as many rows.
LANDMARK_ROWS = 120_000
_LANDMARK_CHARACTERS = 100_000_000
_SEED = 42

# The ten of XAutoLM (arXiv 2508.00924, task meta-features for classification), in its order.
PAPER_FEATURES = (
    "n_instances",
    "n_classes",
    "class_entropy",
    "min_class_probability",
    "max_class_probability",
    "imbalance_ratio",
    "mean_document_characters",
    "std_document_characters",
    "cv_document_characters",
    "landmark_decision_tree_accuracy",
)
UNITS: Mapping[str, str] = MappingProxyType(
    {
        "n_instances": "rows",
        "n_classes": "classes",
        "class_entropy": "bit",
        "min_class_probability": "1",
        "max_class_probability": "1",
        "imbalance_ratio": "1",
        "mean_document_characters": "characters",
        "std_document_characters": "characters",
        "cv_document_characters": "1",
        "landmark_decision_tree_accuracy": "1",
        "log10_instances": "1",
        "min_class_count": "rows",
        "mean_class_count": "rows",
        "relative_class_entropy": "1",
        "has_pairs": "1",
        "mean_words": "words",
        "vocabulary_size": "words",
        "type_token_ratio": "1",
        "digit_rate": "1",
        "url_rate": "1",
        "emoji_rate": "1",
        "near_duplicate_rate": "1",
        **TOKEN_UNITS,
        "landmark_linear_macro_f1": "1",
        "landmark_naive_bayes_macro_f1": "1",
    }
)


def extract_class_features(
    task: Task, *, tokenizers: Mapping[str, Path] = MappingProxyType({})
) -> FeatureVector:
    """Measure the training split of a classification task.

    Sizes, shares and character lengths are those of all rows. What costs more is measured on a
    stratified sample of at most 5,000 rows (seed 42); the paper's landmark on all rows up to
    120,000 (or 100 million characters), above that on a stratified sample that large. A document
    is a row's text, with the second text of a pair after a space.

    Args:
        task: The task; only its training split is used.
        tokenizers: Model id to ``tokenizer.json``. Token lengths are those of the first one, or
            words if there is none; ``facts`` names it.

    Returns:
        The features of ``UNITS``, in that order.
    """
    started = time.perf_counter()
    train = task.train
    labels = np.asarray(train.labels)
    characters = _document_characters(train)
    values: dict[str, float | None] = dict(_class_features(labels))
    values.update(_length_features(characters))
    facts: dict[str, str] = {}

    landmark_rows = _landmark_rows(characters)
    rows = stratified_sample(labels, landmark_rows, _SEED)
    if len(rows) < len(labels):
        facts["landmark_decision_tree_rows"] = f"stratified sample of {len(rows)}"
    values["landmark_decision_tree_accuracy"] = decision_tree_accuracy(
        _documents(train, rows), labels[rows]
    )

    rows = stratified_sample(labels, SAMPLE_ROWS, _SEED)
    facts["sample_rows"] = str(len(rows))
    # Random order, so that a head of the sample is a sample as well.
    rows = np.random.Generator(np.random.PCG64(_SEED)).permutation(rows)
    values.update(_sample_features(train, rows, labels[rows]))
    values.update(token_features(*_take(train, rows), tokenizers, facts))
    values["has_pairs"] = float(train.text_pairs is not None)
    return FeatureVector(
        extractor=EXTRACTOR,
        version=VERSION,
        values={name: values[name] for name in UNITS},
        units=dict(UNITS),
        facts=facts,
        seconds=time.perf_counter() - started,
    )


def _class_features(labels: np.ndarray) -> dict[str, float]:
    """Return features of the class sizes; classes without a training row do not count."""
    counts = np.bincount(labels)
    counts = counts[counts > 0]
    shares = counts / counts.sum()
    # The paper's code keeps the logarithm finite with this very constant.
    entropy = float(-np.sum(shares * np.log2(shares + 1e-10)))
    return {
        "n_instances": float(len(labels)),
        "n_classes": float(len(counts)),
        "class_entropy": entropy,
        "min_class_probability": float(shares.min()),
        "max_class_probability": float(shares.max()),
        "imbalance_ratio": float(shares.min() / shares.max()),
        "log10_instances": float(np.log10(len(labels))),
        "min_class_count": float(counts.min()),
        "mean_class_count": float(counts.mean()),
        "relative_class_entropy": entropy / max(float(np.log2(len(counts))), 1e-10),
    }


def _document_characters(split: Split) -> np.ndarray:
    """Return the length of each document in characters."""
    import pyarrow.compute as pc

    characters: np.ndarray = pc.utf8_length(split.texts).to_numpy().astype(np.int64)
    if split.text_pairs is not None:
        characters = characters + 1 + pc.utf8_length(split.text_pairs).to_numpy()
    return characters


def _length_features(characters: np.ndarray) -> dict[str, float]:
    """Return mean, standard deviation and coefficient of variation of the documents' lengths."""
    mean, deviation = float(characters.mean()), float(characters.std())
    return {
        "mean_document_characters": mean,
        "std_document_characters": deviation,
        "cv_document_characters": deviation / mean if mean else 0.0,
    }


def _landmark_rows(characters: np.ndarray) -> int:
    """Return how many rows the paper's landmark may take within its time and memory."""
    affordable = int(_LANDMARK_CHARACTERS / max(float(characters.mean()), 1.0))
    return min(LANDMARK_ROWS, max(affordable, SAMPLE_ROWS))


def _documents(split: Split, rows: np.ndarray) -> list[str]:
    """Return the documents of the given rows."""
    texts, pairs = _take(split, rows)
    return texts if pairs is None else [f"{a} {b}" for a, b in zip(texts, pairs, strict=True)]


def _take(split: Split, rows: np.ndarray) -> tuple[list[str], list[str] | None]:
    """Return texts and second texts of the given rows."""
    import pyarrow as pa

    index = pa.array(rows)
    texts: list[str] = split.texts.take(index).to_pylist()
    if split.text_pairs is None:
        return texts, None
    return texts, split.text_pairs.take(index).to_pylist()


def _sample_features(split: Split, rows: np.ndarray, labels: np.ndarray) -> dict[str, float | None]:
    """Return the texts' shape and the linear landmarks."""
    documents = _documents(split, rows)
    shape = describe_texts(documents)
    landmarks = linear_landmarks(documents, labels)
    return {
        "mean_words": shape.mean_words,
        "vocabulary_size": shape.vocabulary_size,
        "type_token_ratio": shape.type_token_ratio,
        "digit_rate": shape.digit_rate,
        "url_rate": shape.url_rate,
        "emoji_rate": shape.emoji_rate,
        "near_duplicate_rate": shape.near_duplicate_rate,
        "landmark_linear_macro_f1": landmarks.linear_macro_f1,
        "landmark_naive_bayes_macro_f1": landmarks.naive_bayes_macro_f1,
    }
