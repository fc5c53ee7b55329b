"""From the scores of tokens to answers: the best span over all windows of a question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from xautolm_core.trial.spans.windows import Windows

MAX_ANSWER_TOKENS = 30
"""No answer has more tokens (that of the BERT paper's code)."""

# Margins beyond say nothing more, and are not finite where a passage has no token at all.
_GREATEST_MARGIN = 1e6


@dataclass(frozen=True)
class WindowSpans:
    """The best span of each of some windows; float64 and int64, one number a window.

    Attributes:
        scores: Sum of the scores of its first and its last token; -inf where the passage has none.
        starts: Its first token within the window.
        ends: Its last token.
        null_starts: Score of the window's null token as a first one.
        null_ends: The same as a last one.
        log_starts: Logarithm of the sum of the exponentials of all scores of first tokens in the
            passage.
        log_ends: The same of last tokens.
    """

    scores: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    null_starts: np.ndarray
    null_ends: np.ndarray
    log_starts: np.ndarray
    log_ends: np.ndarray

    @classmethod
    def empty(cls, windows: int) -> WindowSpans:
        """Return room for so many windows."""
        numbers = [np.empty(windows) for _ in range(5)]
        places = [np.empty(windows, dtype=np.int64) for _ in range(2)]
        return cls(numbers[0], *places, *numbers[1:])

    def put(self, rows: np.ndarray, found: WindowSpans) -> None:
        """Put the spans of some windows into their rows."""
        for name, values in vars(self).items():
            values[rows] = getattr(found, name)


def best_spans(
    scores: np.ndarray, pieces: np.ndarray, nulls: np.ndarray, *, longest: int = MAX_ANSWER_TOKENS
) -> WindowSpans:
    """Return the best span of each window of a batch; of equal ones the shortest, then the first.

    Args:
        scores: Of each token as first and as last one, (windows, tokens, 2).
        pieces: First token of the passage and the place after its last one, (windows, 2).
        nulls: Place of the null token, (windows,).
        longest: Most tokens of a span.
    """
    rows, width = np.arange(len(scores)), scores.shape[1]
    columns = np.arange(width)
    inside = (columns >= pieces[:, :1]) & (columns < pieces[:, 1:])
    wide = scores.astype(np.float64)
    first = np.where(inside, wide[..., 0], -np.inf)
    last = np.where(inside, wide[..., 1], -np.inf)
    best = np.full(len(scores), -np.inf)
    starts, ends = np.zeros(len(scores), np.int64), np.zeros(len(scores), np.int64)
    for more in range(min(longest, width)):
        totals = first[:, : width - more] + last[:, more:]
        place = totals.argmax(axis=1)
        total = totals[rows, place]
        better = total > best
        best = np.where(better, total, best)
        starts = np.where(better, place, starts)
        ends = np.where(better, place + more, ends)
    return WindowSpans(
        scores=best,
        starts=starts,
        ends=ends,
        null_starts=wide[rows, nulls, 0],
        null_ends=wide[rows, nulls, 1],
        log_starts=np.logaddexp.reduce(first, axis=1),
        log_ends=np.logaddexp.reduce(last, axis=1),
    )


@dataclass(frozen=True)
class QuestionSpans:
    """The best span of each of some questions, one number a question.

    Attributes:
        starts: Its first character in the passage, int64.
        ends: The character after its last one.
        margins: How much its score is above that of the null token, float64.
        probabilities: Of the span: the product of those of its first and its last token among all
            tokens of the passage and the null token, in [0, 1].
        null_probabilities: The same of the null token.
    """

    starts: np.ndarray
    ends: np.ndarray
    margins: np.ndarray
    probabilities: np.ndarray
    null_probabilities: np.ndarray

    def texts(self, contexts: Sequence[str]) -> list[str]:
        """Return the words of each span, cut out of the passages."""
        return [
            context[start:end].strip()
            for context, start, end in zip(contexts, self.starts, self.ends, strict=True)
        ]

    def answered(self, threshold: float | None) -> np.ndarray:
        """Whether each question is answered, bool.

        Args:
            threshold: Above which a margin has to be; None to answer all.
        """
        if threshold is None:
            return np.ones(len(self.margins), dtype=bool)
        found: np.ndarray = self.margins > threshold
        return found


def spans_of_questions(
    windows: Windows, questions: np.ndarray, found: WindowSpans
) -> QuestionSpans:
    """Return the best span of each of some questions over all their windows.

    That a passage does not answer is what all its windows have to say, so that the null token's
    score is the least of them (as in the official code of SQuAD 2.0).

    Args:
        windows: Of the split.
        questions: Ascending row numbers.
        found: The best span of each of their windows, in the order of ``Windows.of_questions``.
    """
    counts = windows.firsts[questions + 1] - windows.firsts[questions]
    firsts = np.concatenate(([0], np.cumsum(counts)[:-1])).astype(np.int64)
    nulls = found.null_starts + found.null_ends
    best = _first_of(found.scores, firsts, counts, np.maximum)
    least = _first_of(nulls, firsts, counts, np.minimum)
    log_total = np.logaddexp(
        np.logaddexp.reduceat(found.log_starts, firsts), found.null_starts[least]
    ) + np.logaddexp(np.logaddexp.reduceat(found.log_ends, firsts), found.null_ends[least])
    offsets = windows.tokens.offsets[windows.of_questions(questions)[best]]
    return QuestionSpans(
        starts=windows.characters[offsets + found.starts[best], 0].astype(np.int64),
        ends=windows.characters[offsets + found.ends[best], 1].astype(np.int64),
        margins=np.clip(found.scores[best] - nulls[least], -_GREATEST_MARGIN, _GREATEST_MARGIN),
        probabilities=np.exp(found.scores[best] - log_total),
        null_probabilities=np.exp(nulls[least] - log_total),
    )


def _first_of(
    values: np.ndarray, firsts: np.ndarray, counts: np.ndarray, extreme: np.ufunc
) -> np.ndarray:
    """Return the place of the first greatest or least value of each group, int64."""
    reached = values == np.repeat(extreme.reduceat(values, firsts), counts)
    places = np.where(reached, np.arange(len(values)), len(values))
    found: np.ndarray = np.minimum.reduceat(places, firsts)
    return found


def choose_threshold(
    margins: np.ndarray, answered_f1: np.ndarray, unanswered_f1: np.ndarray
) -> float:
    """Return the margin above which answering is best, judged by the mean F1.

    It lies between two margins, or outside of all where all or none are best answered; of equally
    good ones the lowest is taken, which answers most.

    Args:
        margins: Of each question, finite.
        answered_f1: F1 of its span.
        unanswered_f1: F1 of no answer.
    """
    order = np.argsort(-margins, kind="stable")
    ranked = margins[order]
    gains = np.concatenate(([0.0], np.cumsum((answered_f1 - unanswered_f1)[order])))
    # Questions of the same margin are answered together or not at all.
    possible = np.concatenate(([True], ranked[1:] != ranked[:-1], [True]))
    gains = np.where(possible, gains, -np.inf)
    answered = len(gains) - 1 - int(gains[::-1].argmax())
    if answered == 0:
        return float(ranked[0]) + 1.0
    if answered == len(ranked):
        return float(ranked[-1]) - 1.0
    return float(ranked[answered - 1] + ranked[answered]) / 2
