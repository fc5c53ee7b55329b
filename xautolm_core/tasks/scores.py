"""Scores of a classifier's answers, in numpy alone so that a trial needs no scikit-learn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from xautolm_core.records.scores import ClassificationScores

RARE_ROWS = 10
"""A class with fewer rows to be judged by moves macro-F1 in steps that no resampling can smooth."""


def classification_scores(
    truth: ArrayLike, predicted: ArrayLike, names: Sequence[str]
) -> ClassificationScores:
    """Score predicted classes as scikit-learn's ``f1_score(average="macro")`` does.

    Args:
        truth: True class index of each row.
        predicted: Predicted class index of each row.
        names: Class names; an index points into them.

    Returns:
        The scores.

    Raises:
        ValueError: If the lengths differ, there are no rows, or an index has no name.
    """
    true_index = np.asarray(truth, dtype=np.int64).ravel()
    predicted_index = np.asarray(predicted, dtype=np.int64).ravel()
    if len(true_index) != len(predicted_index):
        raise ValueError(f"{len(true_index)} true but {len(predicted_index)} predicted classes")
    if not len(true_index):
        raise ValueError("no rows to score")
    for index in (true_index, predicted_index):
        if index.min() < 0 or index.max() >= len(names):
            raise ValueError(f"a class index lies outside of 0..{len(names) - 1}")
    confusion = np.bincount(
        true_index * len(names) + predicted_index, minlength=len(names) ** 2
    ).reshape(len(names), len(names))
    hits = np.diag(confusion).astype(np.float64)
    support = confusion.sum(axis=1)
    called = confusion.sum(axis=0)
    precision = _ratio(hits, called)
    recall = _ratio(hits, support)
    f1 = _ratio(2 * hits, support + called)
    occurs = support + called > 0
    per_class = {
        name: {
            "precision": float(precision[i]),
            "recall": float(recall[i]),
            "f1": float(f1[i]),
            "support": float(support[i]),
        }
        for i, name in enumerate(names)
    }
    return ClassificationScores(
        macro_f1=float(f1[occurs].mean()),
        accuracy=float(hits.sum() / len(true_index)),
        per_class=per_class,
        confusion=[[int(count) for count in row] for row in confusion],
    )


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Divide elementwise; 0 where the denominator is 0."""
    safe = np.where(denominator > 0, denominator, 1)
    ratio: np.ndarray = np.where(denominator > 0, numerator / safe, 0.0)
    return ratio
