"""Passages as words, sentences and the spans that may be answers, as arrays."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

LONGEST_SPAN = 8
"""Words of a candidate answer at most."""

# A word keeps points, hyphens and apostrophes within it; languages without blanks give a character
# each.
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]|\w+(?:[.,'\u2019\-]\w+)*")
_SENTENCE_END = re.compile(r"[.!?\u3002]|\n")
_BREAK = re.compile(r"[,;:()\[\]\"\u201c\u201d\u2013\u2014\u3001]")
# Words that begin alike count as the same: forms of one word differ at their end.
_KEY_CHARACTERS = 6
# A word in more than this share of the passages tells nothing of where an answer is.
_COMMON_SHARE = 0.2
_MOST_TERMS = 50_000
_BEST_SENTENCES = 30


def word_key(word: str) -> str:
    """Return what stands for a word and its other forms."""
    return word.lower()[:_KEY_CHARACTERS]


def keys_of(text: str) -> list[str]:
    """Return the keys of a text's words, in their order."""
    return [word_key(word) for word in _WORD.findall(text)]


@dataclass(frozen=True)
class Rarity:
    """How rare words are among the passages of a task.

    Attributes:
        terms: Keys of words, in the order of ``idf``.
        idf: Inverse document frequency of each, float32.
        unknown: That of all other words.
        common: Below it a word counts as common.
    """

    terms: tuple[str, ...]
    idf: np.ndarray
    unknown: float
    common: float

    @classmethod
    def of(cls, passages: Iterable[str]) -> Rarity:
        """Return the rarity of words in some passages, each of which counts once."""
        counts: Counter[str] = Counter()
        total = 0
        for passage in set(passages):
            total += 1
            counts.update(set(keys_of(passage)))
        kept = sorted(counts.items(), key=lambda one: (-one[1], one[0]))[:_MOST_TERMS]
        idf = np.log((1 + total) / (1 + np.array([count for _, count in kept], dtype=float)))
        return cls(
            terms=tuple(term for term, _ in kept),
            idf=(1 + idf).astype(np.float32),
            # Rounded as they are stored, so that a saved model answers as it did in its trial.
            unknown=float(np.float32(1 + np.log(1 + total))),
            common=float(np.float32(1 + np.log((1 + total) / (1 + _COMMON_SHARE * total)))),
        )

    @cached_property
    def _places(self) -> dict[str, int]:
        return {term: i for i, term in enumerate(self.terms)}

    def of_keys(self, keys: Sequence[str]) -> np.ndarray:
        """Return the rarity of each key, float32."""
        places = np.array([self._places.get(key, -1) for key in keys], dtype=np.int64)
        if not len(self.idf):
            return np.full(len(places), self.unknown, dtype=np.float32)
        found: np.ndarray = np.where(places >= 0, self.idf[places], np.float32(self.unknown))
        return found.astype(np.float32)


@dataclass(frozen=True)
class Passage:
    """A passage's words, one number or flag a word.

    Attributes:
        keys: Their keys.
        begins: First character, int64.
        ends: The character after the last one.
        sentences: Number of the sentence.
        breaks: Whether a comma or the like stands between the word and the next one.
        is_capital: Whether it begins with a capital.
        has_digit: Whether a digit is in it.
        is_year: Whether it is of four digits.
    """

    keys: tuple[str, ...]
    begins: np.ndarray
    ends: np.ndarray
    sentences: np.ndarray
    breaks: np.ndarray
    is_capital: np.ndarray
    has_digit: np.ndarray
    is_year: np.ndarray

    @classmethod
    def read(cls, text: str) -> Passage:
        """Return the passage of a text."""
        matches = list(_WORD.finditer(text))
        words = [match.group() for match in matches]
        begins = np.array([match.start() for match in matches], dtype=np.int64)
        ends = np.array([match.end() for match in matches], dtype=np.int64)
        gaps = [text[a:b] for a, b in zip(ends[:-1], begins[1:], strict=True)]
        stops = np.array([bool(_SENTENCE_END.search(gap)) for gap in gaps], dtype=np.int64)
        return cls(
            keys=tuple(word_key(word) for word in words),
            begins=begins,
            ends=ends,
            sentences=np.concatenate((np.zeros(min(len(words), 1), np.int64), np.cumsum(stops))),
            breaks=np.array([*(bool(_BREAK.search(gap)) for gap in gaps), True][: len(words)]),
            is_capital=np.array([word[0].isupper() for word in words], dtype=bool),
            has_digit=np.array([any(map(str.isdigit, word)) for word in words], dtype=bool),
            is_year=np.array([len(word) == 4 and word.isdigit() for word in words], dtype=bool),
        )

    def __len__(self) -> int:
        """Return the number of words."""
        return len(self.keys)

    def spans(self, interest: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return first and last words of all spans within the most interesting sentences.

        Args:
            interest: Of each sentence.
        """
        best = np.zeros(len(interest), dtype=bool)
        best[np.argsort(-interest, kind="stable")[:_BEST_SENTENCES]] = True
        firsts, lasts = [], []
        for more in range(min(LONGEST_SPAN, len(self))):
            first = np.arange(len(self) - more)
            fits = self.sentences[first] == self.sentences[first + more]
            fits &= best[self.sentences[first]]
            firsts.append(first[fits])
            lasts.append(first[fits] + more)
        if not firsts:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        return np.concatenate(firsts), np.concatenate(lasts)
