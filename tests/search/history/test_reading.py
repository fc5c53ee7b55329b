"""Histories of real stores: segments, tail, cache, several stores, damage."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from tests.experience.samples import START
from tests.experience.samples import cheap_sample
from tests.experience.samples import sample
from tests.search.history.rows_of import rows_of
from tests.search.history.rows_of import rows_of_experiences
from tests.search.test_replay import made_up
from xautolm_core.errors import StoreError
from xautolm_core.experience.folder import FolderStore
from xautolm_core.experience.segment_reader import SegmentReader
from xautolm_core.experience.view import SegmentFile
from xautolm_core.experience.view import SegmentGoneError
from xautolm_core.experience.view import StoreView
from xautolm_core.records.configuration import Configuration
from xautolm_core.records.experience import Experience
from xautolm_core.search.history import History
from xautolm_core.search.history.cache import HistoryCache
from xautolm_core.search.history.kept import keep_history
from xautolm_core.search.history.kept import kept_history
from xautolm_core.search.history.reading import read_history
from xautolm_core.search.history.reading import read_rows
from xautolm_core.search.history.reading import read_source
from xautolm_core.search.history.relevance import DropReason
from xautolm_core.search.history.relevance import Relevance

WANTED = Relevance("text-classification", ("text-classification", "1.0"), ("system", "1.0"))


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


@pytest.fixture
def cache(tmp_path: Path) -> HistoryCache:
    return HistoryCache(tmp_path / "cache")


def fill(store: FolderStore, *parts: Iterable[Experience]) -> None:
    """Append; all parts but the last are compacted, each into a segment of its own."""
    for number, part in enumerate(parts):
        for experience in part:
            store.append(experience)
        if number < len(parts) - 1:
            store.compact(grace=timedelta(0))


def read(
    store: FolderStore,
    cache: HistoryCache | None = None,
    *,
    tenant: str | None = None,
    exclude_search_id: str | None = None,
) -> History:
    source = read_source(store, tenant=tenant, cache=cache)
    return read_history([source], WANTED, exclude_search_id=exclude_search_id)


def assert_same(found: History, expected: History) -> None:
    assert rows_of(found) == rows_of(expected)
    assert found.trust.tolist() == expected.trust.tolist()
    assert dict(found.left_out) == dict(expected.left_out)


def test_cheap_methods_are_read_as_what_others_are_compared_with(store, cache):
    reused = sample("a", 7, reused_seconds=30.0, reused_joules=12.5)
    probe = sample(
        "a",
        9,
        configuration=Configuration(
            branch="linear_probe", model="m", method="linear_probe", parameters={"max_length": 64}
        ),
    )
    # In a segment and in the tail.
    continued = sample("a", 8, continues=7, cumulative_seconds=55.5)
    fill(store, [cheap_sample(0), probe, reused], [cheap_sample(1), continued])
    written = (cheap_sample(0), cheap_sample(1), probe, reused, continued)
    assert {e.id: e for e in store.scan()} == {e.id: e for e in written}
    assert store.verify().faults == ()
    history = read(store, cache)
    assert dict(history.left_out) == {}
    cheap = history.method.equals("tfidf") | history.method.equals("linear_probe")
    assert cheap.sum() == 3
    # Times of equal configurations compare: what was reused counts with what it had cost, and what
    # was continued with all that it took.
    times = history.time_seconds[~cheap]
    assert times.tolist() == [reused.comparable_seconds, continued.comparable_seconds]
    assert (reused.comparable_seconds, continued.comparable_seconds) == (41.75, 55.5)
    assert_same(history, History.of(store.scan()).relevant(WANTED))


def test_segments_and_tail_are_what_the_store_reads_as_objects(store, cache):
    past = made_up(120, seed=7)
    fill(store, past[:50], past[70:], past[40:70])
    expected = History.of(store.scan()).relevant(WANTED)
    assert expected.left_out[DropReason.TASK_TYPE] > 0
    assert_same(read(store), expected)
    assert_same(read(store, cache), expected)
    assert len(list(cache.folder.iterdir())) == 2
    assert_same(read(store, cache), expected)


def test_the_second_time_segments_come_from_the_cache(store, cache, monkeypatch):
    fill(store, made_up(30, seed=1), [sample("tail")])
    expected = read(store, cache)

    def refuse(*_: object) -> pa.Table:
        raise AssertionError("the segment was read again")

    monkeypatch.setattr("xautolm_core.experience.view.SegmentFile.table", refuse)
    assert_same(read(store, cache), expected)
    with pytest.raises(AssertionError, match="read again"):
        read(store)


def test_other_tenants_and_the_search_itself_are_not_there_at_all(store):
    mine = [sample("mine", n, tenant="a") for n in range(3)]
    others = [sample("other", n, tenant="b", task_type="generation") for n in range(3)]
    now = [sample("now", n, tenant="a") for n in range(2)]
    fill(store, [*mine[:1], *others, *now[:1]], [*mine[1:], *now[1:]])
    found = read(store, tenant="a", exclude_search_id="now")
    assert rows_of(found) == rows_of_experiences(mine)
    assert found.left_out == {}
    everything = read(store)
    assert len(everything) == 5
    assert everything.left_out == {DropReason.TASK_TYPE: 3}


def test_hidden_experiences_are_not_there(store, cache):
    past = [sample("s", n) for n in range(6)]
    fill(store, past[:4], past[4:])
    hidden = frozenset(bytes.fromhex(past[n].id) for n in (1, 5))
    source = replace(read_source(store, cache=cache), hidden=hidden)
    found = read_history([source], WANTED)
    assert rows_of(found) == rows_of_experiences([past[n] for n in (0, 2, 3, 4)])
    # What is kept for the next time is the segment as it is.
    assert len(read(store, cache)) == 6


def test_several_stores_count_an_experience_once_as_of_the_most_trusted(tmp_path):
    own, team = FolderStore(tmp_path / "own"), FolderStore(tmp_path / "team")
    past = [sample("s", n) for n in range(6)]
    fill(own, past[:2], past[2:3])
    fill(team, past[1:3], past[4:])
    sources = [read_source(team, trust=0.5), read_source(own)]
    found = read_history(sources, WANTED)
    assert rows_of(found) == rows_of_experiences([past[n] for n in (0, 1, 2, 4, 5)])
    assert found.trust.tolist() == [1.0, 1.0, 1.0, 0.5, 0.5]


@given(
    data=st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 6), st.integers(0, 3), st.booleans()),
        max_size=12,
    )
)
@settings(max_examples=10, deadline=None)
def test_a_history_is_what_the_most_trusted_store_says_of_each(data):
    with tempfile.TemporaryDirectory() as folder:
        stores = [FolderStore(Path(folder) / str(number)) for number in range(3)]
        for which, number, day, is_compacted in data:
            late = sample("a", number, ended_at=START + timedelta(days=day, minutes=which))
            stores[which].append(late)
            if is_compacted:
                stores[which].compact(grace=timedelta(0))
        expected: dict[str, Experience] = {}
        for store in reversed(stores):
            expected |= {e.id: e for e in store.scan()}
        trusts = (1.0, 0.5, 0.25)
        sources = [read_source(s, trust=t) for s, t in zip(stores, trusts, strict=True)]
        assert rows_of(read_history(sources, WANTED)) == rows_of_experiences(expected.values())


@pytest.mark.parametrize("count", [0, 1, 150])
def test_what_is_kept_of_a_history_is_that_history(store, tmp_path, count):
    past = made_up(count, seed=3)
    fill(store, past[: count // 2], past[count // 2 :])
    path = tmp_path / "history.parquet"
    kept, digest = keep_history(path, *read_rows([read_source(store, trust=0.5)], WANTED))
    expected = read_history([read_source(store, trust=0.5)], WANTED)
    assert_same(kept, expected)
    store.compact(grace=timedelta(0))  # whatever becomes of the store
    again = kept_history(path, digest, frozenset())
    assert_same(again, expected)
    for name in ("model", "task", "branch"):  # the same codes, and so the same search
        assert getattr(again, name).values == getattr(kept, name).values
        assert (getattr(again, name).codes == getattr(kept, name).codes).all()
    assert set(again.parameters) == set(kept.parameters)


def test_what_was_forgotten_is_taken_out_of_what_is_kept(store, tmp_path):
    past = made_up(60, seed=5)
    fill(store, past)
    path = tmp_path / "history.parquet"
    kept, digest = keep_history(path, *read_rows([read_source(store)], WANTED))
    first = path.read_bytes()
    lost = frozenset({kept.ids[3].tobytes(), kept.ids[9].tobytes(), bytes(16)})
    for _ in range(2):
        again = kept_history(path, digest, lost)
        assert len(again) == len(kept) - 2
        assert again.left_out == kept.left_out
        assert not any(identity in path.read_bytes() for identity in lost - {bytes(16)})
    with pytest.raises(StoreError, match="not what the search has learnt from"):
        kept_history(path, hashlib.sha256(b"another").hexdigest(), lost)
    path.write_bytes(first[:-9])
    with pytest.raises(StoreError, match="cannot be read"):
        kept_history(path, digest, frozenset())


def test_a_broken_copy_in_the_cache_is_made_again(store, cache):
    fill(store, [sample("s", n) for n in range(30)], [])
    expected = read(store, cache)
    (copy,) = cache.folder.iterdir()
    data = copy.read_bytes()
    copy.write_bytes(data[: len(data) // 2] + b"?" + data[len(data) // 2 + 1 :])
    assert_same(read(store, cache), expected)
    assert copy.read_bytes() == data


def test_a_copy_in_the_cache_outlives_damage_of_the_segment(store, cache):
    fill(store, [sample("s", n) for n in range(30)], [])
    expected = read(store, cache)
    break_segment(store)
    assert_same(read(FolderStore(store.root), cache), expected)


def test_an_empty_store_is_an_empty_history(store, cache):
    assert len(read(store, cache)) == 0
    assert len(read_history([], WANTED)) == 0


def break_segment(store: FolderStore) -> Path:
    """Flip bits all over the only segment but in its footer; return its file."""
    (segment,) = (store.root / "segments").iterdir()
    data = bytearray(segment.read_bytes())
    footer = int.from_bytes(data[-8:-4], "little") + 8
    for place in range(100, len(data) - footer, 100):
        data[place] ^= 16
    segment.write_bytes(data)
    return segment


def test_a_broken_segment_is_reported_and_its_single_objects_are_read(store, cache):
    past = [sample("s", n) for n in range(40)]
    fill(store, past, [sample("tail")])
    for experience in past:  # as if they had not been retired yet
        store.append(experience)
    break_segment(store)
    reader = FolderStore(store.root)
    found = read(reader, cache)
    assert rows_of(found) == rows_of_experiences([*past, sample("tail")])
    assert reader.faults
    assert not cache.folder.exists()


def test_what_is_lost_for_good_is_reported_and_the_rest_is_read(store, cache):
    past = [sample("s", n) for n in range(40)]
    fill(store, past, [sample("tail")])
    segment = break_segment(store)
    reader = FolderStore(store.root)
    found = read(reader, cache)
    assert rows_of(found) == rows_of_experiences([sample("tail")])
    assert any(segment.name in fault.key for fault in reader.faults)


class Restless(FolderStore):
    """A store of which some first views are too old by the time that they are read."""

    stale_views = 2

    def view(self) -> StoreView:
        view = super().view()
        if not self.stale_views:
            return view
        self.stale_views -= 1

        return replace(view, segments=tuple(_Gone(s.reader, s.segment) for s in view.segments))


class _Gone(SegmentFile):
    def open(self) -> SegmentReader:
        raise SegmentGoneError(self.key)


def test_a_view_that_is_too_old_is_opened_again(store, monkeypatch):
    monkeypatch.setattr("xautolm_core.experience.damage.FIRST_WAIT_SECONDS", 0.0)
    past = [sample("s", n) for n in range(4)]
    fill(store, past, [])
    restless = Restless(store.root)
    found = read(restless)
    assert rows_of(found) == rows_of_experiences(past)
    restless.stale_views = 100
    with pytest.raises(StoreError, match="faster than it can be read"):
        read(restless)


def test_what_was_forgotten_leaves_the_cache(store: FolderStore, cache: HistoryCache) -> None:
    secret = sample("secret", 0, task_fingerprint="e" * 64)
    fill(store, [secret, sample("a", 0)], [sample("a", 1)], [])
    read(store, cache)
    assert len(list(cache.folder.glob("*.arrow"))) == 2
    store.forget(task_fingerprint="e" * 64)
    read(store, cache)
    assert len(list(cache.folder.glob("*.arrow"))) == 2
    files = list(cache.folder.iterdir())
    assert not any(bytes.fromhex(secret.id) in file.read_bytes() for file in files)
