"""chrF: how many short runs of characters generated texts share with the accepted ones.

The F score of runs of one to six characters, white space left out, in which recall weighs twice as
much as precision (M. Popović, chrF: character n-gram F-score for automatic MT evaluation, WMT
2015), with the counts of all rows added up: what sacrebleu gives by default, divided by 100.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

_LONGEST = 6
_RECALL_WEIGHT = 2**2


def corpus_chrf(texts: Sequence[str], accepted: Sequence[Sequence[str]]) -> float:
    """Return the chrF of generated texts.

    Args:
        texts: The text of each row.
        accepted: Accepted texts of each row; the one with the highest chrF counts.

    Returns:
        In [0, 1].
    """
    totals = np.zeros((_LONGEST, 3), dtype=np.int64)
    for text, right in zip(texts, accepted, strict=True):
        given = _runs(text)
        totals += max((_counts(given, _runs(one)) for one in right), key=_score)
    return _score(totals)


def _runs(text: str) -> list[Counter[str]]:
    """Count the runs of characters of each length."""
    bare = "".join(text.split())
    return [
        Counter(bare[start : start + length] for start in range(len(bare) - length + 1))
        for length in range(1, _LONGEST + 1)
    ]


def _counts(given: Sequence[Counter[str]], right: Sequence[Counter[str]]) -> np.ndarray:
    """Return the runs of the text, of the accepted text, and of both, for each length."""
    return np.array(
        [
            # Runs that are longer than the whole accepted text cannot be wrong.
            (one.total() if other else 0, other.total(), (one & other).total())
            for one, other in zip(given, right, strict=True)
        ],
        dtype=np.int64,
    )


def _score(counts: np.ndarray) -> float:
    """Return the F score of the mean precision and recall of the lengths that both sides have."""
    given, right, shared = counts[(counts[:, :2] > 0).all(axis=1)].T
    if not shared.sum():
        return 0.0
    precision, recall = float((shared / given).mean()), float((shared / right).mean())
    return (1 + _RECALL_WEIGHT) * precision * recall / (_RECALL_WEIGHT * precision + recall)
