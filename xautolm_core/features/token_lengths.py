"""Token lengths of a task's texts, which decide the time and memory of a trial."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

WORDS = "words"
TRUNCATION_LENGTHS = (128, 256, 512)
TOKEN_UNITS: Mapping[str, str] = MappingProxyType(
    {
        "tokens_mean": "tokens",
        "tokens_p50": "tokens",
        "tokens_p90": "tokens",
        "tokens_p99": "tokens",
        "truncation_rate_128": "1",
        "truncation_rate_256": "1",
        "truncation_rate_512": "1",
        "tokens_per_word": "tokens/word",
        "tokens_per_word_mean": "tokens/word",
        "unknown_token_rate": "1",
    }
)
# Longer texts are tokenised up to here and their length is extrapolated.
_MAX_CHARACTERS = 20_000
_MAX_SAMPLE_CHARACTERS = 6_000_000
_OTHER_ROWS = 1_000
_MAX_TOKENIZERS = 16
_MIN_ROWS = 100


@dataclass(frozen=True)
class TokenLengths:
    """Lengths in tokens, special tokens included.

    Attributes:
        tokenizer: Model whose tokenizer measured them; ``words`` if there was none.
        mean: Mean tokens a row.
        quantiles: Quantile in percent to tokens, for 50, 90 and 99.
        truncation_rates: Length to the share of rows that are longer.
        tokens_per_word: Tokens over words, special tokens left out.
        tokens_per_word_mean: Mean of that over all tokenizers.
        unknown_rate: Share of unknown tokens.
        rows: Rows that were tokenised.
        skipped: Models whose tokenizer could not be read.
    """

    tokenizer: str
    mean: float
    quantiles: Mapping[int, float]
    truncation_rates: Mapping[int, float]
    tokens_per_word: float
    tokens_per_word_mean: float
    unknown_rate: float | None
    rows: int
    skipped: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Count:
    """Tokens of each row without special tokens, with the tokenizer's statistics."""

    tokens: np.ndarray
    special: int
    tokens_per_word: float
    unknown_rate: float | None


def token_features(
    texts: Sequence[str],
    pairs: Sequence[str] | None,
    tokenizers: Mapping[str, Path],
    facts: dict[str, str],
) -> dict[str, float | None]:
    """Return the features of ``TOKEN_UNITS``; note in the facts which tokenizer measured them.

    Args:
        texts: As in ``measure_token_lengths``, and so are the next two.
        pairs: Likewise.
        tokenizers: Likewise.
        facts: Facts of the features, to which those of the tokens are added.
    """
    lengths = measure_token_lengths(texts, pairs, tokenizers)
    facts["tokenizer"] = lengths.tokenizer
    facts["token_rows"] = str(lengths.rows)
    if lengths.skipped:
        facts["skipped_tokenizers"] = ", ".join(lengths.skipped)
    features: dict[str, float | None] = {
        "tokens_mean": lengths.mean,
        "tokens_per_word": lengths.tokens_per_word,
        "tokens_per_word_mean": lengths.tokens_per_word_mean,
        "unknown_token_rate": lengths.unknown_rate,
    }
    features.update({f"tokens_p{q}": value for q, value in lengths.quantiles.items()})
    for length in TRUNCATION_LENGTHS:
        features[f"truncation_rate_{length}"] = lengths.truncation_rates[length]
    return features


def measure_token_lengths(
    texts: Sequence[str], pairs: Sequence[str] | None, tokenizers: Mapping[str, Path]
) -> TokenLengths:
    """Measure a sample of rows with the first tokenizer, and all tokenizers' tokens per word.

    Args:
        texts: Texts of the sample, in random order.
        pairs: Their second texts, or None.
        tokenizers: Model id to its ``tokenizer.json``; without any, words are counted.
    """
    rows = _affordable_rows(texts, pairs)
    texts = texts[:rows]
    pairs = pairs[:rows] if pairs is not None else None
    skipped: list[str] = []
    counts: dict[str, _Count] = {}
    for model, path in list(tokenizers.items())[:_MAX_TOKENIZERS]:
        tokenizer = _open(path)
        if tokenizer is None:
            skipped.append(model)
            continue
        limit = rows if not counts else min(rows, _OTHER_ROWS)
        counts[model] = _count(tokenizer, texts[:limit], pairs[:limit] if pairs else None)
    if not counts:
        counts[WORDS] = _count_words(texts, pairs)
    name, first = next(iter(counts.items()))
    lengths = first.tokens + first.special
    return TokenLengths(
        tokenizer=name,
        mean=float(lengths.mean()),
        quantiles={q: float(np.percentile(lengths, q)) for q in (50, 90, 99)},
        truncation_rates={n: float((lengths > n).mean()) for n in TRUNCATION_LENGTHS},
        tokens_per_word=first.tokens_per_word,
        tokens_per_word_mean=float(np.mean([c.tokens_per_word for c in counts.values()])),
        unknown_rate=first.unknown_rate,
        rows=len(texts),
        skipped=tuple(skipped),
    )


def _affordable_rows(texts: Sequence[str], pairs: Sequence[str] | None) -> int:
    """Return how many rows of the sample keep tokenisation within its budget of characters."""
    characters = sum(min(len(t), _MAX_CHARACTERS) for t in texts)
    characters += sum(min(len(t), _MAX_CHARACTERS) for t in pairs or ())
    if characters <= _MAX_SAMPLE_CHARACTERS:
        return len(texts)
    return max(_MIN_ROWS, int(len(texts) * _MAX_SAMPLE_CHARACTERS / characters))


def _open(path: Path) -> Any:
    """Load a tokenizer without truncation and padding; None if the file is not a tokenizer."""
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception:  # noqa: BLE001 - the library raises bare Exception for any fault
        return None
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _count(tokenizer: Any, texts: Sequence[str], pairs: Sequence[str] | None) -> _Count:
    """Count tokens with a tokenizer."""
    tokens = np.zeros(len(texts))
    words = 0.0
    unknown_id = _unknown_id(tokenizer)
    unknown = 0
    for column in (texts, pairs):
        if column is None:
            continue
        clipped = [text[:_MAX_CHARACTERS] for text in column]
        encodings = tokenizer.encode_batch_fast(clipped, add_special_tokens=False)
        stretch = np.array([len(t) / max(len(c), 1) for t, c in zip(column, clipped, strict=True)])
        tokens += np.array([len(encoding) for encoding in encodings]) * stretch
        words += float(np.dot([len(text.split()) for text in clipped], stretch))
        if unknown_id is not None:
            unknown += sum(encoding.ids.count(unknown_id) for encoding in encodings)
    total = float(tokens.sum())
    return _Count(
        tokens=tokens,
        special=tokenizer.num_special_tokens_to_add(pairs is not None),
        tokens_per_word=total / max(words, 1.0),
        unknown_rate=unknown / max(total, 1.0) if unknown_id is not None else None,
    )


def _unknown_id(tokenizer: Any) -> int | None:
    """Return the id of the token for unknown words; None if the tokenizer needs none."""
    name = getattr(tokenizer.model, "unk_token", None)
    found: int | None = tokenizer.token_to_id(name) if isinstance(name, str) else None
    return found


def _count_words(texts: Sequence[str], pairs: Sequence[str] | None) -> _Count:
    """Count words where there is no tokenizer."""
    words = np.array([len(text.split()) for text in texts], dtype=np.float64)
    if pairs is not None:
        words += np.array([len(text.split()) for text in pairs])
    return _Count(tokens=words, special=0, tokens_per_word=1.0, unknown_rate=None)
