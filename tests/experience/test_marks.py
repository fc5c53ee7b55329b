"""Rows by end and id, against plain sets."""

from __future__ import annotations

from datetime import datetime
from datetime import timedelta

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from tests.experience.samples import START
from xautolm_core.experience.keys import mark_of
from xautolm_core.experience.marks import among
from xautolm_core.experience.marks import each_id_once
from xautolm_core.experience.marks import may_hold
from xautolm_core.experience.marks import not_in
from xautolm_core.experience.marks import rows_of
from xautolm_core.experience.marks import times_of
from xautolm_core.experience.marks import which_of
from xautolm_core.experience.marks import with_ids
from xautolm_core.experience.segment import Segment

# Few of them, which differ in one byte wherever that is: each is met again and again.
_ids = st.tuples(st.integers(0, 15), st.integers(0, 1)).map(
    lambda found: bytes(found[1] if place == found[0] else 7 for place in range(16))
)
_times = st.integers(-2, 3).map(lambda number: START + timedelta(milliseconds=number))
_rows = st.lists(st.tuples(_times, _ids), max_size=8)


def _table(rows: list[tuple[datetime, bytes]]) -> pa.Table:
    ends, ids = [end for end, _ in rows], [identity for _, identity in rows]
    times = pa.array(ends, pa.timestamp("us", tz="UTC"))
    return pa.table({"ended_at": times, "id": pa.array(ids, pa.binary(16))})


def _marks(rows: list[tuple[datetime, bytes]]) -> set[bytes]:
    return {mark_of(end, identity) for end, identity in rows}


@given(rows=_rows, others=_rows, ids=st.frozensets(_ids, max_size=4))
@settings(max_examples=60, deadline=None)
def test_rows_are_told_apart_as_by_sets(
    rows: list[tuple[datetime, bytes]],
    others: list[tuple[datetime, bytes]],
    ids: frozenset[bytes],
) -> None:
    found, known = rows_of([_table(rows)]), rows_of([_table(others), _table([])])
    whole = {mark_of(end, identity)[:6] + identity for end, identity in others}
    left = [mark_of(end, identity)[:6] + identity for end, identity in rows]
    assert [r.tobytes() for r in not_in(found, known)] == [r for r in left if r not in whole]
    assert which_of(_marks(rows), known) == _marks(rows) & _marks(others)
    expected = [identity in ids for _, identity in rows]
    assert with_ids(found, ids).tolist() == expected
    table = _table(rows)
    flat = np.frombuffer(b"".join(table["id"].to_pylist()), np.uint8).reshape(-1, 16)
    assert among(flat, ids).tolist() == expected
    first = {identity: end for end, identity in reversed(rows)}
    once = each_id_once(table)
    assert dict(zip(once["id"].to_pylist(), once["ended_at"].to_pylist(), strict=True)) == first


@given(rows=_rows.filter(len), asked=_rows)
@settings(max_examples=30, deadline=None)
def test_a_segment_may_hold_what_is_within_its_times(
    rows: list[tuple[datetime, bytes]], asked: list[tuple[datetime, bytes]]
) -> None:
    times = sorted(mark[:6] for mark in _marks(rows))
    segment = Segment("", 1, len(rows), times[0], times[-1], "", "")
    within = any(times[0] <= mark[:6] <= times[-1] for mark in _marks(asked))
    assert may_hold(segment, times_of(_marks(asked))) == within
