"""Scores of answers on validation, with the threshold above which a question is answered."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from xautolm_core.records.scores import Score
from xautolm_core.tasks.answer_scores import answer_scores
from xautolm_core.trial.answerer import NULL_THRESHOLD
from xautolm_core.trial.spans.decoding import choose_threshold


@dataclass(frozen=True)
class JudgedAnswers:
    """The scores of answers.

    Attributes:
        f1: The primary score, in [0, 1].
        scores: ``f1`` and ``exact_match``.
        decoding: The threshold chosen for these answers, as a card keeps it; empty if all questions
            are answered.
    """

    f1: float
    scores: Mapping[str, Score]
    decoding: Mapping[str, float]


def judge_answers(
    texts: Sequence[str],
    margins: np.ndarray,
    accepted: Sequence[Sequence[str]],
    *,
    has_unanswerable: bool,
) -> JudgedAnswers:
    """Return the scores of answers, some of them withheld where that is better.

    Args:
        texts: The best span of each question.
        margins: How much its score is above that of no answer, finite.
        accepted: Accepted answers of each question.
        has_unanswerable: Whether training questions have no answer; otherwise all are answered.
    """
    decoding = {}
    if has_unanswerable:
        answered = answer_scores(texts, accepted).f1_of_row
        silent = answer_scores([""] * len(texts), accepted).f1_of_row
        threshold = choose_threshold(margins, answered, silent)
        decoding[NULL_THRESHOLD] = threshold
        kept = margins > threshold
        texts = [text if keep else "" for text, keep in zip(texts, kept, strict=True)]
    found = answer_scores(texts, accepted)
    scores = {"f1": Score(value=found.f1), "exact_match": Score(value=found.exact_match)}
    return JudgedAnswers(found.f1, scores, decoding)
