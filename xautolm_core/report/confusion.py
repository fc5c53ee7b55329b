"""The confusion matrix as a table that can be read at a glance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xautolm_core.search.test_report import TestReport

SHOWN_CLASSES = 20
SHOWN_PAIRS = 10


@dataclass(frozen=True)
class Cell:
    """One cell of the matrix.

    Attributes:
        count: Test rows of the true class that got the predicted class.
        tint: Share of the true class, in [0, 1]: how dark the cell is.
        correct: Whether it lies on the diagonal.
    """

    count: int
    tint: float
    correct: bool


@dataclass(frozen=True)
class ConfusedPair:
    """Two classes that were taken for each other."""

    truth: str
    predicted: str
    count: int
    share: float


@dataclass(frozen=True)
class ConfusionView:
    """What the report shows of a confusion matrix.

    Attributes:
        names: The classes; empty if they are too many for a matrix.
        rows: A row per true class, a cell per predicted class.
        pairs: The most frequent confusions.
    """

    names: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    pairs: Sequence[ConfusedPair]


def confusion_view(test: TestReport) -> ConfusionView:
    """Return the matrix (up to 20 classes) and the most frequent confusions of a test report."""
    names = list(test.per_class)
    totals = [sum(row) for row in test.confusion]
    pairs = [
        ConfusedPair(names[i], names[j], count, count / totals[i])
        for i, row in enumerate(test.confusion)
        for j, count in enumerate(row)
        if i != j and count > 0
    ]
    pairs.sort(key=lambda pair: (-pair.count, pair.truth, pair.predicted))
    if len(names) > SHOWN_CLASSES:
        return ConfusionView([], [], pairs[:SHOWN_PAIRS])
    rows = [
        [
            Cell(count, count / totals[i] if totals[i] else 0.0, i == j)
            for j, count in enumerate(row)
        ]
        for i, row in enumerate(test.confusion)
    ]
    return ConfusionView(names, rows, pairs[:SHOWN_PAIRS])
