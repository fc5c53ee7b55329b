"""Select and concatenate rows of splits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from xautolm_core.tasks.task import Split
from xautolm_core.tasks.task import Task


def take_rows(split: Split, rows: np.ndarray) -> Split:
    """Return some rows of a split.

    Args:
        split: The split.
        rows: Indices, or a mask.
    """
    places = np.flatnonzero(rows) if rows.dtype == bool else rows
    taken = pa.array(places, type=pa.int64())
    return Split(
        texts=split.texts.take(taken),
        text_pairs=None if split.text_pairs is None else split.text_pairs.take(taken),
        labels=split.labels[places],
    )


def concatenate_rows(parts: Sequence[Split]) -> Split:
    """Return the rows of several splits, in their order."""
    pairs = [part.text_pairs for part in parts if part.text_pairs is not None]
    return Split(
        texts=_joined([part.texts for part in parts]),
        text_pairs=_joined(pairs) if pairs else None,
        labels=np.concatenate([part.labels for part in parts]),
    )


def all_rows(task: Task) -> Split:
    """Return the rows of all splits of a task, in their order."""
    return concatenate_rows(list(task.splits.values()))


def as_test_split(task: Task, rows: Split) -> Task:
    """Return a task with these rows as its test split and no other split."""
    none = take_rows(rows, np.empty(0, dtype=np.int64))
    return Task(
        name=task.name,
        type=task.type,
        fingerprint=task.fingerprint,
        labels=task.labels,
        splits={"train": none, "validation": none, "test": rows},
        languages=task.languages,
    )


def _joined(columns: Sequence[pa.ChunkedArray]) -> pa.ChunkedArray:
    chunks = [chunk for column in columns for chunk in column.cast(pa.large_string()).chunks]
    return pa.chunked_array(chunks, type=pa.large_string())
