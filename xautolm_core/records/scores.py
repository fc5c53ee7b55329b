"""Scores: one number with its direction and range, and all scores of a classifier."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass

from xautolm_core.records.base import Record


class Score(Record):
    """A score with its direction and range."""

    value: float
    maximize: bool = True
    low: float = 0.0
    high: float = 1.0


@dataclass(frozen=True)
class ClassificationScores:
    """How well predicted classes agree with the true ones.

    Attributes:
        macro_f1: Mean F1 over the classes that occur in truth or prediction, in [0, 1].
        accuracy: Share of rows that are right, in [0, 1].
        per_class: Class name to ``precision``, ``recall``, ``f1`` (each in [0, 1], 0 where
            undefined) and ``support`` (rows of the class); every class, in the given order.
        confusion: Rows of true class i that were predicted as class j.
    """

    macro_f1: float
    accuracy: float
    per_class: Mapping[str, Mapping[str, float]]
    confusion: Sequence[Sequence[int]]
