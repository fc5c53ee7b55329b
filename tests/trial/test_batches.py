from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from xautolm_core.trial.batches import assemble
from xautolm_core.trial.batches import epoch_batches
from xautolm_core.trial.batches import evaluation_batches
from xautolm_core.trial.batches import padded_tokens
from xautolm_core.trial.batches import stratified_order
from xautolm_core.trial.encoding import TokenizerTraits
from xautolm_core.trial.tokens import Tokens

ROWS = st.lists(st.tuples(st.integers(1, 60), st.integers(0, 3)), min_size=1, max_size=300)


def _columns(rows: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([r[0] for r in rows]), np.array([r[1] for r in rows])


@given(rows=ROWS, size=st.integers(1, 40), seed=st.integers(0, 9), longest=st.booleans())
def test_every_row_is_in_exactly_one_batch(
    rows: list[tuple[int, int]], size: int, seed: int, longest: bool
) -> None:
    lengths, labels = _columns(rows)
    batches = epoch_batches(
        lengths, labels, size, np.random.default_rng(seed), longest_first=longest
    )
    assert sorted(np.concatenate(batches)) == list(range(len(rows)))
    assert all(0 < len(batch) <= size for batch in batches)
    assert len(batches) == -(-len(rows) // size) or len(rows) > size * 50
    if longest:
        costs = [padded_tokens(lengths, batch) for batch in batches]
        assert costs[0] == max(costs)


@given(rows=ROWS, seed=st.integers(0, 9))
def test_same_seed_same_batches(rows: list[tuple[int, int]], seed: int) -> None:
    lengths, labels = _columns(rows)
    first, second = (
        epoch_batches(lengths, labels, 8, np.random.default_rng(seed)) for _ in range(2)
    )
    assert all((a == b).all() for a, b in zip(first, second, strict=True))


@given(rows=ROWS, seed=st.integers(0, 9))
def test_every_prefix_has_the_classes_shares(rows: list[tuple[int, int]], seed: int) -> None:
    _, labels = _columns(rows)
    ordered = labels[stratified_order(labels, np.random.default_rng(seed))]
    for label in np.unique(labels):
        share = (labels == label).mean()
        seen = np.cumsum(ordered == label)
        expected = share * np.arange(1, len(labels) + 1)
        # A class is never further ahead or behind than one row for each class.
        assert np.abs(seen - expected).max() <= len(np.unique(labels)) + 1


def test_batches_of_an_epoch_differ_and_are_not_sorted() -> None:
    lengths = np.random.default_rng(0).integers(3, 90, 800)
    labels = np.zeros(800, dtype=int)
    generator = np.random.default_rng(1)
    first = epoch_batches(lengths, labels, 16, generator)
    second = epoch_batches(lengths, labels, 16, generator)
    assert any(set(a) != set(b) for a, b in zip(first, second, strict=True))
    means = [lengths[batch].mean() for batch in first]
    assert means != sorted(means)


def test_bucketing_saves_most_of_the_padding() -> None:
    lengths = np.random.default_rng(0).geometric(0.1, 1_600)
    labels = np.zeros(1_600, dtype=int)
    batches = epoch_batches(lengths, labels, 16, np.random.default_rng(0))
    padded = sum(padded_tokens(lengths, batch) for batch in batches)
    plain = sum(padded_tokens(lengths, np.arange(i, i + 16)) for i in range(0, len(lengths), 16))
    assert padded < 1.1 * lengths.sum()
    assert plain > 2 * lengths.sum()


@given(
    lengths=st.lists(st.integers(0, 700), min_size=1, max_size=200),
    tokens=st.integers(1, 4_000),
    most=st.integers(1, 64),
)
def test_evaluation_batches_cover_all_within_the_limit(
    lengths: list[int], tokens: int, most: int
) -> None:
    array = np.array(lengths)
    batches = evaluation_batches(array, max_tokens=tokens, max_rows=most)
    assert sorted(np.concatenate(batches)) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) <= most
        assert len(batch) == 1 or padded_tokens(array, batch) <= tokens


def test_batches_without_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="max_rows: 0"):
        evaluation_batches(np.array([3, 4]), max_tokens=100, max_rows=0)


@settings(max_examples=50)
@given(
    data=st.data(),
    lengths=st.lists(st.integers(0, 12), min_size=1, max_size=30),
    left=st.booleans(),
)
def test_assembly_equals_padding_row_by_row(
    data: st.DataObject, lengths: list[int], left: bool
) -> None:
    if sum(lengths) == 0:
        lengths = [*lengths, 1]
    generator = np.random.default_rng(len(lengths))
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    ids = generator.integers(10, 99, offsets[-1]).astype(np.uint16)
    types = generator.integers(0, 2, offsets[-1]).astype(np.uint8)
    traits = TokenizerTraits(
        pad_id=7,
        padding_side="left" if left else "right",
        uses_types=True,
        vocabulary=100,
        special_ids={},
    )
    rows = data.draw(st.lists(st.integers(0, len(lengths) - 1), min_size=1, max_size=8))
    batch = assemble(Tokens(ids, offsets, types, "k"), np.array(rows), traits)
    width = max(1, *(lengths[row] for row in rows))
    assert batch.types is not None
    for place, row in enumerate(rows):
        own = list(ids[offsets[row] : offsets[row + 1]])
        own_types = list(types[offsets[row] : offsets[row + 1]])
        gap = width - len(own)
        expected = [7] * gap + own if left else own + [7] * gap
        assert list(batch.ids[place]) == expected
        expected_types = [0] * gap + own_types if left else own_types + [0] * gap
        assert list(batch.types[place]) == expected_types
        assert batch.mask[place].sum() == max(len(own), 1)
