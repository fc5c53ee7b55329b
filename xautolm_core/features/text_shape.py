"""The style of a task's texts: lengths, words, digits, links, repetition."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_WORD = re.compile(r"\w+")
_URL = re.compile(r"https?://|\bwww\.", re.IGNORECASE)
_EMOJI = re.compile("[\U0001f300-\U0001faff\u2600-\u27bf]")
_DIGIT = re.compile(r"\d")
# A text this long says enough of its style.
_MAX_CHARACTERS = 20_000
_SHINGLE_WORDS = 3
_BANDS, _BAND_ROWS = 8, 4
_NEAR = 0.8
_PRIME = (1 << 31) - 1


@dataclass(frozen=True)
class TextShape:
    """Statistics of a sample of texts.

    Attributes:
        mean_words: Mean number of words a text.
        vocabulary_size: Different words of the sample, case ignored.
        type_token_ratio: Different words over all words.
        digit_rate: Share of the characters that are digits.
        url_rate: Share of the texts with a link.
        emoji_rate: Share of the texts with an emoji.
        near_duplicate_rate: Share of the texts that an earlier one nearly equals.
    """

    mean_words: float
    vocabulary_size: float
    type_token_ratio: float
    digit_rate: float
    url_rate: float
    emoji_rate: float
    near_duplicate_rate: float


def describe_texts(documents: Sequence[str]) -> TextShape:
    """Describe a sample of texts (at least one); of each the first 20,000 characters count."""
    clipped = [document[:_MAX_CHARACTERS] for document in documents]
    words = [_WORD.findall(document.lower()) for document in clipped]
    total_words = sum(map(len, words))
    vocabulary = {word for text in words for word in text}
    characters = sum(map(len, clipped))
    rows = len(clipped)
    return TextShape(
        mean_words=total_words / rows,
        vocabulary_size=float(len(vocabulary)),
        type_token_ratio=len(vocabulary) / max(total_words, 1),
        digit_rate=sum(len(_DIGIT.findall(text)) for text in clipped) / max(characters, 1),
        url_rate=sum(_URL.search(text) is not None for text in clipped) / rows,
        emoji_rate=sum(_EMOJI.search(text) is not None for text in clipped) / rows,
        near_duplicate_rate=near_duplicate_rate(words),
    )


def near_duplicate_rate(texts: Sequence[Sequence[str]]) -> float:
    """Return the share of texts whose word triples mostly occur in an earlier text.

    Candidates come from MinHash signatures (Broder 1997) cut into bands; a candidate counts if the
    Jaccard similarity of the triples is at least 0.8.

    Args:
        texts: The words of each text, in order; texts without words are left out of the count of
            duplicates.
    """
    shingles = [_shingles(words) for words in texts]
    filled = [row for row, hashes in enumerate(shingles) if len(hashes)]
    if not filled:
        return 0.0
    signatures = _signatures([shingles[row] for row in filled])
    first_of_bucket: dict[tuple[int, bytes], int] = {}
    near = 0
    for position, row in enumerate(filled):
        is_near = False
        for band in range(_BANDS):
            part = signatures[position, band * _BAND_ROWS : (band + 1) * _BAND_ROWS]
            earlier = first_of_bucket.setdefault((band, part.tobytes()), row)
            if earlier != row and not is_near:
                is_near = _jaccard(shingles[row], shingles[earlier]) >= _NEAR
        near += is_near
    return near / len(texts)


def _shingles(words: Sequence[str]) -> np.ndarray:
    """Return the sorted, unique hashes of a text's word triples (of all its words if shorter)."""
    if not words:
        return np.empty(0, dtype=np.int64)
    hashes = np.array([zlib.crc32(word.encode()) for word in words], dtype=np.int64) % _PRIME
    if len(hashes) >= _SHINGLE_WORDS:
        hashes = (
            hashes[:-2] * 1_000_003 % _PRIME + hashes[1:-1] * 8_191 % _PRIME + hashes[2:]
        ) % _PRIME
    else:
        hashes = np.array([int(np.dot(hashes, np.arange(1, len(hashes) + 1)) % _PRIME)])
    return np.unique(hashes)


def _signatures(shingles: Sequence[np.ndarray]) -> np.ndarray:
    """Return one row of MinHash values for each set of shingles."""
    generator = np.random.Generator(np.random.PCG64(0))
    size = _BANDS * _BAND_ROWS
    factors = generator.integers(1, _PRIME, size)
    offsets = generator.integers(0, _PRIME, size)
    flat = np.concatenate(shingles)
    starts = np.concatenate(([0], np.cumsum([len(s) for s in shingles])[:-1]))
    columns = [
        np.minimum.reduceat((flat * factor + offset) % _PRIME, starts)
        for factor, offset in zip(factors, offsets, strict=True)
    ]
    return np.ascontiguousarray(np.stack(columns, axis=1))


def _jaccard(one: np.ndarray, other: np.ndarray) -> float:
    """Return the Jaccard similarity of two sorted sets."""
    common = len(np.intersect1d(one, other, assume_unique=True))
    return common / (len(one) + len(other) - common)
