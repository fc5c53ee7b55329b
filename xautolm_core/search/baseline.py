"""The linear baseline: what TF-IDF and logistic regression reach in seconds.

Whether fine-tuning a language model was worth it at all is the first question of Green AI, so every
search runs this baseline and reports it.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import Any

import numpy as np

from xautolm_core.search.contract import BaselineResult
from xautolm_core.tasks.sampling import stratified_sample
from xautolm_core.tasks.scores import ClassificationScores
from xautolm_core.tasks.scores import classification_scores

if TYPE_CHECKING:
    from xautolm_core.tasks.task import Split
    from xautolm_core.tasks.task import Task

# Words of any length; exclamation and question marks tell much of emotions.
_TOKEN = r"(?u)\b\w+\b|[!?]"  # noqa: S105 - a pattern, not a secret
_STRENGTHS = (1.0, 10.0, 30.0)
_CLASS_WEIGHTS = (None, "balanced")
_MAX_ITERATIONS = 300
# A fit's time goes with rows times classes. Beyond the first figure the setting is chosen on a
# sample, beyond the second the final fit takes one as well.
_SELECTION_WORK = 80_000
_FIT_WORK = 400_000
_MIN_SELECTION_ROWS = 3_000
_MIN_FIT_ROWS = 10_000


def run_linear_baseline(task: Task, *, seed: int, max_rows: int = 40_000) -> BaselineResult:
    """Train and score the linear baseline.

    TF-IDF of words and word pairs (sub-linear, in at least two documents) and logistic regression;
    its C in {1, 10, 30} and class weights (none or balanced) are chosen by macro-F1 on validation.
    With many rows or classes the choice is made on a stratified sample of the training rows, and
    the best setting is fitted once more on up to ``max_rows``. Second texts are appended.

    Args:
        task: The task; all three splits are used, test for the scores alone.
        seed: Seed of the samples.
        max_rows: Largest number of training rows.

    Returns:
        Scores and settings.
    """
    started = time.perf_counter()
    labels = np.asarray(task.train.labels)
    classes = len(np.unique(labels))
    fit_rows = min(max_rows, max(_MIN_FIT_ROWS, _FIT_WORK // classes))
    rows = stratified_sample(labels, fit_rows, seed)
    documents = _documents(task.train, rows)
    labels = labels[rows]
    vectorizer, features = _vectorize(documents)
    validation = vectorizer.transform(_documents(task.validation))

    selection_rows = max(_MIN_SELECTION_ROWS, _SELECTION_WORK // classes)
    selection = stratified_sample(labels, selection_rows, seed)
    best: tuple[ClassificationScores, float, str | None, Any] | None = None
    for class_weight in _CLASS_WEIGHTS:
        for strength in _STRENGTHS:
            model = _fit(features[selection], labels[selection], strength, class_weight)
            scores = _score(model, validation, task.validation, task.labels)
            if best is None or scores.macro_f1 > best[0].macro_f1:
                best = (scores, strength, class_weight, model)
    assert best is not None
    scores, strength, class_weight, model = best
    if len(selection) < len(labels):
        model = _fit(features, labels, strength, class_weight)
        scores = _score(model, validation, task.validation, task.labels)
    test = _score(model, vectorizer.transform(_documents(task.test)), task.test, task.labels)
    return BaselineResult(
        validation_macro_f1=scores.macro_f1,
        validation_accuracy=scores.accuracy,
        test_macro_f1=test.macro_f1,
        test_accuracy=test.accuracy,
        seconds=time.perf_counter() - started,
        parameters={
            "C": strength,
            "class_weight": class_weight,
            "training_rows": float(len(labels)),
            "selection_rows": float(len(selection)),
            "vocabulary_size": float(features.shape[1]),
        },
    )


def _documents(split: Split, rows: np.ndarray | None = None) -> list[str]:
    """Return the texts of a split, or of some of its rows, second texts on a line of their own."""
    import pyarrow as pa

    index = None if rows is None else pa.array(rows)
    columns = [
        (column if index is None else column.take(index)).to_pylist()
        for column in (split.texts, split.text_pairs)
        if column is not None
    ]
    return ["\n".join(parts) for parts in zip(*columns, strict=True)]


def _vectorize(documents: Sequence[str]) -> tuple[Any, Any]:
    """Fit TF-IDF; with few or odd texts also on words seen once, or on characters."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    words = {"ngram_range": (1, 2), "sublinear_tf": True, "token_pattern": _TOKEN}
    attempts: list[dict[str, Any]] = [
        {**words, "min_df": 2},
        words,
        {"analyzer": "char", "ngram_range": (1, 3), "sublinear_tf": True},
    ]
    for last, options in ((o is attempts[-1], o) for o in attempts):
        vectorizer = TfidfVectorizer(**options)
        try:
            return vectorizer, vectorizer.fit_transform(documents)
        except ValueError:  # no word is left
            if last:
                raise
    raise AssertionError("the last attempt returns or raises")


def _fit(features: Any, labels: np.ndarray, strength: float, class_weight: str | None) -> Any:
    """Fit one logistic regression."""
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    model = LogisticRegression(C=strength, class_weight=class_weight, max_iter=_MAX_ITERATIONS)
    # A second BLAS thread gains nothing here, and beside a busy neighbour it costs tenfold.
    with threadpool_limits(limits=1), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the last digits of a baseline need not converge
        return model.fit(features, labels)


def _score(model: Any, features: Any, split: Split, names: Sequence[str]) -> ClassificationScores:
    """Score a fitted model on a split."""
    return classification_scores(split.labels, model.predict(features), names)
