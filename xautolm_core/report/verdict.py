"""Was fine-tuning worth it? The first question of Green AI, answered in a sentence or two."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Literal

from xautolm_core.report.document import chosen_trial
from xautolm_core.report.wording import seconds_words

if TYPE_CHECKING:
    from xautolm_core.search.contract import SearchResult
    from xautolm_core.search.contract import TrialRecord

# Early stopping and a slightly shortened last epoch are no news.
_SHORT = 0.5

Kind = Literal["worth", "unclear", "not_worth", "unknown"]


@dataclass(frozen=True)
class Verdict:
    """How the chosen model compares with the linear baseline.

    Attributes:
        kind: ``worth`` and ``not_worth`` where the gap is wider than chance explains, ``unclear``
            within it, ``unknown`` if there is nothing to compare.
        headline: The answer in a few words.
        explanation: The figures behind it, in full sentences.
    """

    kind: Kind
    headline: str
    explanation: str


def verdict(result: SearchResult) -> Verdict:
    """Compare the chosen model with the linear baseline on the test split.

    The margin of chance is two standard errors of an accuracy on as many test rows, taken at the
    mean of both accuracies and for independent errors: a cautious stand-in for the standard error
    of the difference between two models on the same rows.

    Args:
        result: What the search came to.
    """
    best = chosen_trial(result)
    baseline = result.baseline
    if best is None:
        return Verdict(
            "unknown", "No trial gave a model", "There is nothing to compare with the baseline."
        )
    if baseline is None or baseline.test_macro_f1 is None or result.test is None:
        return Verdict(
            "unknown",
            "No comparison with the linear baseline",
            "The comparison needs both the model and the baseline on the test split.",
        )
    gain = result.test.macro_f1 - baseline.test_macro_f1
    margin = _margin_of_chance(
        result.test.accuracy, baseline.test_accuracy or result.test.accuracy, result.test.rows
    )
    kind: Kind = "unclear" if abs(gain) <= margin else "worth" if gain > 0 else "not_worth"
    headline = {
        "worth": "Fine-tuning was worth it",
        "unclear": "Fine-tuning made no clear difference",
        "not_worth": "Fine-tuning was not worth it",
    }[kind]
    explanation = (
        f"On {result.test.rows} test rows the fine-tuned model reaches a macro F1 of "
        f"{result.test.macro_f1:.4f}; TF-IDF with logistic regression reaches "
        f"{baseline.test_macro_f1:.4f} in {seconds_words(baseline.seconds)}. "
        f"That is {_points(gain)}, where chance alone explains about ±{100 * margin:.1f}. "
        f"Training and evaluating the chosen model took "
        f"{seconds_words(best.result.time_seconds)}, the whole search "
        f"{seconds_words(result.seconds)}.{_cut_words(best)}"
    )
    return Verdict(kind, headline, explanation)


def _cut_words(best: TrialRecord) -> str:
    """Say if the trial was cut so short that the answer may be another one with more time."""
    progress = best.result.progress
    if progress.planned_steps == 0 or progress.steps >= _SHORT * progress.planned_steps:
        return ""
    return (
        f" To end in time, it did only {progress.steps} of {progress.planned_steps} planned "
        "steps; with a larger budget the answer may be another one."
    )


def _margin_of_chance(accuracy: float, other: float, rows: int) -> float:
    mean = min(max((accuracy + other) / 2, 0.0), 1.0)
    return 2 * math.sqrt(2 * mean * (1 - mean) / max(rows, 1))


def _points(gain: float) -> str:
    points = 100 * gain
    if abs(points) < 0.05:
        return "no difference"
    return f"{abs(points):.1f} points {'more' if gain > 0 else 'less'}"
