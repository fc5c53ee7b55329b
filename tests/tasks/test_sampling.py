from __future__ import annotations

import subprocess
import sys

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from xautolm_core.tasks.sampling import grouped_partition
from xautolm_core.tasks.sampling import stratified_partition
from xautolm_core.tasks.sampling import stratified_sample

labels_strategy = st.lists(st.integers(0, 5), min_size=1, max_size=200).map(np.array)


@given(labels_strategy, st.integers(0, 220), st.integers(0, 3))
def test_a_sample_has_its_size_and_every_class(labels, size, seed):
    rows = stratified_sample(labels, size, seed)

    assert len(rows) == min(size, len(labels))
    assert len(np.unique(rows)) == len(rows)
    assert np.all(np.diff(rows) > 0)
    classes = len(np.unique(labels))
    if size >= classes:
        assert len(np.unique(labels[rows])) == classes


@given(labels_strategy, st.integers(20, 200))
def test_a_sample_keeps_the_shares(labels, size):
    rows = stratified_sample(labels, size, 0)
    counts = np.bincount(labels, minlength=6)
    taken = np.bincount(labels[rows], minlength=6)
    ideal = len(rows) * counts / counts.sum()
    # One row from rounding, and at most one for each class that is kept for its own sake.
    assert np.all(np.abs(taken - ideal) <= 1 + len(np.unique(labels)))
    assert np.all(taken <= counts)


@given(labels_strategy, st.integers(0, 80), st.integers(0, 80))
def test_a_partition_is_disjoint_and_whole(labels, first, second):
    parts = stratified_partition(labels, [first, second], seed=1)

    together = np.sort(np.concatenate(parts))
    assert together.tolist() == list(range(len(labels)))
    for index in np.unique(labels):
        rows = int((labels == index).sum())
        have = [int((labels[part] == index).sum()) for part in parts]
        assert have[2] >= 1
        classes = len(np.unique(labels))
        if rows >= 3 and min(first, second) >= classes:
            assert min(have) >= 1


def test_a_class_of_two_goes_to_training_and_validation():
    labels = np.array([0] * 50 + [1] * 2)
    validation, test, training = stratified_partition(labels, [6, 6], seed=0)
    assert [int((labels[p] == 1).sum()) for p in (validation, test, training)] == [1, 0, 1]


rows_strategy = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 25)), min_size=1, max_size=120
).map(np.array)


@given(rows_strategy, st.integers(4, 30), st.integers(4, 30), st.integers(0, 3))
def test_groups_stay_together(rows, first, second, seed):
    labels, groups = rows.T

    parts = grouped_partition(labels, groups, [first, second], seed)

    assert np.sort(np.concatenate(parts)).tolist() == list(range(len(labels)))
    of_parts = [set(groups[part].tolist()) for part in parts]
    assert sum(map(len, of_parts)) == len(np.unique(groups))
    assert set(labels[parts[-1]].tolist()) == set(labels.tolist())
    again = grouped_partition(labels, groups, [first, second], seed)
    assert [part.tolist() for part in again] == [part.tolist() for part in parts]


@given(labels_strategy, st.integers(0, 80), st.integers(0, 80), st.integers(0, 3))
def test_groups_of_one_row_are_cut_as_rows(labels, first, second, seed):
    groups = np.random.default_rng(seed).permutation(len(labels))
    grouped = grouped_partition(labels, groups, [first, second], seed)
    plain = stratified_partition(labels, [first, second], seed)
    assert [part.tolist() for part in grouped] == [part.tolist() for part in plain]


@given(st.lists(st.integers(1, 6), min_size=12, max_size=60), st.integers(2, 20))
def test_groups_keep_the_shares_of_the_classes(weights, size):
    """Each class exceeds or misses its share by less than one of its groups."""
    group_labels = np.arange(len(weights)) % 2
    groups = np.repeat(np.arange(len(weights)), weights)
    labels = group_labels[groups]
    part, rest = grouped_partition(labels, groups, [size], 0)
    counts = np.bincount(labels, minlength=2)
    ideal = min(size, len(labels)) * counts / counts.sum()
    # A group of each class stays in the rest whatever it weighs.
    ideal = np.minimum(ideal, counts - 6)
    assert np.all(np.abs(np.bincount(labels[part], minlength=2) - ideal) <= 6 + 1)
    assert np.all(np.bincount(labels[rest], minlength=2) > 0)


def test_a_text_that_fills_a_part_alone_stays_in_the_rest():
    labels = np.array([0] * 60 + [1] * 60)
    groups = np.array([0] * 40 + list(range(1, 21)) + [100] * 40 + list(range(101, 121)))
    part, rest = grouped_partition(labels, groups, [12], 0)
    assert np.bincount(labels[part]).tolist() == [6, 6]
    assert {0, 100} <= set(groups[rest].tolist())


def test_another_process_draws_the_same_rows():
    labels = np.arange(1000) % 7
    program = (
        "import numpy as np; from xautolm_core.tasks.sampling import stratified_sample;"
        "print(stratified_sample(np.arange(1000) % 7, 50, 3).tolist())"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == str(stratified_sample(labels, 50, 3).tolist())
    assert stratified_sample(labels, 50, 4).tolist() != stratified_sample(labels, 50, 3).tolist()
