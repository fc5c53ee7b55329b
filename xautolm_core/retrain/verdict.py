"""Is the champion still good enough? The decision, from scores alone."""

from __future__ import annotations

from dataclasses import asdict
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from xautolm_core.registry.record import SplitScores
from xautolm_core.retrain.wear import WearResult
from xautolm_core.retrain.wear import macro_f1_error
from xautolm_core.retrain.wear import share_error
from xautolm_core.retrain.wear import wear_test


class Standing(StrEnum):
    """How a champion stands."""

    NO_CHAMPION = "no_champion"
    OTHER_TASK = "other_task"
    NO_SCORE = "no_score"
    TOO_FEW_ROWS = "too_few_rows"
    WORN = "worn"
    GOOD_ENOUGH = "good_enough"

    @property
    def retrain(self) -> bool:
        """Whether to train a new model."""
        return self not in (Standing.GOOD_ENOUGH, Standing.TOO_FEW_ROWS)


@dataclass(frozen=True)
class WearLimits:
    """When a champion counts as worn.

    Attributes:
        tolerance: Drop of macro-F1 that does not matter, in [0, 1).
        alpha: Probability of calling a champion worn whose true drop is the tolerance, in (0, 0.5).
        min_rows: With fewer fresh rows nothing is said.
    """

    tolerance: float = 0.02
    alpha: float = 0.05
    min_rows: int = 100

    def __post_init__(self) -> None:
        if not (0 <= self.tolerance < 1 and 0 < self.alpha < 0.5 and self.min_rows >= 1):
            raise ValueError("tolerance in [0, 1), alpha in (0, 0.5), min_rows at least 1")


@dataclass(frozen=True)
class Verdict:
    """Whether to train a new model, and why.

    Attributes:
        standing: How the champion stands.
        reason: Why, in words.
        champion: Its version, or None.
        rows: Fresh rows that it was measured on.
        wear: The test, if there was one.
    """

    standing: Standing
    reason: str
    champion: str | None = None
    rows: int = 0
    wear: WearResult | None = None

    def document(self) -> dict[str, Any]:
        """Return the verdict as JSON."""
        wear = None if self.wear is None else {**asdict(self.wear), "drop": self.wear.drop}
        return {
            "retrain": self.standing.retrain,
            "standing": self.standing.value,
            "reason": self.reason,
            "champion": self.champion,
            "rows": self.rows,
            "wear": wear,
        }


def judge_wear(
    before: SplitScores | None, now: SplitScores, limits: WearLimits, champion: str | None = None
) -> Verdict:
    """Compare what a model scores on fresh rows with what it scored when it was registered.

    Args:
        before: Scores when registered.
        now: Scores on the fresh rows, with their confusion matrix.
        limits: When it counts as worn.
        champion: Version of the model.
    """
    rows = now.rows or 0
    if before is None:
        return Verdict(
            Standing.NO_SCORE,
            "The champion was registered without a score: there is nothing to measure against",
            champion,
            rows,
        )
    if rows < limits.min_rows:
        return too_few(rows, limits, champion)
    found = wear_test(
        (before.macro_f1, _error(before)),
        (now.macro_f1, _error(now)),
        tolerance=limits.tolerance,
        alpha=limits.alpha,
    )
    scores = (
        f"Macro-F1 is {found.now:.3f} on {rows} fresh rows and was {found.before:.3f} when"
        f" registered (drop {found.drop:+.3f}, tolerance {limits.tolerance:.3f},"
        f" p = {found.p_value:.2g})"
    )
    if found.p_value <= limits.alpha:
        return Verdict(Standing.WORN, f"{scores}: it is worn", champion, rows, found)
    return Verdict(
        Standing.GOOD_ENOUGH,
        f"{scores}: no sign of wear. A drop of {found.detectable_drop:.3f} would have been seen"
        " four times in five",
        champion,
        rows,
        found,
    )


def too_few(rows: int, limits: WearLimits, champion: str | None) -> Verdict:
    """Return the verdict on a champion that too few rows are fresh to."""
    return Verdict(
        Standing.TOO_FEW_ROWS,
        f"{rows} rows are fresh to the champion, fewer than {limits.min_rows}: too few to tell",
        champion,
        rows,
    )


def _error(scores: SplitScores) -> float:
    if scores.confusion is not None:
        return macro_f1_error(scores.confusion)
    return share_error(scores.macro_f1, scores.rows or 1)
