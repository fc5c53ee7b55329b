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


def grouped_partition(
    labels: np.ndarray, groups: np.ndarray, sizes: Sequence[int], seed: int
) -> list[np.ndarray]:
    """Divide the rows as ``stratified_partition`` does, the rows of each group staying together.

    A group counts for the rarest class among its rows. A class has a group in every part where it
    has groups enough; it has rows in the rest in any case. Sizes are met as nearly as whole groups
    allow: a class exceeds its share of a part by less than its lightest group that is left.

    Args:
        labels: Class index of each row.
        groups: A number for each row, the same for rows that belong together. Where no two rows do,
            the parts are those of ``stratified_partition``.
        sizes: Rows of each part.
        seed: Seed of the shuffle.

    Returns:
        One array of sorted row indices for each part, then the rest.
    """
    members, group = np.unique(np.asarray(groups), return_inverse=True)
    if len(members) == len(labels):
        return stratified_partition(labels, sizes, seed)
    present, encoded = np.unique(np.asarray(labels), return_inverse=True)
    weights = np.bincount(group)
    class_of_group = _rarest_class(encoded, group)
    rows_of_class = np.bincount(class_of_group, weights=weights, minlength=len(present))
    generator = np.random.Generator(np.random.PCG64(seed))
    order = np.argsort(class_of_group, kind="stable")
    cuts = np.cumsum(np.bincount(class_of_group, minlength=len(present)))[:-1]
    left = [generator.permutation(part) for part in np.split(order, cuts)]
    side = np.full(len(members), len(sizes))
    for position, size in enumerate(sizes):
        # As in stratified_partition: one group stays in the rest, and one for each later part.
        free = np.array([len(of_class) - 1 for of_class in left])
        later_parts = len(sizes) - position - 1
        most = np.maximum(np.minimum(free, np.maximum(free - later_parts, 1)), 0)
        heaviest = [np.sort(weights[of_class])[::-1] for of_class in left]
        allowed = np.array([int(w[:n].sum()) for w, n in zip(heaviest, most, strict=True)])
        share = _allocate(rows_of_class, allowed, size)
        for index, of_class in enumerate(left):
            chosen = _choose(weights[of_class], int(share[index]), int(most[index]))
            side[of_class[chosen]] = position
            left[index] = of_class[~chosen]
    _keep_every_class(side, group, encoded, weights, rest=len(sizes))
    return [np.flatnonzero(side[group] == part) for part in range(len(sizes) + 1)]


def _rarest_class(encoded: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Return the class of each group that has the fewest rows in all."""
    by_rows = np.argsort(np.bincount(encoded), kind="stable")
    rank = np.empty_like(by_rows)
    rank[by_rows] = np.arange(len(by_rows))
    lowest = np.full(int(group.max()) + 1, len(by_rows))
    np.minimum.at(lowest, group, rank[encoded])
    rarest: np.ndarray = by_rows[lowest]
    return rarest


def _choose(weights: np.ndarray, wanted: int, most: int) -> np.ndarray:
    """Choose groups, the first ones that fit, that together weigh about as much as is wanted.

    Args:
        weights: Rows of each group, in random order.
        wanted: Rows.
        most: No more groups than this; if both are above 0, at least one is chosen.
    """
    chosen = np.zeros(len(weights), dtype=bool)
    missing, groups = wanted, 0
    if wanted <= 0 or most <= 0:
        return chosen
    for place, weight in enumerate(weights.tolist()):
        if weight <= missing:
            chosen[place] = True
            missing -= weight
            groups += 1
            if missing == 0 or groups == most:
                return chosen
    open_places = np.flatnonzero(~chosen)
    if len(open_places):
        lightest = open_places[np.argmin(weights[open_places])]
        # Each that is left exceeds what is missing: take one if that comes nearer.
        if groups == 0 or weights[lightest] - missing < missing:
            chosen[lightest] = True
    return chosen


def _keep_every_class(
    side: np.ndarray, group: np.ndarray, encoded: np.ndarray, weights: np.ndarray, *, rest: int
) -> None:
    """Move the lightest group of each class that has no row in the rest to the rest."""
    classes = int(encoded.max()) + 1
    in_rest = np.bincount(encoded[side[group] == rest], minlength=classes)
    for index in np.flatnonzero(in_rest == 0):
        own = np.unique(group[encoded == index])
        if not (side[own] == rest).any():
            side[own[np.argmin(weights[own])]] = rest


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
