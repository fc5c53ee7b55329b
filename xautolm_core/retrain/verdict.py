"""Decide by a one-sided test of two scores whether the champion is still good enough.

The scores are on different rows, so the test is unpaired: the drop beyond the tolerance, divided by
the standard error of the difference, against the normal distribution. The standard error of each
macro-F1 is its standard deviation under the posterior of the confusion matrix, a Dirichlet
distribution (C. Goutte, E. Gaussier, A probabilistic interpretation of precision, recall and
F-score, ECIR 2005). For many rows that is the bootstrap over rows; for few it does not claim, as
the bootstrap does, that a score of 1.0 is certain. The prior weighs as much as one row of each
class, half of it on the right answer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from dataclasses import dataclass
from enum import StrEnum
from statistics import NormalDist
from typing import Any

import numpy as np

from xautolm_core.registry.record import SplitScores

DRAWS = 4_000
_POWER = 0.8
_CHUNK_NUMBERS = 4_000_000


@dataclass(frozen=True)
class DegradationResult:
    """The result of the test.

    Attributes:
        before: Macro-F1 when registered, in [0, 1].
        now: Macro-F1 on the new rows.
        tolerance: Acceptable drop.
        standard_error: Standard error of the difference of both.
        p_value: Probability of such a drop, if the true one were the tolerance, in (0, 1].
        detectable_drop: Drop that the test detects with a power of 0.8.
    """

    before: float
    now: float
    tolerance: float
    standard_error: float
    p_value: float
    detectable_drop: float

    @property
    def drop(self) -> float:
        """Score before minus score now."""
        return self.before - self.now


def degradation_test(
    before: tuple[float, float], now: tuple[float, float], *, tolerance: float, alpha: float
) -> DegradationResult:
    """Test whether a score has dropped by more than the tolerance.

    Args:
        before: Score when registered, and its standard error.
        now: Score on new rows, and its standard error.
        tolerance: Acceptable drop, at least 0.
        alpha: Level of the test, for the detectable drop.

    Raises:
        ValueError: Both standard errors are 0, which a finite number of rows cannot give.
    """
    error = math.hypot(before[1], now[1])
    if error <= 0:
        raise ValueError("scores without any uncertainty cannot be tested")
    normal = NormalDist()
    excess = before[0] - now[0] - tolerance
    return DegradationResult(
        before=before[0],
        now=now[0],
        tolerance=tolerance,
        standard_error=error,
        # erfc keeps its precision in the tail, where 1 - cdf is 0.
        p_value=max(math.erfc(excess / error / math.sqrt(2)) / 2, math.ulp(0.0)),
        detectable_drop=tolerance + (normal.inv_cdf(1 - alpha) + normal.inv_cdf(_POWER)) * error,
    )


def macro_f1_error(confusion: Sequence[Sequence[int]] | np.ndarray, *, seed: int = 0) -> float:
    """Return the standard error of the macro-F1 that follows from a confusion matrix.

    Args:
        confusion: Rows of true class i predicted as class j, shape (classes, classes).
        seed: Seed of the draws.

    Raises:
        ValueError: It is not square, or has no rows.
    """
    counts = np.asarray(confusion, dtype=np.float64)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1]:
        raise ValueError("the confusion matrix is not square")
    if counts.sum() <= 0:
        raise ValueError("the confusion matrix counts no rows")
    occurs = counts.sum(axis=0) + counts.sum(axis=1) > 0
    counts = counts[np.ix_(occurs, occurs)]
    classes = len(counts)
    prior = np.full((classes, classes), 0.5 / max(classes - 1, 1))
    np.fill_diagonal(prior, 0.5)
    shapes = counts + prior
    generator = np.random.default_rng(seed)
    chunk = max(1, min(DRAWS, _CHUNK_NUMBERS // classes**2))
    found = []
    for begin in range(0, DRAWS, chunk):
        size = min(chunk, DRAWS - begin)
        # A Dirichlet draw but for its scale, which F1 does not depend on.
        drawn = generator.standard_gamma(shapes, size=(size, classes, classes))
        hits = np.diagonal(drawn, axis1=1, axis2=2)
        found.append((2 * hits / (drawn.sum(axis=1) + drawn.sum(axis=2))).mean(axis=1))
    return float(np.std(np.concatenate(found)))


def share_error(score: float, rows: int) -> float:
    """Return a conservative standard error of a score, from the number of rows only.

    It is that of a proportion, with one success and one failure added.
    """
    share = (score * rows + 1) / (rows + 2)
    return math.sqrt(share * (1 - share) / (rows + 2))


class Standing(StrEnum):
    """The state of a champion."""

    NO_CHAMPION = "no_champion"
    OTHER_TASK = "other_task"
    NO_SCORE = "no_score"
    TOO_FEW_ROWS = "too_few_rows"
    DEGRADED = "degraded"
    GOOD_ENOUGH = "good_enough"

    @property
    def retrain(self) -> bool:
        """Whether to train a new model."""
        return self not in (Standing.GOOD_ENOUGH, Standing.TOO_FEW_ROWS)


@dataclass(frozen=True)
class DegradationLimits:
    """When a champion counts as degraded.

    Attributes:
        tolerance: Acceptable drop of macro-F1, in [0, 1).
        alpha: Probability of calling a champion degraded at a true drop of the tolerance, (0, 0.5).
        min_rows: With fewer fresh rows there is no decision.
    """

    tolerance: float = 0.02
    alpha: float = 0.05
    min_rows: int = 100

    def __post_init__(self) -> None:
        if not (0 <= self.tolerance < 1 and 0 < self.alpha < 0.5 and self.min_rows >= 1):
            raise ValueError("tolerance in [0, 1), alpha in (0, 0.5), min_rows at least 1")


@dataclass(frozen=True)
class ChampionVerdict:
    """Whether to train a new model, and why.

    Attributes:
        standing: State of the champion.
        reason: Reason, in words.
        champion: Version of the champion, or None.
        rows: Number of fresh rows that it was evaluated on.
        degradation: The test, if there was one.
    """

    standing: Standing
    reason: str
    champion: str | None = None
    rows: int = 0
    degradation: DegradationResult | None = None

    def document(self) -> dict[str, Any]:
        """Return the verdict as JSON."""
        degradation = (
            None
            if self.degradation is None
            else {**asdict(self.degradation), "drop": self.degradation.drop}
        )
        return {
            "retrain": self.standing.retrain,
            "standing": self.standing.value,
            "reason": self.reason,
            "champion": self.champion,
            "rows": self.rows,
            "degradation": degradation,
        }


def judge_degradation(
    before: SplitScores | None,
    now: SplitScores,
    limits: DegradationLimits,
    champion: str | None = None,
) -> ChampionVerdict:
    """Compare a model's score on fresh rows with its score at registration.

    Args:
        before: Scores when registered.
        now: Scores on the fresh rows, with their confusion matrix.
        limits: When it counts as degraded.
        champion: Version of the model.
    """
    rows = now.rows or 0
    if before is None:
        return ChampionVerdict(
            Standing.NO_SCORE,
            "The champion was registered without a score: there is nothing to compare with",
            champion,
            rows,
        )
    if rows < limits.min_rows:
        return too_few(rows, limits, champion)
    found = degradation_test(
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
        return ChampionVerdict(
            Standing.DEGRADED, f"{scores}: it is degraded", champion, rows, found
        )
    return ChampionVerdict(
        Standing.GOOD_ENOUGH,
        f"{scores}: no sign of degradation. A drop of {found.detectable_drop:.3f} would have been"
        " detected with a probability of 0.8",
        champion,
        rows,
        found,
    )


def too_few(rows: int, limits: DegradationLimits, champion: str | None) -> ChampionVerdict:
    """Return the verdict on a champion for which too few rows are fresh."""
    return ChampionVerdict(
        Standing.TOO_FEW_ROWS,
        f"{rows} rows are fresh to the champion, fewer than {limits.min_rows}: too few to tell",
        champion,
        rows,
    )


def _error(scores: SplitScores) -> float:
    if scores.confusion is not None:
        return macro_f1_error(scores.confusion)
    return share_error(scores.macro_f1, scores.rows or 1)
