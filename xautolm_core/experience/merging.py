"""Puts sorted streams of rows into one order, opening each no earlier than it is needed."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from xautolm_core.experience.columns import Row


@dataclass(frozen=True)
class RowStream:
    """Rows in order of (ended_at, id).

    Attributes:
        first_ended_at: No row of it ended earlier (UTC).
        open: Opens it.
    """

    first_ended_at: datetime
    open: Callable[[], Iterator[Row]]


def order_of(row: Row) -> tuple[datetime, str, str]:
    """Return what rows are ordered by: end, id, and digest where these are the same."""
    return row.payload.ended_at, row.payload.id, row.payload.digest


def merge_streams(streams: Iterable[RowStream]) -> Iterator[Row]:
    """Yield the rows of all streams in order."""
    waiting = sorted(streams, key=lambda stream: stream.first_ended_at, reverse=True)
    # The number keeps rows and iterators out of the comparison.
    heads: list[tuple[tuple[datetime, str, str], int, Row, Iterator[Row]]] = []
    count = 0
    while waiting or heads:
        while waiting and (not heads or waiting[-1].first_ended_at <= heads[0][2].payload.ended_at):
            count += 1
            rows = waiting.pop().open()
            row = next(rows, None)
            if row is not None:
                heapq.heappush(heads, (order_of(row), count, row, rows))
        if not heads:
            continue
        _, number, row, rows = heads[0]
        yield row
        following = next(rows, None)
        if following is None:
            heapq.heappop(heads)
        else:
            heapq.heapreplace(heads, (order_of(following), number, following, rows))
