"""Scores of generated texts: exact match, token F1, DROP's exact match and F1, ROUGE-L, chrF."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from xautolm_core.tasks.answer_scores import answer_scores
from xautolm_core.tasks.answer_scores import normalized_answer
from xautolm_core.tasks.answer_scores import without_punctuation
from xautolm_core.tasks.chrf import corpus_chrf
from xautolm_core.tasks.drop_scores import SPAN_SEPARATOR
from xautolm_core.tasks.drop_scores import drop_scores
from xautolm_core.tasks.rouge import rouge_l

SCORE_NAMES = ("f1", "exact_match", "rouge_l", "chrf", "drop_f1", "drop_exact_match")
"""The means of ``GenerationScores``, the primary one first."""


@dataclass(frozen=True, eq=False)
class GenerationScores:
    """How well generated texts agree with the accepted ones; all in [0, 1].

    Attributes:
        f1: Mean F1 over the words of a text and an accepted one, by SQuAD's definition. An accepted
            text that is nothing but articles or punctuation, such as the ``A`` of multiple choice,
            has to be written as it is.
        exact_match: Share of the texts that are an accepted one, likewise.
        rouge_l: Mean ROUGE-L.
        chrf: chrF of all rows together; no mean of rows.
        drop_f1: Mean F1 by DROP's definition: several spans, numbers have to agree.
        drop_exact_match: Likewise the exact match.
        f1_of_row: What each row adds to ``f1``, by its best accepted text, float64.
        exact_match_of_row: Likewise for ``exact_match``: 0 or 1.
        rouge_l_of_row: Likewise for ``rouge_l``.
    """

    f1: float
    exact_match: float
    rouge_l: float
    chrf: float
    drop_f1: float
    drop_exact_match: float
    f1_of_row: np.ndarray
    exact_match_of_row: np.ndarray
    rouge_l_of_row: np.ndarray


def generation_scores(texts: Sequence[str], accepted: Sequence[Sequence[str]]) -> GenerationScores:
    """Score generated texts against the accepted ones.

    Args:
        texts: What was generated for each row; may be empty.
        accepted: Accepted texts of each row, at least one. Several spans that make up one answer
            are joined by ``SPAN_SEPARATOR``, at which DROP's scores divide both sides.

    Raises:
        ValueError: There are no rows, the lengths differ, or a row has no accepted text.
    """
    words = answer_scores(texts, accepted)
    exact_match_of_row, f1_of_row = words.exact_match_of_row, words.f1_of_row
    for row, (text, right) in enumerate(zip(texts, accepted, strict=True)):
        if not all(normalized_answer(one) for one in right):
            exact_match_of_row[row], f1_of_row[row] = _with_bare_ones(text, right)
    spans = drop_scores(
        [_spans(text) for text in texts], [[_spans(one) for one in right] for right in accepted]
    )
    rouge = np.array(
        [
            max(rouge_l(text, one) for one in right)
            for text, right in zip(texts, accepted, strict=True)
        ],
        dtype=np.float64,
    )
    return GenerationScores(
        f1=float(f1_of_row.mean()),
        exact_match=float(exact_match_of_row.mean()),
        rouge_l=float(rouge.mean()),
        chrf=corpus_chrf(texts, accepted),
        drop_f1=spans.f1,
        drop_exact_match=spans.exact_match,
        f1_of_row=f1_of_row,
        exact_match_of_row=exact_match_of_row,
        rouge_l_of_row=rouge,
    )


def _with_bare_ones(text: str, accepted: Sequence[str]) -> tuple[float, float]:
    """Return exact match and F1 of a row of which some accepted text has no words that count."""
    filled = [one for one in accepted if normalized_answer(one)]
    exact_match = f1 = 0.0
    if filled:
        words = answer_scores([text], [filled])
        exact_match, f1 = words.exact_match, words.f1
    bare = (one for one in accepted if not normalized_answer(one))
    is_one = float(any(_as_written(text, one) for one in bare))
    return max(exact_match, is_one), max(f1, is_one)


def _as_written(text: str, accepted: str) -> bool:
    """Whether a text is one of articles or, where it has not even those, of punctuation."""
    if wanted := without_punctuation(accepted):
        return without_punctuation(text) == wanted
    return text.strip() == accepted.strip()


def _spans(text: str) -> list[str]:
    return text.split(SPAN_SEPARATOR)
