"""Which rows go together: stratified over an epoch, of like length within a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from xautolm_core.trial.encoding import TokenizerTraits
from xautolm_core.trial.tokens import Tokens

# Number of batches sorted by length together. More saves no padding worth having, fewer keeps the
# batches more random (the value of transformers' LengthGroupedSampler).
MEGA_BATCHES = 50


def stratified_order(labels: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Return a random order of rows whose every prefix has about the classes' shares.

    Args:
        labels: Class of each row.
        generator: Source of chance.

    Returns:
        Positions into ``labels``, int64.
    """
    position = np.empty(len(labels))
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        places = (np.arange(len(rows)) + generator.random(len(rows))) / len(rows)
        position[generator.permutation(rows)] = places
    return np.argsort(position, kind="stable")


def epoch_batches(
    lengths: np.ndarray,
    labels: np.ndarray,
    batch_size: int,
    generator: np.random.Generator,
    *,
    longest_first: bool = False,
) -> list[np.ndarray]:
    """Return the batches of one epoch; every row is in exactly one of them.

    Rows are brought into a stratified order and cut into mega-batches; each of these is sorted by
    length, cut into batches, and the batches are shuffled. So a batch needs little padding and a
    part of an epoch is a stratified sample.

    Args:
        lengths: Tokens of each row.
        labels: Class of each row.
        batch_size: Rows of a batch; the last one may have fewer.
        generator: Source of chance.
        longest_first: Put the batch with the longest rows first, so that lack of memory shows at
            once.

    Returns:
        Positions into ``lengths``, a batch an array.
    """
    order = stratified_order(labels, generator)
    batches: list[np.ndarray] = []
    mega = batch_size * MEGA_BATCHES
    for start in range(0, len(order), mega):
        group = order[start : start + mega]
        group = group[np.argsort(lengths[group], kind="stable")]
        cut = [group[i : i + batch_size] for i in range(0, len(group), batch_size)]
        batches.extend(cut[i] for i in generator.permutation(len(cut)))
    if longest_first and batches:
        costs = [padded_tokens(lengths, batch) for batch in batches]
        batches.insert(0, batches.pop(int(np.argmax(costs))))
    return batches


def evaluation_batches(
    lengths: np.ndarray, *, max_tokens: int, max_rows: int = 256
) -> list[np.ndarray]:
    """Return batches for inference: rows sorted by length, longest first, few padded tokens each.

    Args:
        lengths: Tokens of each row.
        max_tokens: No batch has more padded tokens (but one row at least).
        max_rows: No batch has more rows; 1 or more.

    Raises:
        ValueError: ``max_rows`` is below 1.
    """
    if max_rows < 1:
        raise ValueError(f"max_rows: {max_rows} is below 1")
    order = np.argsort(-lengths, kind="stable")
    batches: list[np.ndarray] = []
    start = 0
    while start < len(order):
        longest = max(int(lengths[order[start]]), 1)
        rows = min(max(max_tokens // longest, 1), max_rows)
        batches.append(order[start : start + rows])
        start += rows
    return batches


def padded_tokens(lengths: np.ndarray, batch: np.ndarray) -> int:
    """Return the tokens of a batch, padding included."""
    return int(lengths[batch].max()) * len(batch)


@dataclass(frozen=True)
class TokenBatch:
    """A batch as arrays of shape (rows, longest row).

    Attributes:
        ids: Token ids, int64.
        mask: 1 where a token is, 0 where padding is, int64.
        types: Segment ids, int64, or None where the model takes none.
    """

    ids: np.ndarray
    mask: np.ndarray
    types: np.ndarray | None


def assemble(
    tokens: Tokens, rows: np.ndarray | Sequence[int], traits: TokenizerTraits
) -> TokenBatch:
    """Return the padded batch of some rows, without a loop over them."""
    chosen = np.asarray(rows, dtype=np.int64)
    starts = tokens.offsets[chosen]
    lengths = tokens.offsets[chosen + 1] - starts
    longest = max(int(lengths.max()), 1)
    columns = np.arange(longest)
    if traits.padding_side == "left":
        columns = columns - (longest - lengths)[:, None]
        present = columns >= 0
    else:
        present = columns < lengths[:, None]
    places = np.where(present, starts[:, None] + columns, 0)
    ids = np.where(present, tokens.ids[places], traits.pad_id).astype(np.int64)
    types = None
    if traits.uses_types:
        if tokens.types is None:
            types = np.zeros_like(ids)
        else:
            types = np.where(present, tokens.types[places], 0).astype(np.int64)
    mask = present.astype(np.int64)
    # A row without any token is attended to as well: the softmax of nothing is NaN.
    mask[lengths == 0, -1 if traits.padding_side == "left" else 0] = 1
    return TokenBatch(ids, mask, types)
