from __future__ import annotations

import subprocess
import sys

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

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
