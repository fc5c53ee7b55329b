"""ROUGE-L: how much of one text stands in another in the same order, in words.

The F1 of the longest common subsequence (C.-Y. Lin, ROUGE: a package for automatic evaluation of
summaries, ACL workshop 2004), on words of the letters a to z and digits, without a stemmer: what
the package rouge-score gives by default.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_WORD = re.compile(r"[a-z0-9]+")


def rouge_words(text: str) -> list[str]:
    """Return the words of a text that ROUGE compares, in lower case."""
    return _WORD.findall(text.lower())


def rouge_l(text: str, accepted: str) -> float:
    """Return the ROUGE-L of a text and an accepted one, in [0, 1]; 0 if either has no word."""
    words, wanted = rouge_words(text), rouge_words(accepted)
    shared = longest_common_subsequence(words, wanted)
    return 2 * shared / (len(words) + len(wanted)) if shared else 0.0


def longest_common_subsequence(one: Sequence[str], other: Sequence[str]) -> int:
    """Return how many words two texts share in the same order, with others between them.

    The table of the usual algorithm is kept as the bits of a number, a row at a time (H. Hyyrö,
    Bit-parallel LCS-length computation revisited, AWOCA 2004).
    """
    places: dict[str, int] = {}
    for place, word in enumerate(other):
        places[word] = places.get(word, 0) | 1 << place
    every = (1 << len(other)) - 1
    open_places = every
    for word in one:
        matches = open_places & places.get(word, 0)
        open_places = (open_places + matches | open_places - matches) & every
    return len(other) - open_places.bit_count()
