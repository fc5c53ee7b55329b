"""Decide by a paired test whether the challenger replaces the champion."""

from __future__ import annotations

from dataclasses import asdict
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from xautolm_core.tasks.grouped import Measure
from xautolm_core.tasks.paired import ROUNDS
from xautolm_core.tasks.paired import PairedResult


class ComparisonOutcome(StrEnum):
    """The outcome of a comparison."""

    FIRST = "first"
    BETTER = "better"
    NOT_BETTER = "not_better"
    SAME_MODEL = "same_model"
    TOO_FEW_ROWS = "too_few_rows"
    CHAMPION_CHANGED = "champion_changed"

    @property
    def promote(self) -> bool:
        """Whether the challenger becomes the champion."""
        return self in (ComparisonOutcome.FIRST, ComparisonOutcome.BETTER)


@dataclass(frozen=True)
class PromotionRule:
    """When a challenger replaces the champion.

    Attributes:
        alpha: Probability of promoting a challenger that is not better, in (0, 0.5).
        minimal_gain: The observed gain must be at least this, in [0, 1).
        min_rows: With fewer fresh rows nothing is promoted.
        measure: ``macro_f1`` or ``accuracy``.
        rounds: Swaps of the test of macro-F1, at least 100.
        seed: Seed of the swaps.
    """

    alpha: float = 0.01
    minimal_gain: float = 0.0
    min_rows: int = 30
    measure: Measure = "macro_f1"
    rounds: int = ROUNDS
    seed: int = 0

    def __post_init__(self) -> None:
        if not (0 < self.alpha < 0.5 and 0 <= self.minimal_gain < 1 and self.min_rows >= 1):
            raise ValueError("alpha in (0, 0.5), minimal_gain in [0, 1), min_rows at least 1")
        if self.rounds < 100 or self.alpha * (self.rounds + 1) < 1:
            raise ValueError("too few rounds for any p-value to reach alpha")


@dataclass(frozen=True)
class Decision:
    """The outcome of a comparison, with its reason.

    Attributes:
        outcome: The outcome.
        reason: The reason, in words.
        challenger: Its version.
        champion: Version of the champion before, or None.
        test: The paired test, if there was one.
        rows: Number of fresh rows.
    """

    outcome: ComparisonOutcome
    reason: str
    challenger: str
    champion: str | None = None
    test: PairedResult | None = None
    rows: int = 0

    def document(self) -> dict[str, Any]:
        """Return the decision as JSON."""
        test = None if self.test is None else {**asdict(self.test), "gain": self.test.gain}
        return {
            "promote": self.outcome.promote,
            "outcome": self.outcome.value,
            "reason": self.reason,
            "challenger": self.challenger,
            "champion": self.champion,
            "rows": self.rows,
            "test": test,
        }


def decide(
    test: PairedResult, rule: PromotionRule, *, challenger: str = "", champion: str | None = None
) -> Decision:
    """Decide by a paired test: only a challenger that is significantly better is promoted.

    Args:
        test: Paired test of champion and challenger.
        rule: When a challenger is promoted.
        challenger: Its version.
        champion: The champion's version.
    """
    name = "Macro-F1" if test.measure == "macro_f1" else "Accuracy"
    found = (
        f"{name} on {test.rows} rows fresh to both: {test.challenger:.3f} of the challenger,"
        f" {test.champion:.3f} of the champion (gain {test.gain:+.3f}, 90 % interval"
        f" {test.low:+.3f} to {test.high:+.3f}, p = {test.p_value:.2g}, alpha {rule.alpha:g})"
    )
    if test.p_value > rule.alpha or test.gain <= 0:
        outcome, words = ComparisonOutcome.NOT_BETTER, "not significantly better"
    elif test.gain < rule.minimal_gain:
        outcome, words = (
            ComparisonOutcome.NOT_BETTER,
            f"better, but by less than the {rule.minimal_gain:g} asked for",
        )
    else:
        outcome, words = ComparisonOutcome.BETTER, "significantly better"
    return Decision(outcome, f"{found}: {words}", challenger, champion, test, test.rows)
