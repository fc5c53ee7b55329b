"""A score with its direction and range."""

from __future__ import annotations

from xautolm_core.records.base import Record


class Score(Record):
    """A score with its direction and range."""

    value: float
    maximize: bool = True
    low: float = 0.0
    high: float = 1.0
