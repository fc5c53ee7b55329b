"""Scores of answers that may be numbers, dates, or several spans, by DROP's official definition.

Answers are bags of words, one for each span; the spans of both sides are paired so that the sum of
their F1 is largest, and a span with numbers counts only if a number agrees (D. Dua and others,
DROP: A reading comprehension benchmark requiring discrete reasoning over paragraphs, NAACL 2019).
"""

from __future__ import annotations

import math
import re
import string
from collections.abc import Sequence

import numpy as np

from xautolm_core.tasks.answer_scores import AnswerScores

SPAN_SEPARATOR = " and "
"""Stands between the spans of one answer where they are written as one text."""
_SEPARATORS = re.compile(r"[ -]")
_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def drop_scores(
    predicted: Sequence[Sequence[str]], accepted: Sequence[Sequence[Sequence[str]]]
) -> AnswerScores:
    """Score answers of several spans against the accepted ones.

    Args:
        predicted: The spans of the answer to each row.
        accepted: Accepted answers of each row, the spans of each; the best of them counts.

    Returns:
        The scores, those of the official script: F1 of a row is rounded to two digits.

    Raises:
        ValueError: There are no rows, the lengths differ, or a row has no accepted answer.
    """
    if len(predicted) != len(accepted):
        raise ValueError(f"{len(predicted)} answers, but accepted ones of {len(accepted)} rows")
    if not len(predicted):
        raise ValueError("no rows to score")
    if not all(len(one) for one in accepted):
        raise ValueError("a row has no accepted answer")
    rows = np.array(
        [
            max(_row(answer, right) for right in one)
            for answer, one in zip(predicted, accepted, strict=True)
        ],
        dtype=np.float64,
    )
    exact_match, f1 = rows.mean(axis=0).tolist()
    return AnswerScores(exact_match, f1, rows[:, 0], rows[:, 1])


def _row(answer: Sequence[str], right: Sequence[str]) -> tuple[float, float]:
    """Return exact match and F1 of an answer against one accepted answer."""
    given, wanted = ([_normalized(span) for span in spans] for spans in (answer, right))
    exact = float(set(given) == set(wanted) and len(given) == len(wanted))
    f1 = _aligned_f1([set(one.split()) for one in given], [set(one.split()) for one in wanted])
    return exact, round(f1, 2)


def _aligned_f1(given: Sequence[set[str]], wanted: Sequence[set[str]]) -> float:
    """Return the mean F1 of spans in the best pairing; a span without a partner has none."""
    from scipy.optimize import linear_sum_assignment

    if not given or not wanted:
        return float(not given and not wanted)
    scores = np.array([[_f1(one, right) for one in given] for right in wanted])
    paired = linear_sum_assignment(-scores)
    return float(scores[paired].sum()) / max(len(given), len(wanted))


def _f1(given: set[str], wanted: set[str]) -> float:
    if not _numbers_agree(given, wanted):
        return 0.0
    shared = len(given & wanted)
    precision = shared / len(given) if given else 1.0
    recall = shared / len(wanted) if wanted else 1.0
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _numbers_agree(given: set[str], wanted: set[str]) -> bool:
    """Whether the wanted span has no number, or one that the given span has as well."""
    numbers = {word for word in wanted if _number(word) is not None}
    return not numbers or bool(numbers & given)


def _normalized(text: str) -> str:
    """Return a span in lower case, numbers in one form, without articles and punctuation."""
    parts = (_normalized_word(word) for word in _SEPARATORS.split(text.lower()))
    return " ".join(part for part in parts if part)


def _normalized_word(word: str) -> str:
    if _number(word) is None:
        word = word.translate(_PUNCTUATION)
    number = _number(word)
    if number is not None:
        word = str(number)
    return " ".join(_ARTICLES.sub(" ", word).split())


def _number(word: str) -> float | None:
    """Return the number that a word is, if it is one."""
    try:
        number = float(word)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
