"""Is the language model worth it? Its answers beside those of the best cheap candidate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from xautolm_core.search.contract import Comparison
from xautolm_core.space.methods import is_cheap
from xautolm_core.tasks.grouped import gain_interval
from xautolm_core.tasks.grouped import group_rows
from xautolm_core.tasks.scores import RARE_ROWS
from xautolm_core.tasks.scores import classification_scores

if TYPE_CHECKING:
    from xautolm_core.search.contract import TrialRecord

_LEVEL = 0.95


def compare(
    first: TrialRecord,
    second: TrialRecord,
    *,
    truth: np.ndarray,
    first_answers: np.ndarray,
    second_answers: np.ndarray,
    labels: Sequence[str],
    seed: int = 0,
) -> Comparison:
    """Compare a language model with a cheap candidate on the rows that both have answered.

    Args:
        first: One of both trials; the order does not matter.
        second: The other one.
        truth: Class index of each row.
        first_answers: Class index that the first model gave to each row.
        second_answers: Likewise the second one.
        labels: Class names in their order.
        seed: Of the bootstrap.

    Raises:
        ValueError: There are no rows, or both have answered different numbers of them.
    """
    if is_cheap(first.configuration.method):
        first, second = second, first
        first_answers, second_answers = second_answers, first_answers
    groups = group_rows(truth, second_answers, first_answers)
    low, high = gain_interval(groups, "macro_f1", np.random.default_rng(seed), level=_LEVEL)
    rows = np.bincount(np.asarray(truth, dtype=np.int64), minlength=len(labels))
    return Comparison(
        language_model=first.number,
        cheap=second.number,
        language_model_macro_f1=classification_scores(truth, first_answers, labels).macro_f1,
        cheap_macro_f1=classification_scores(truth, second_answers, labels).macro_f1,
        low=low,
        high=high,
        rare_classes={
            name: int(count)
            for name, count in zip(labels, rows, strict=True)
            if 0 < count < RARE_ROWS
        },
    )
