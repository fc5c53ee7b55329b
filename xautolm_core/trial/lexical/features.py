"""Numbers that tell whether a span of a passage answers a question."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from xautolm_core.trial.lexical.passages import LONGEST_SPAN
from xautolm_core.trial.lexical.passages import Passage
from xautolm_core.trial.lexical.passages import Rarity
from xautolm_core.trial.lexical.passages import keys_of

_PLAIN = 17
_SPAN_KINDS = 5
_MOST_QUESTION_KINDS = 24
_LEAST_SHARE = 0.005
# Question words further away than that do not make a span likelier.
_NEAR_WORDS = 15


@dataclass(frozen=True)
class SpanFeatures:
    """The spans of a passage as rows of numbers.

    Attributes:
        begins: First character of each span, int64.
        ends: The character after its last one.
        values: float32, (spans, columns).
    """

    begins: np.ndarray
    ends: np.ndarray
    values: np.ndarray


def question_kinds(questions: Sequence[str]) -> tuple[str, ...]:
    """Return how questions commonly begin: by one word or two, the most frequent ones first."""
    counts: Counter[str] = Counter()
    for question in questions:
        keys = keys_of(question)[:2]
        counts.update(" ".join(keys[: i + 1]) for i in range(len(keys)))
    least = _LEAST_SHARE * len(questions)
    ranked = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    return tuple(kind for kind, count in ranked[:_MOST_QUESTION_KINDS] if count >= least)


class FeatureMaker:
    """Makes the features of the spans of passages.

    Args:
        rarity: Of words.
        kinds: How questions begin.
    """

    def __init__(self, rarity: Rarity, kinds: Sequence[str]) -> None:
        self.rarity = rarity
        self.kinds = tuple(kinds)
        self._place = {kind: i for i, kind in enumerate(self.kinds)}

    @property
    def columns(self) -> int:
        """Number of features."""
        return _PLAIN + LONGEST_SPAN + _SPAN_KINDS * (1 + len(self.kinds))

    def spans(self, question: str, passage: Passage) -> SpanFeatures:
        """Return the spans of a passage with their features for a question."""
        keys = keys_of(question)
        asked = {
            key: float(value)
            for key, value in zip(keys, self.rarity.of_keys(keys), strict=True)
            if value > self.rarity.common
        }
        total = max(sum(asked.values()), 1e-6)
        weight = np.array([asked.get(key, 0.0) / total for key in passage.keys])
        overlap = _overlaps(passage, asked, total)
        first, last = passage.spans(overlap)
        values = np.zeros((len(first), self.columns), dtype=np.float32)
        if len(first):
            self._fill(values, passage, weight, overlap, (first, last))
            self._fill_kinds(values, passage, keys, first, last)
        return SpanFeatures(passage.begins[first], passage.ends[last], values)

    def _fill(
        self,
        values: np.ndarray,
        passage: Passage,
        weight: np.ndarray,
        overlap: np.ndarray,
        spans: tuple[np.ndarray, np.ndarray],
    ) -> None:
        """Fill in what does not depend on the kind of question."""
        first, last = spans
        rarity = self.rarity.of_keys(passage.keys)
        is_common = rarity <= self.rarity.common
        length = last - first + 1
        sentence = passage.sentences[first]
        before = np.concatenate(([0.0], overlap[:-1]))
        after = np.concatenate((overlap[1:], [0.0]))
        is_first = np.concatenate(([True], passage.sentences[1:] != passage.sentences[:-1]))
        is_last = np.concatenate((is_first[1:], [True]))
        opens = np.concatenate(([True], passage.breaks[:-1]))
        left = _nearness(weight, passage.sentences)
        right = _nearness(weight[::-1], passage.sentences[::-1])[::-1]
        plain = (
            overlap[sentence],
            overlap[sentence] - overlap.max(),
            before[sentence],
            after[sentence],
            left[first],
            right[last],
            np.maximum(left[first], right[last]),
            _within(weight, first, last),
            _within(weight > 0, first, last) > 0,
            _within(rarity, first, last) / length,
            is_common[first],
            is_common[last],
            _within(is_common, first, last) / length,
            _within(passage.breaks, first, last - 1),
            opens[first],
            passage.breaks[last] | is_last[last],
            is_first[first],
        )
        for column, numbers in enumerate(plain):
            values[:, column] = numbers
        values[np.arange(len(first)), _PLAIN + length - 1] = 1.0

    def _fill_kinds(
        self,
        values: np.ndarray,
        passage: Passage,
        keys: Sequence[str],
        first: np.ndarray,
        last: np.ndarray,
    ) -> None:
        """Fill in which kind of span answers which kind of question."""
        length = last - first + 1
        capitals = _within(passage.is_capital, first, last)
        kinds = (
            capitals == length,
            passage.is_capital[first] & passage.is_capital[last],
            _within(passage.has_digit, first, last) > 0,
            _within(passage.is_year, first, last) > 0,
            length / LONGEST_SPAN,
        )
        beginnings = (" ".join(keys[:2]), " ".join(keys[:1]))
        asked = next((self._place[one] for one in beginnings if one in self._place), None)
        start = _PLAIN + LONGEST_SPAN
        blocks = (0,) if asked is None else (0, 1 + asked)
        for block in blocks:
            for i, numbers in enumerate(kinds):
                values[:, start + block * _SPAN_KINDS + i] = numbers


def _overlaps(passage: Passage, asked: dict[str, float], total: float) -> np.ndarray:
    """Return the share of the question's words, by rarity, that each sentence has."""
    count = int(passage.sentences[-1]) + 1 if len(passage) else 0
    found = np.zeros(count)
    seen: set[tuple[int, str]] = set()
    for key, sentence in zip(passage.keys, passage.sentences.tolist(), strict=True):
        if key in asked and (sentence, key) not in seen:
            seen.add((sentence, key))
            found[sentence] += asked[key] / total
    return found


def _nearness(weight: np.ndarray, sentences: np.ndarray) -> np.ndarray:
    """Return how much of the question stands before each word of a sentence, near words more."""
    found = np.zeros(len(weight))
    for away in range(1, min(_NEAR_WORDS, len(weight) - 1) + 1):
        same = sentences[away:] == sentences[:-away]
        found[away:] += same * weight[:-away] / away
    return found


def _within(numbers: np.ndarray, first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Return the sum of a word's number over each span; none of a span that ends before it."""
    sums = np.concatenate(([0.0], np.cumsum(numbers, dtype=np.float64)))
    found: np.ndarray = sums[last + 1] - sums[first]
    return found
