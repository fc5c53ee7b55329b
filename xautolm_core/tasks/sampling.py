"""Seeded, stratified choice of rows: samples and held-out splits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def stratified_sample(labels: np.ndarray, size: int, seed: int) -> np.ndarray:
    """Draw rows so that the classes keep their shares.

    Shares are rounded by the largest remainder. Every class keeps at least one row where ``size``
    allows it.

    Args:
        labels: Class index of each row.
        size: Rows to draw; all rows if there are no more than that.
        seed: The same seed and labels give the same rows, in any process.

    Returns:
        Sorted row indices, int64.
    """
    if size < 0:
        raise ValueError(f"size must not be negative, is {size}")
    if size >= len(labels):
        return np.arange(len(labels), dtype=np.int64)
    return stratified_partition(labels, [size], seed, keep_one=0)[0]


def stratified_partition(
    labels: np.ndarray, sizes: Sequence[int], seed: int, *, keep_one: int = 1
) -> list[np.ndarray]:
    """Divide the rows into disjoint stratified parts and a rest.

    Every class has a row in every part where it has rows enough; a class that is too small for
    that goes to the rest first (if ``keep_one`` is 1), then to the parts in their order.

    Args:
        labels: Class index of each row.
        sizes: Rows of each part; a part gets fewer where the classes have no more to give.
        seed: Seed of the shuffle.
        keep_one: Rows of each class that stay in the rest before any part gets one.

    Returns:
        One array of sorted row indices for each part, then the rest.
    """
    present, encoded = np.unique(np.asarray(labels), return_inverse=True)
    free = np.bincount(encoded, minlength=len(present)) - keep_one
    taken: list[np.ndarray] = []
    for position, size in enumerate(sizes):
        later_parts = len(sizes) - position - 1
        # What later parts need for their one row of each class is out of reach for this one.
        allowed = np.maximum(np.minimum(free, np.maximum(free - later_parts, 1)), 0)
        taken.append(_allocate(np.bincount(encoded, minlength=len(present)), allowed, size))
        free = free - taken[-1]
    return _deal(encoded, len(present), taken, seed)


def _allocate(counts: np.ndarray, allowed: np.ndarray, size: int) -> np.ndarray:
    """Share ``size`` rows among classes in proportion to ``counts``, at most ``allowed`` each."""
    size = min(size, int(allowed.sum()))
    ideal = size * counts / max(int(counts.sum()), 1)
    share: np.ndarray = np.minimum(np.floor(ideal).astype(np.int64), allowed)
    can_have_one = allowed > 0
    if size >= int(can_have_one.sum()):
        share = np.maximum(share, can_have_one.astype(np.int64))
    _give_back(share, ideal, size)
    while (missing := size - int(share.sum())) > 0:
        open_classes = np.flatnonzero(share < allowed)
        order = np.argsort(-(ideal - share)[open_classes], kind="stable")
        share[open_classes[order[:missing]]] += 1
    return share


def _give_back(share: np.ndarray, ideal: np.ndarray, size: int) -> None:
    """Take rows from the classes furthest above their ideal until no more than ``size`` are out."""
    while int(share.sum()) > size:
        surplus = np.where(share > 1, share - ideal, -np.inf)
        share[int(np.argmax(surplus))] -= 1


def _deal(
    encoded: np.ndarray, classes: int, taken: Sequence[np.ndarray], seed: int
) -> list[np.ndarray]:
    """Shuffle the rows of each class and deal them out to the parts, what is left to the rest."""
    generator = np.random.Generator(np.random.PCG64(seed))
    order = np.argsort(encoded, kind="stable")
    rows_of_class = np.split(order, np.cumsum(np.bincount(encoded, minlength=classes))[:-1])
    parts: list[list[np.ndarray]] = [[] for _ in range(len(taken) + 1)]
    for index, rows in enumerate(rows_of_class):
        cuts = np.cumsum([part[index] for part in taken])
        for part, piece in zip(parts, np.split(generator.permutation(rows), cuts), strict=True):
            part.append(piece)
    return [np.sort(np.concatenate(part)).astype(np.int64) for part in parts]
