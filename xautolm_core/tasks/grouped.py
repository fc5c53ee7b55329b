"""Two classifiers' answers to the same rows, counted by truth and both answers.

Rows with the same truth and the same two answers are alike to every score; there are far fewer
kinds of rows than rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

Measure = Literal["macro_f1", "accuracy"]
_CHUNK_NUMBERS = 2_000_000
_BOOTSTRAP = 2_000


@dataclass(frozen=True)
class Groups:
    """Kinds of rows.

    Attributes:
        truth: True class index of each kind.
        first: The first classifier's answer.
        second: The second one's.
        counts: Rows of each kind.
        classes: Number of classes.
    """

    truth: np.ndarray
    first: np.ndarray
    second: np.ndarray
    counts: np.ndarray
    classes: int

    def scores(self, weights: np.ndarray, measure: Measure) -> tuple[np.ndarray, np.ndarray]:
        """Return both scores for several numbers of rows of each kind.

        Args:
            weights: Shape (weightings, kinds).
            measure: Which score.

        Returns:
            First and second score, shape (weightings,) each.
        """
        return (
            self._scores(self.first, weights, measure),
            self._scores(self.second, weights, measure),
        )

    def _scores(self, answers: np.ndarray, weights: np.ndarray, measure: Measure) -> np.ndarray:
        right = (answers == self.truth).astype(np.float64)
        if measure == "accuracy":
            shares: np.ndarray = (weights @ right) / weights.sum(axis=1)
            return shares
        truth, called = one_hot(self.truth, self.classes), one_hot(answers, self.classes)
        return macro_f1(weights @ (truth * right[:, None]), weights @ (truth + called))


def group_rows(truth: np.ndarray, first: np.ndarray, second: np.ndarray) -> Groups:
    """Count rows by truth and answers.

    Raises:
        ValueError: There are no rows, the lengths differ, or an index is negative.
    """
    columns = [np.asarray(c, dtype=np.int64).ravel() for c in (truth, first, second)]
    if len({len(column) for column in columns}) != 1:
        raise ValueError("truth and answers have different lengths")
    if not len(columns[0]):
        raise ValueError("there are no rows to compare on")
    stacked = np.stack(columns, axis=1)
    if stacked.min() < 0:
        raise ValueError("a class index is negative")
    kinds, counts = np.unique(stacked, axis=0, return_counts=True)
    return Groups(kinds[:, 0], kinds[:, 1], kinds[:, 2], counts, int(stacked.max()) + 1)


def one_hot(index: np.ndarray, classes: int) -> np.ndarray:
    """Return 1.0 where a class is the indexed one, shape (len(index), classes)."""
    matrix: np.ndarray = (index[:, None] == np.arange(classes)).astype(np.float64)
    return matrix


def macro_f1(hits: np.ndarray, either: np.ndarray) -> np.ndarray:
    """Return macro-F1 from counts by class, as ``tasks.scores`` defines it.

    Args:
        hits: Right answers, shape (n, classes).
        either: True rows plus answers; a class without any is left out of the mean.
    """
    means: np.ndarray = (2 * hits / np.maximum(either, 1)).sum(axis=1) / np.count_nonzero(
        either, axis=1
    )
    return means


def gain_interval(
    groups: Groups, measure: Measure, generator: np.random.Generator, *, level: float = 0.9
) -> tuple[float, float]:
    """Return the two-sided interval of the second classifier's gain.

    Percentiles of a paired bootstrap over rows (B. Efron, R. Tibshirani, An introduction to the
    bootstrap, 1993).

    Args:
        groups: Kinds of rows, with both answers.
        measure: Which score.
        generator: Draws the rows.
        level: Coverage, in (0, 1).
    """
    rows = int(groups.counts.sum())
    gains = []
    for size in chunks(_BOOTSTRAP, len(groups.counts)):
        drawn = generator.multinomial(rows, groups.counts / rows, size=size)
        first, second = groups.scores(drawn.astype(np.float64), measure)
        gains.append(second - first)
    tail = (1 - level) / 2
    low, high = np.quantile(np.concatenate(gains), [tail, 1 - tail])
    return float(low), float(high)


def mean_gain_interval(
    first: np.ndarray, second: np.ndarray, generator: np.random.Generator, *, level: float = 0.9
) -> tuple[float, float]:
    """Return the two-sided interval of the second model's gain, of a score that is a mean of rows.

    Percentiles of a paired bootstrap over rows, as in ``gain_interval``.

    Args:
        first: What each row adds to the first model's score.
        second: Likewise the second one's.
        generator: Draws the rows.
        level: Coverage, in (0, 1).
    """
    gains, counts = np.unique(second - first, return_counts=True)
    rows = int(counts.sum())
    means = []
    for size in chunks(_BOOTSTRAP, len(gains)):
        drawn = generator.multinomial(rows, counts / rows, size=size)
        means.append(drawn @ gains / rows)
    tail = (1 - level) / 2
    low, high = np.quantile(np.concatenate(means), [tail, 1 - tail])
    return float(low), float(high)


def chunks(total: int, width: int) -> Iterator[int]:
    """Divide ``total`` draws of ``width`` numbers so that each part fits into memory."""
    most = max(1, _CHUNK_NUMBERS // max(width, 1))
    for begin in range(0, total, most):
        yield min(most, total - begin)
