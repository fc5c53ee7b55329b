"""Landmarks: scores of simple classifiers on a task, which indicate how hard it is."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from xautolm_core.features.cgroup import cpu_count
from xautolm_core.tasks.sampling import stratified_partition
from xautolm_core.tasks.scores import classification_scores

_SEED = 42
_FOLDS = 5
_LINEAR_VOCABULARY = 20_000
_HELD_OUT_SHARE = 1 / 3


@dataclass(frozen=True)
class LinearLandmarks:
    """Macro-F1, in [0, 1], of two linear classifiers on held-out rows; None if undefined."""

    linear_macro_f1: float | None
    naive_bayes_macro_f1: float | None


def decision_tree_accuracy(documents: Sequence[str], labels: np.ndarray) -> float | None:
    """Measure the landmark of XAutoLM (arXiv 2508.00924, task meta-features, number 10).

    The mean accuracy, over 5 stratified folds (shuffled, seed 42), of a decision tree of depth 5
    on 100 components of a truncated SVD of TF-IDF (5000 words at most, English stop words left
    out). TF-IDF and SVD are fitted once, on all rows, as in the paper's code.

    Returns:
        The accuracy in [0, 1]; None if the texts have fewer than two words beside stop words,
        or no class has 5 rows.
    """
    from joblib import parallel_config  # type: ignore[import-untyped]
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.model_selection import StratifiedKFold
    from sklearn.model_selection import cross_val_score
    from sklearn.tree import DecisionTreeClassifier
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    if np.bincount(labels).max() < _FOLDS:
        return None
    vectorizer = TfidfVectorizer(max_features=5000, stop_words="english")
    try:
        weights = vectorizer.fit_transform(documents)
    except ValueError:  # "empty vocabulary": nothing but stop words
        return None
    components = min(100, weights.shape[1] - 1)
    if components < 1:
        return None
    svd = TruncatedSVD(n_components=components, random_state=_SEED)
    folds = StratifiedKFold(n_splits=_FOLDS, shuffle=True, random_state=_SEED)
    tree = DecisionTreeClassifier(max_depth=5, random_state=_SEED)
    # BLAS threads gain little here, and on a busy machine they take ten times as long.
    with threadpool_limits(limits=1), warnings.catch_warnings():
        # Classes with fewer rows than folds only make scikit-learn warn; the mean is still right.
        warnings.simplefilter("ignore")
        # A tree is fitted without the interpreter's lock, so threads share the matrix.
        with parallel_config(backend="threading", n_jobs=min(_FOLDS, cpu_count())):
            scores = cross_val_score(tree, svd.fit_transform(weights), labels, cv=folds)
    return float(np.mean(scores))


def linear_landmarks(documents: Sequence[str], labels: np.ndarray) -> LinearLandmarks:
    """Measure logistic regression on TF-IDF and naive Bayes on word counts.

    Both are trained on two thirds of the rows and scored on the other third, stratified, seed 42.
    """
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.feature_extraction.text import TfidfTransformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.naive_bayes import MultinomialNB
    from threadpoolctl import threadpool_limits

    held_out, training = stratified_partition(
        labels, [round(len(labels) * _HELD_OUT_SHARE)], seed=_SEED
    )
    if not len(held_out) or len(np.unique(labels[training])) < 2:
        return LinearLandmarks(None, None)
    vectorizer = CountVectorizer(max_features=_LINEAR_VOCABULARY)
    try:
        counts = vectorizer.fit_transform([documents[row] for row in training])
    except ValueError:  # "empty vocabulary": no words at all
        return LinearLandmarks(None, None)
    held_out_counts = vectorizer.transform([documents[row] for row in held_out])
    names = [str(index) for index in range(int(labels.max()) + 1)]

    def macro_f1(predicted: np.ndarray) -> float:
        return classification_scores(labels[held_out], predicted, names).macro_f1

    bayes = MultinomialNB().fit(counts, labels[training])
    weighting = TfidfTransformer(sublinear_tf=True).fit(counts)
    regression = LogisticRegression(C=10.0, tol=1e-3, max_iter=100)
    with threadpool_limits(limits=1), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a landmark need not converge to the last digit
        regression.fit(weighting.transform(counts), labels[training])
    return LinearLandmarks(
        linear_macro_f1=macro_f1(regression.predict(weighting.transform(held_out_counts))),
        naive_bayes_macro_f1=macro_f1(bayes.predict(held_out_counts)),
    )
