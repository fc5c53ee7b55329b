"""Detect that the history of other tasks misleads a search."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from xautolm_core.search.contract import Objective
from xautolm_core.search.explanation import WITHOUT_HISTORY

if TYPE_CHECKING:
    from xautolm_core.search.explanation import TrialExplanation

ENOUGH_TRIALS = 8
"""Number of explained trials, without cheap ones, before which the weights of structures are not
reliable."""

LEAST_WEIGHT = 0.1
"""Total weight of history structures below which the history counts as misleading."""


def misleading_history(explanations: Sequence[TrialExplanation | None]) -> str | None:
    """Return a warning if the sampler disregards the history; else None.

    The text is the same for every trial, so that it is noted once.

    Args:
        explanations: Of the trials before one that was just proposed, then of that one; None for
            trials that no sampler explained.
    """
    weights = [_weight_of_history(one) for one in explanations]
    now = weights[-1] if weights else None
    known = [weight for weight in weights if weight is not None]
    if now is None or now >= LEAST_WEIGHT or len(known) <= ENOUGH_TRIALS:
        return None
    # Without any history its weight was never more than that.
    if max(known) < LEAST_WEIGHT:
        return None
    return (
        "The history misleads: the trials of this task contradict what other tasks say of the "
        "score, which now weighs less than a tenth. If you search this task again, start without "
        "history: --cold"
    )


def _weight_of_history(explanation: TrialExplanation | None) -> float | None:
    """Return the weight of the structures of the score that use history; None if not known."""
    weights = None if explanation is None else explanation.structures.get(Objective.F1.value)
    if not weights:
        return None
    return sum(weight for name, weight in weights.items() if name != WITHOUT_HISTORY)
