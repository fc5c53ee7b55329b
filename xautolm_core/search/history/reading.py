"""Reads the part of experience stores that can inform a search."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xautolm_core.experience.marks import among
from xautolm_core.experience.segment import fixed_bytes
from xautolm_core.experience.segment import tight
from xautolm_core.search.history.arrays import History
from xautolm_core.search.history.layout import to_history_table
from xautolm_core.search.history.layout import wanted_columns
from xautolm_core.search.history.relevance import DropReason
from xautolm_core.search.history.relevance import Relevance
from xautolm_core.search.history.table import TRUST
from xautolm_core.search.history.table import equals
from xautolm_core.search.history.table import first_of_each_id
from xautolm_core.search.history.table import joined
from xautolm_core.search.history.table import numbers
from xautolm_core.search.history.table import time_order
from xautolm_core.search.history.table import times
from xautolm_core.search.history.table import with_trust

if TYPE_CHECKING:
    import pyarrow as pa

    from xautolm_core.experience.store import ObjectExperienceStore
    from xautolm_core.experience.view import SegmentFile
    from xautolm_core.experience.view import StoreView
    from xautolm_core.search.history.cache import HistoryCache


@dataclass(frozen=True)
class HistorySource:
    """What one store gives to a history.

    Attributes:
        tables: History tables of its segments and of its tail.
        hidden: Ids (16 bytes) of what was forgotten: never to be seen.
        trust: Weight of its experiences, in (0, 1].
        tenant: Only this tenant's experiences; all if None.
    """

    tables: Sequence[pa.Table]
    hidden: frozenset[bytes] = frozenset()
    trust: float = 1.0
    tenant: str | None = None


def read_source(
    store: ObjectExperienceStore,
    *,
    trust: float = 1.0,
    tenant: str | None = None,
    cache: HistoryCache | None = None,
) -> HistorySource:
    """Read what a store holds; again, if something of it vanishes or turns out broken meanwhile.

    A view that is opened after damage was found has the single objects of what is lost, where they
    still exist.

    Args:
        store: The store.
        trust: See ``HistorySource``; so is ``tenant``.
        tenant: See there.
        cache: Where segments are kept for the next time; None for nowhere.

    Raises:
        StoreError: The store cannot be read, or changes all the time.
    """
    from xautolm_core.experience.damage import changes_too_fast
    from xautolm_core.experience.damage import looks
    from xautolm_core.experience.view import SegmentGoneError

    for is_last in looks(lambda: len(store.faults)):
        before = len(store.faults)
        try:
            view = store.view()
            if cache is not None:
                # Of segments that are gone too: nobody would ask for these any more.
                cache.drop_forgotten(view.hidden)
            tables = list(_tables(view, cache))
        except SegmentGoneError:
            continue
        if is_last or len(store.faults) == before:
            return HistorySource(tables, view.hidden, trust, tenant)
    raise changes_too_fast()


def read_history(
    sources: Sequence[HistorySource],
    relevance: Relevance,
    *,
    exclude_search_id: str | None = None,
) -> History:
    """Return the experiences of some stores that can inform a search, each once.

    What is of another tenant, of the excluded search, or forgotten is not there at all; what cannot
    inform the search is counted in ``left_out``.

    Args:
        sources: The stores. An experience that is in several counts as one of the most trusted.
        relevance: Requirements on an experience, relative to the search.
        exclude_search_id: The search's own id.
    """
    return History(*read_rows(sources, relevance, exclude_search_id=exclude_search_id))


def read_rows(
    sources: Sequence[HistorySource],
    relevance: Relevance,
    *,
    exclude_search_id: str | None = None,
) -> tuple[pa.Table, Mapping[DropReason, int]]:
    """Return the rows of the same history, and how many were left out, by reason.

    Args:
        sources: See ``read_history``.
        relevance: See there.
        exclude_search_id: See there.
    """
    parts: list[pa.Table] = []
    left_out: Counter[DropReason] = Counter()
    for part in _each_once(list(_visible(sources, exclude_search_id))):
        right = equals(part, "task_type", relevance.task_type)
        left_out[DropReason.TASK_TYPE] += int(np.count_nonzero(~right))
        parts.append(part if right.all() else part.filter(right))
    everything = History(joined(parts))
    dropped, counts = everything.irrelevant(relevance)
    order = time_order(everything.ended_at, everything.ids)
    if dropped.any():
        order = np.flatnonzero(~dropped) if order is None else order[~dropped[order]]
    rows = everything.table if order is None else everything.table.take(order)
    return rows, {**+left_out, **counts}


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
    # A damaged segment is read only in part.
    if cache is not None and len(source) == opened.rows:
        cache.put(segment.key, table)
    return table


def _visible(sources: Sequence[HistorySource], exclude_search_id: str | None) -> Iterator[pa.Table]:
    """Yield the tables of all stores with the rows that are there for this search at all."""
    for source in sources:
        for table in source.tables:
            visible = np.ones(len(table), dtype=bool)
            if source.tenant is not None:
                visible &= equals(table, "tenant", source.tenant)
            if exclude_search_id is not None:
                visible &= ~equals(table, "search_id", exclude_search_id)
            if source.hidden:
                visible &= ~among(fixed_bytes(table["id"]), source.hidden)
            rows = table if visible.all() else table.filter(visible)
            # Of a small part most texts are not needed, and need not be parsed.
            yield with_trust(tight(rows) if 2 * len(rows) < len(table) else rows, source.trust)


def _each_once(parts: Sequence[pa.Table]) -> list[pa.Table]:
    """Return the tables without the rows whose experience another row stands for."""
    if not parts:
        return []
    kept = first_of_each_id(
        np.concatenate([fixed_bytes(part["id"]) for part in parts]),
        np.concatenate([times(part) for part in parts]),
        np.concatenate([numbers(part, TRUST) for part in parts]),
    )
    if kept is None:
        return list(parts)
    masks = np.split(kept, np.cumsum([len(part) for part in parts])[:-1])
    return [part.filter(mask) for part, mask in zip(parts, masks, strict=True)]
