"""Which rows segments hold, by end and id, without anything else of them.

The *rows* of a segment are a numpy array of uint8 here, 22 for each: the mark that the key of its
single object would have (see ``keys.mark_of``), and the rest of the id.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import Any

from xautolm_core.experience.keys import MARK_BYTES
from xautolm_core.experience.segment import Segment
from xautolm_core.experience.segment import fixed_bytes

if TYPE_CHECKING:
    import pyarrow as pa

_TIME_BYTES = 6
_ROW_BYTES = 22
_MICROSECONDS = 1_000


def rows_of(tables: Iterable[pa.Table]) -> Any:
    """Return the rows of tables.

    Args:
        tables: With the columns ``ended_at`` and ``id``.
    """
    import numpy as np

    parts = [_rows(table) for table in tables]
    return np.concatenate(parts) if parts else np.empty((0, _ROW_BYTES), np.uint8)


def which_of(wanted: set[bytes], rows: Any) -> set[bytes]:
    """Return the wanted marks that rows have."""
    import numpy as np

    asked = np.frombuffer(b"".join(wanted), np.uint8).reshape(-1, MARK_BYTES)
    # The last 8 bytes are of the id, as good as random: few rows are left to be compared exactly.
    candidates = rows[np.isin(_words(rows), _words(asked)), :MARK_BYTES]
    return {row.tobytes() for row in candidates} & wanted


def with_ids(rows: Any, identities: frozenset[bytes]) -> Any:
    """Return a numpy mask of the rows whose id (16 bytes) is one of these."""
    return among(rows[:, _TIME_BYTES:], identities)


def among(ids: Any, identities: frozenset[bytes]) -> Any:
    """Return a numpy mask of the ids (uint8, 16 for each) that are some of these."""
    import numpy as np

    if not identities or not len(ids):
        return np.zeros(len(ids), bool)
    wanted = np.frombuffer(b"".join(identities), np.uint64).reshape(-1, 2)
    mask = np.isin(np.ascontiguousarray(ids).view(np.uint64).reshape(-1, 2)[:, 1], wanted[:, 1])
    for row in np.flatnonzero(mask):
        mask[row] = ids[row].tobytes() in identities
    return mask


def not_in(rows: Any, others: Any) -> Any:
    """Return the rows that are none of the others."""
    import numpy as np

    mask = np.isin(_words(rows), _words(others))
    if mask.any():
        known = {other.tobytes() for other in others[np.isin(_words(others), _words(rows[mask]))]}
        for row in np.flatnonzero(mask):
            mask[row] = rows[row].tobytes() in known
    return rows[~mask]


def each_id_once(table: pa.Table) -> pa.Table:
    """Return a table with the first row of each id."""
    import numpy as np

    identities = fixed_bytes(table["id"]).view(np.dtype("V16")).ravel()
    _, first = np.unique(identities, return_index=True)
    return table if len(first) == table.num_rows else table.take(np.sort(first))


def times_of(marks: Iterable[bytes]) -> list[bytes]:
    """Return the times in marks, sorted, for ``may_hold``."""
    return sorted({mark[:_TIME_BYTES] for mark in marks})


def may_hold(segment: Segment, times: Sequence[bytes]) -> bool:
    """Whether a segment has rows of a span that one of the times (see ``times_of``) lies in."""
    following = bisect_left(times, segment.first)
    return following < len(times) and times[following] <= segment.last


def _rows(table: pa.Table) -> Any:
    import numpy as np

    rows = np.empty((table.num_rows, _ROW_BYTES), np.uint8)
    microseconds = table["ended_at"].cast("int64").to_numpy()
    milliseconds = np.maximum(microseconds // _MICROSECONDS, 0).astype(">i8")
    rows[:, :_TIME_BYTES] = milliseconds.view(np.uint8).reshape(-1, 8)[:, 2:]
    rows[:, _TIME_BYTES:] = fixed_bytes(table["id"])
    return rows


def _words(rows: Any) -> Any:
    """Return the last 8 bytes of each mark as numbers."""
    import numpy as np

    return np.ascontiguousarray(rows[:, 8:MARK_BYTES]).view(np.uint64).ravel()
