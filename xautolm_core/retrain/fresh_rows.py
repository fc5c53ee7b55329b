"""Which rows are held out, and which rows are fresh to a model.

The side of a row follows from its texts alone: the same row is on the same side in every data
set, on every machine, at any time. A row that was held out once is never trained on later, as long
as all searches of a task get the search's side only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np

from xautolm_core.retrain.row_digests import SeenRows
from xautolm_core.retrain.row_digests import row_contents
from xautolm_core.tasks.task import Split

_SIDE_BYTES = 8


def is_set_aside(split: Split, fraction: float) -> np.ndarray:
    """Return for each row of a split whether it is held out, bool.

    Args:
        split: The rows.
        fraction: Expected share of rows that are held out, in (0, 1). A larger one holds out the
            same rows and more.
    """
    digests = b"".join(
        hashlib.blake2b(content, digest_size=_SIDE_BYTES, person=b"xautolm side").digest()
        for content in row_contents(split)
    )
    places = np.frombuffer(digests, dtype="<u8") / 2.0 ** (8 * _SIDE_BYTES)
    aside: np.ndarray = places < fraction
    return aside


def fresh_rows(rows: Split, seen: Iterable[SeenRows] = ()) -> np.ndarray:
    """Return for each row whether it is fresh, bool: unseen by the models, and not a repetition.

    A repeated text counts once, as the tests assume independent rows.

    Args:
        rows: The rows.
        seen: Digests of the rows that each model has seen.
    """
    fresh = np.zeros(len(rows), dtype=bool)
    known: set[bytes] = set()
    for place, content in enumerate(row_contents(rows)):
        digest = hashlib.blake2b(content, digest_size=16).digest()
        fresh[place] = digest not in known
        known.add(digest)
    for of_model in seen:
        fresh &= ~of_model.contains(rows)
    return fresh
