"""What experiences took and drew, from columns: the rules of ``TrialResult``, for many at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

COST_NUMBERS = (
    "reused_seconds",
    "reused_joules",
    "cumulative_seconds",
    "cumulative_joules",
    "continues",
)
"""Numbers of an experience that its costs are made from, besides its seconds and readings."""


@dataclass(frozen=True)
class Costs:
    """Numbers of some rows, float64, shape (rows,), with NaN for what is missing.

    Attributes:
        train_seconds: Of training.
        evaluate_seconds: Of evaluation.
        reused_seconds: What was found in the cache had cost.
        reused_joules: Likewise.
        cumulative_seconds: Of a continuation, of its whole chain.
        cumulative_joules: Likewise.
        continues: Number of the trial that it continues.
    """

    train_seconds: NDArray[np.float64]
    evaluate_seconds: NDArray[np.float64]
    reused_seconds: NDArray[np.float64]
    reused_joules: NDArray[np.float64]
    cumulative_seconds: NDArray[np.float64]
    cumulative_joules: NDArray[np.float64]
    continues: NDArray[np.float64]

    def own_seconds(self) -> NDArray[np.float64]:
        """Return training plus evaluation; what is missing of the two adds nothing.

        What was reused of earlier trials counts with what it had cost.
        """
        train, evaluate = self.train_seconds, self.evaluate_seconds
        both = np.where(np.isnan(evaluate), train, train + evaluate)
        return np.where(np.isnan(train), evaluate, both) + np.nan_to_num(self.reused_seconds)

    def comparable_seconds(self) -> NDArray[np.float64]:
        """Return ``TrialResult.comparable_seconds``."""
        cumulative = self.cumulative_seconds
        return np.where(np.isnan(cumulative), self.own_seconds(), cumulative)

    def comparable_joules(self, joules: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return ``TrialResult.comparable_joules``; NaN where it is None.

        Args:
            joules: Sum of the readings, shape (rows,); NaN where there are none.
        """
        own_seconds = self.own_seconds()
        trained = own_seconds - np.nan_to_num(self.reused_seconds)
        with np.errstate(all="ignore"):
            scaled = np.where(trained > 0, joules * own_seconds / trained, joules)
        single = np.where(np.isnan(self.reused_joules), scaled, joules + self.reused_joules)
        return np.where(np.isnan(self.continues), single, self.cumulative_joules)
