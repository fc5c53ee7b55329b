"""The same experience from several places counts once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xautolm_core.search.history.rows import id_words

if TYPE_CHECKING:
    from numpy.typing import NDArray


def first_of_each_id(
    ids: NDArray[np.uint8], ended_at: NDArray[np.int64], trust: NDArray[np.float64]
) -> NDArray[np.bool_] | None:
    """Return a mask with one row for each id; None if no id occurs twice.

    Args:
        ids: Shape (rows, 16), uint8.
        ended_at: Shape (rows,). Of equally trusted rows the earliest stays.
        trust: Shape (rows,). The most trusted row stays.
    """
    words = id_words(ids)
    ordered = np.sort(words[:, 0])
    repeated = ordered[1:][ordered[1:] == ordered[:-1]]
    if len(repeated) == 0:
        return None
    suspects = np.flatnonzero(np.isin(words[:, 0], repeated))
    high, low = words[suspects, 0], words[suspects, 1]
    order = np.lexsort((suspects, ended_at[suspects], -trust[suspects], low, high))
    again = (np.diff(high[order]) == 0) & (np.diff(low[order]) == 0)
    kept = np.ones(len(ids), dtype=bool)
    kept[suspects[order[1:][again]]] = False
    return kept
