"""Scores of answers in words, by the official definitions of SQuAD 1.1 and 2.0.

An answer is compared with each accepted one without regard to case, punctuation, English articles
and white space; the best of them counts (P. Rajpurkar, J. Zhang, K. Lopyrev, P. Liang, SQuAD:
100,000+ questions for machine comprehension of text, EMNLP 2016). A question without an accepted
answer is answered right by an empty one alone (P. Rajpurkar, R. Jia, P. Liang, Know what you don't
know: unanswerable questions for SQuAD, ACL 2018).
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


@dataclass(frozen=True, eq=False)
class AnswerScores:
    """How well answers agree with the accepted ones.

    Attributes:
        exact_match: Share of rows whose answer is an accepted one, in [0, 1].
        f1: Mean F1 over the words of answer and accepted answer, in [0, 1].
        exact_match_of_row: What each row adds to ``exact_match``: 0 or 1, float64.
        f1_of_row: F1 of each row, in [0, 1], float64.
    """

    exact_match: float
    f1: float
    exact_match_of_row: np.ndarray
    f1_of_row: np.ndarray


def normalized_answer(text: str) -> str:
    """Return an answer in lower case, without punctuation, articles and surplus white space."""
    return " ".join(_ARTICLES.sub(" ", without_punctuation(text)).split())


def without_punctuation(text: str) -> str:
    """Return a text in lower case, without punctuation and surplus white space."""
    return " ".join(text.lower().translate(_PUNCTUATION).split())


def answer_scores(predicted: Sequence[str], accepted: Sequence[Sequence[str]]) -> AnswerScores:
    """Score answers against the accepted ones.

    Args:
        predicted: The answer to each row; empty for "the passage does not say".
        accepted: Accepted answers of each row; none for a question without an answer.

    Returns:
        The scores. They are those of the official scripts, divided by 100.

    Raises:
        ValueError: There are no rows, or the lengths differ.
    """
    if len(predicted) != len(accepted):
        raise ValueError(f"{len(predicted)} answers, but accepted ones of {len(accepted)} rows")
    if not len(predicted):
        raise ValueError("no rows to score")
    rows = np.array(
        [_row(answer, right) for answer, right in zip(predicted, accepted, strict=True)],
        dtype=np.float64,
    )
    exact_match, f1 = rows.mean(axis=0).tolist()
    return AnswerScores(exact_match, f1, rows[:, 0], rows[:, 1])


def _row(answer: str, accepted: Sequence[str]) -> tuple[float, float]:
    """Return exact match and F1 of one row."""
    given = normalized_answer(answer)
    # What is nothing but punctuation and articles cannot be answered: it counts as no answer.
    right = [text for one in accepted if (text := normalized_answer(one))] or [""]
    return float(given in right), max(_f1(given.split(), one.split()) for one in right)


def _f1(given: Sequence[str], right: Sequence[str]) -> float:
    """Return the F1 of two bags of words; of empty ones 1 if both are."""
    if not given or not right:
        return float(not given and not right)
    shared = (Counter(given) & Counter(right)).total()
    return 2 * shared / (len(given) + len(right))
