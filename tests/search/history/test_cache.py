from __future__ import annotations

import os
import stat
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from tests.experience.samples import sample
from xautolm_core.search.history.cache import HistoryCache
from xautolm_core.search.history.layout import to_history_table
from xautolm_core.search.history.measures import NUMBERS

KEY = "segments/abc.parquet"


@pytest.fixture
def table() -> pa.Table:
    from xautolm_core.experience.codec import decode
    from xautolm_core.experience.codec import encode
    from xautolm_core.experience.columns import Row
    from xautolm_core.experience.columns import to_table

    rows = [Row("", decode(encode(sample(trial=n)))) for n in range(50)]
    return to_history_table(to_table(rows))


@pytest.fixture
def cache(tmp_path: Path) -> HistoryCache:
    return HistoryCache(tmp_path / "deep" / "history")


def the_file(cache: HistoryCache) -> Path:
    (path,) = cache.folder.iterdir()
    return path


def test_a_table_comes_back_as_it_was(cache, table):
    assert cache.get(KEY) is None
    cache.put(KEY, table)
    found = cache.get(KEY)
    assert found is not None
    # What is not a number equals nothing.
    known = [name for name in table.column_names if name not in NUMBERS]
    assert found.select(known).equals(table.select(known))
    for name in NUMBERS:
        np.testing.assert_array_equal(found.column(name).to_numpy(), table.column(name).to_numpy())
    assert found.column("outcome").type == table.column("outcome").type
    assert found.schema.metadata.items() >= table.schema.metadata.items()
    assert cache.get("segments/other.parquet") is None


def test_folder_and_files_are_private(cache, table):
    cache.put(KEY, table)
    assert stat.S_IMODE(cache.folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(the_file(cache).stat().st_mode) == 0o600


def test_every_flipped_byte_and_every_cut_is_noticed(cache, table):
    cache.put(KEY, table)
    path = the_file(cache)
    data = path.read_bytes()
    for place in range(0, len(data), len(data) // 60):
        path.write_bytes(data[:place] + bytes([data[place] ^ 4]) + data[place + 1 :])
        assert cache.get(KEY) is None, place
        path.write_bytes(data[:place])
        assert cache.get(KEY) is None, place
    cache.put(KEY, table)
    assert cache.get(KEY) is not None


def test_a_file_of_another_segment_or_something_else_is_not_used(cache, table):
    cache.put(KEY, table)
    path = the_file(cache)
    cache.put("segments/other.parquet", table)
    (other,) = set(cache.folder.iterdir()) - {path}
    path.write_bytes(other.read_bytes())
    assert cache.get(KEY) is None
    path.write_text("no Arrow file")
    assert cache.get(KEY) is None
    path.unlink()
    path.mkdir()
    assert cache.get(KEY) is None


def test_a_folder_that_others_may_enter_is_not_used(cache, table):
    cache.put(KEY, table)
    cache.folder.chmod(0o750)
    assert cache.get(KEY) is None
    before = the_file(cache).stat().st_mtime_ns
    cache.put(KEY, table)
    assert the_file(cache).stat().st_mtime_ns == before


def test_a_folder_behind_a_link_is_not_used(cache, table, tmp_path):
    cache.put(KEY, table)
    link = tmp_path / "link"
    link.symlink_to(cache.folder)
    assert HistoryCache(link).get(KEY) is None


def test_no_place_for_it_is_no_matter(tmp_path, table):
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")
    cache = HistoryCache(in_the_way / "history")
    cache.put(KEY, table)
    assert cache.get(KEY) is None


def test_beyond_its_limit_what_was_not_used_for_longest_is_removed(cache, table):
    for n in range(4):
        cache.put(f"segments/{n}.parquet", table)
    size = next(cache.folder.iterdir()).stat().st_size
    long_ago = time.time() - 10_000
    for n, path in enumerate(sorted(cache.folder.iterdir())):
        os.utime(path, (long_ago + n, long_ago + n))
    assert cache.get("segments/2.parquet") is not None  # used just now
    small = HistoryCache(cache.folder, limit_bytes=2 * size + size // 2)
    small.put("segments/new.parquet", table)
    assert small.get("segments/2.parquet") is not None
    assert small.get("segments/new.parquet") is not None
    assert len(list(cache.folder.iterdir())) == 2
    # What was used within the hour may be mapped by another process, and stays.
    HistoryCache(cache.folder, limit_bytes=1).put("segments/more.parquet", table)
    assert len(list(cache.folder.iterdir())) == 3


def test_abandoned_drafts_are_removed(cache, table):
    cache.put(KEY, table)
    old, new = cache.folder / ".old.tmp", cache.folder / ".new.tmp"
    for path in (old, new):
        path.write_text("")
    os.utime(old, (1.0, 1.0))
    cache.put(KEY, table)
    assert not old.exists()
    assert new.exists()


def test_where_it_is(tmp_path, monkeypatch):
    def folder(**environment: str) -> Path | None:
        found = HistoryCache.from_environment(environment)
        return None if found is None else found.folder

    monkeypatch.setenv("HOME", "/home/someone")
    assert folder() == Path("/home/someone/.cache/xautolm/history")
    assert folder(XDG_CACHE_HOME="/c") == Path("/c/xautolm/history")
    assert folder(XDG_CACHE_HOME="relative") == Path("/home/someone/.cache/xautolm/history")
    assert folder(XAUTOLM_CACHE="/mine", XDG_CACHE_HOME="/c") == Path("/mine/history")
    assert folder(XAUTOLM_CACHE="Off") is None


def test_what_was_forgotten_is_looked_for_once_in_each_table(cache, table):
    cache.put(KEY, table)
    hidden, other = frozenset({b"x" * 16}), frozenset({b"x" * 16, b"y" * 16})
    cache.drop_forgotten(hidden)
    (path,) = cache.folder.glob("*.arrow")
    path.write_bytes(b"not looked at")
    cache.drop_forgotten(hidden)
    assert path.exists()
    cache.drop_forgotten(other)  # one that is not whole is no loss
    assert not path.exists()


def test_what_holds_something_forgotten_goes_whenever_it_is_kept(cache, table):
    hidden = frozenset({table.column("id")[7].as_py()})
    cache.put("segments/other.parquet", table.slice(20, 5))
    for _ in range(3):
        cache.put(KEY, table)
        cache.drop_forgotten(hidden)
        assert cache.get(KEY) is None
        assert cache.get("segments/other.parquet") is not None


def test_few_notes_are_kept(cache, table):
    cache.put(KEY, table)
    for number in range(20):
        cache.drop_forgotten(frozenset({number.to_bytes(16)}))
    notes = [path for path in cache.folder.iterdir() if path.suffix != ".arrow"]
    assert len(notes) == 8
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in notes)
    assert cache.get(KEY) is not None
