"""Which single objects segments hold, told by the marks (see ``keys.mark_of``) of keys and rows."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import Any

from xautolm_core.experience.keys import MARK_BYTES
from xautolm_core.experience.keys import mark_of
from xautolm_core.experience.manifest import SegmentEntry
from xautolm_core.experience.segment import fixed_bytes

if TYPE_CHECKING:
    import pyarrow as pa

_TIME_BYTES = 6
_MICROSECONDS = 1_000


def marks_of(tables: Iterable[pa.Table]) -> Any:
    """Return the marks of all rows as a numpy array of uint8, 16 for each row.

    Args:
        tables: With the columns ``ended_at`` and ``id``.
    """
    import numpy as np

    parts = [_marks(table) for table in tables]
    return np.concatenate(parts) if parts else np.empty((0, MARK_BYTES), np.uint8)


def which_of(wanted: set[bytes], marks: Any) -> set[bytes]:
    """Return the wanted marks that are among those of ``marks_of``."""
    import numpy as np

    asked = np.frombuffer(b"".join(wanted), np.uint8).reshape(-1, MARK_BYTES)
    # The last 8 bytes are of the id, as good as random: few rows are left to be compared exactly.
    candidates = marks[np.isin(_last_bytes(marks), _last_bytes(asked))]
    return {row.tobytes() for row in candidates} & wanted


def times_of(marks: Iterable[bytes]) -> list[bytes]:
    """Return the times in marks, sorted, for ``may_hold``."""
    return sorted({mark[:_TIME_BYTES] for mark in marks})


def may_hold(entry: SegmentEntry, times: Sequence[bytes]) -> bool:
    """Whether a segment has rows of a span that one of the times (see ``times_of``) lies in."""
    if not times or entry.first_ended_at is None or entry.last_ended_at is None:
        return bool(times)
    first = mark_of(entry.first_ended_at, b"")
    following = bisect_left(times, first)
    return following < len(times) and times[following] <= mark_of(entry.last_ended_at, b"")


def _marks(table: pa.Table) -> Any:
    import numpy as np

    marks = np.empty((table.num_rows, MARK_BYTES), np.uint8)
    microseconds = table["ended_at"].cast("int64").to_numpy()
    milliseconds = np.maximum(microseconds // _MICROSECONDS, 0).astype(">i8")
    marks[:, :6] = milliseconds.view(np.uint8).reshape(-1, 8)[:, 2:]
    marks[:, 6:] = fixed_bytes(table["id"])[:, :10]
    return marks


def _last_bytes(marks: Any) -> Any:
    import numpy as np

    return np.ascontiguousarray(marks[:, 8:]).view(np.uint64).ravel()
