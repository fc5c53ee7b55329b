"""How good a model's answers are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from xautolm_core.records.scores import ClassificationScores
from xautolm_core.tasks.scores import classification_scores
from xautolm_core.trial.failures import Diverged


def score_logits(
    logits: np.ndarray, truth: np.ndarray, names: Sequence[str]
) -> ClassificationScores:
    """Return the scores of logits.

    Raises:
        Diverged: A logit is not finite.
    """
    if not np.isfinite(logits).all():
        raise Diverged("The model's output is not finite")
    return classification_scores(truth, logits.argmax(1), list(names))
