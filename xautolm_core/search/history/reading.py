"""Reads the part of experience stores that can inform a search."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from xautolm_core.search.history.arrays import History
from xautolm_core.search.history.layout import to_history_table
from xautolm_core.search.history.layout import wanted_columns
from xautolm_core.search.history.relevance import DropReason
from xautolm_core.search.history.relevance import Relevance
from xautolm_core.search.history.repetition import first_of_each_id
from xautolm_core.search.history.rows import Rows
from xautolm_core.search.history.rows import equals
from xautolm_core.search.history.rows import id_array
from xautolm_core.search.history.rows import id_words
from xautolm_core.search.history.rows import number_array

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from xautolm_core.experience.view import SegmentFile
    from xautolm_core.experience.view import StoreView
    from xautolm_core.search.history.cache import HistoryCache


@dataclass(frozen=True)
class HistorySource:
    """One store, as a history reads it.

    Attributes:
        view: What it holds.
        trust: Weight of its experiences, in (0, 1].
        tenant: Only this tenant's experiences; all if None.
    """

    view: StoreView
    trust: float = 1.0
    tenant: str | None = None


@dataclass(frozen=True)
class _Part:
    """A history table, and which of its rows are read."""

    table: pa.Table
    rows: NDArray[np.int64]
    trust: float


def read_history(
    sources: Sequence[HistorySource],
    relevance: Relevance,
    *,
    exclude_search_id: str | None = None,
    cache: HistoryCache | None = None,
) -> History:
    """Return the experiences of some stores that can inform a search, each once.

    What is of another tenant, of the excluded search, or forgotten is not there at all; what cannot
    inform the search is counted in ``left_out``. Only relevant rows are parsed.

    Args:
        sources: The stores. An experience that is in several counts as one of the most trusted.
        relevance: What an experience must have in common with the search.
        exclude_search_id: The search's own id.
        cache: Where segments are kept for the next time; None for nowhere.

    Raises:
        SegmentGoneError: A view is too old: open another one.
        StoreError: A store cannot be read.
    """
    if cache is not None:
        # Of segments that are gone too: nobody would ask for these any more.
        cache.drop_forgotten(frozenset().union(*(source.view.hidden for source in sources)))
    parts = [
        _Part(table, _visible(table, source, exclude_search_id), source.trust)
        for source in sources
        for table in _tables(source.view, cache)
    ]
    parts = _each_once(parts)
    read: list[Rows] = []
    left_out: Counter[DropReason] = Counter()
    for part in parts:
        right = equals(part.table, "task_type", relevance.task_type)[part.rows]
        left_out[DropReason.TASK_TYPE] += int(np.count_nonzero(~right))
        rows = part.rows if right.all() else part.rows[right]
        whole = len(rows) == len(part.table)
        read.append(Rows.of_table(part.table, rows=None if whole else rows, trust=part.trust))
    return History.of_rows(read, relevance).counting(+left_out)


def _tables(view: StoreView, cache: HistoryCache | None) -> Iterator[pa.Table]:
    for segment in view.segments:
        yield _table(segment, cache)
    if len(view.tail):
        yield to_history_table(view.tail)


def _table(segment: SegmentFile, cache: HistoryCache | None) -> pa.Table:
    known = None if cache is None else cache.get(segment.key)
    if known is not None:
        return known
    opened = segment.open()
    source = segment.table(wanted_columns(sorted(opened.column_names)))
    table = to_history_table(source)
    # What is read of a damaged segment is not all of it.
    if cache is not None and len(source) == opened.rows:
        cache.put(segment.key, table)
    return table


def _visible(
    table: pa.Table, source: HistorySource, exclude_search_id: str | None
) -> NDArray[np.int64]:
    """Return the rows that are there for this search at all, ascending."""
    visible = np.ones(len(table), dtype=bool)
    if source.tenant is not None:
        visible &= equals(table, "tenant", source.tenant)
    if exclude_search_id is not None:
        visible &= ~equals(table, "search_id", exclude_search_id)
    if source.view.hidden:
        visible &= ~_are_among(id_array(table), source.view.hidden)
    return np.flatnonzero(visible)


def _are_among(ids: NDArray[np.uint8], hidden: frozenset[bytes]) -> NDArray[np.bool_]:
    listed = np.frombuffer(b"".join(hidden), dtype=np.uint8).reshape(-1, 16)
    found = np.isin(id_words(ids)[:, 0], id_words(listed)[:, 0])
    for row in np.flatnonzero(found):
        found[row] = ids[row].tobytes() in hidden
    return found


def _each_once(parts: Sequence[_Part]) -> list[_Part]:
    """Return the parts without the rows whose experience another part (or row) stands for."""
    if not parts:
        return []
    kept = first_of_each_id(
        np.concatenate([id_array(part.table)[part.rows] for part in parts]),
        np.concatenate([number_array(part.table, "ended_at")[part.rows] for part in parts]),
        np.concatenate([np.full(len(part.rows), part.trust) for part in parts]),
    )
    if kept is None:
        return list(parts)
    ends = np.cumsum([len(part.rows) for part in parts])[:-1]
    masks = np.split(kept, ends)
    return [replace(p, rows=p.rows[mask]) for p, mask in zip(parts, masks, strict=True)]
