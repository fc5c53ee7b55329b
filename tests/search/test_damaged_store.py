"""A search goes on with what is whole of a damaged store."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from tests.search.instant import InstantLauncher
from tests.search.instant import Silent
from xautolm_core.experience.folder import FolderStore
from xautolm_core.search.contract import SearchResult
from xautolm_core.search.contract import SearchSpec
from xautolm_core.search.runner import run_search


def _search(spec: SearchSpec, out: Path) -> SearchResult:
    return run_search(
        spec,
        out,
        launcher=InstantLauncher(),
        observer=Silent(),
        with_test=False,
    )


@pytest.mark.parametrize("place", [0.0, 0.1, 0.4, 0.7, 0.95, 0.9999])
def test_a_search_goes_on_beside_a_segment_with_flipped_bytes(
    make_spec: Callable[..., SearchSpec], tmp_path: Path, place: float
) -> None:
    store = FolderStore(tmp_path / "store")
    segments: list[Path] = []
    for search, trials in (("past", 5), ("later", 4)):
        _search(make_spec(search_id=search, max_trials=trials), tmp_path / search)
        store.compact(grace=timedelta(0))
        segments += set(store.root.glob("segments/*")).difference(segments)
    damaged = bytearray(segments[0].read_bytes())
    first = min(int(len(damaged) * place), len(damaged) - 8)
    for position in range(first, first + 8):
        damaged[position] ^= 0xFF
    segments[0].write_bytes(damaged)
    result = _search(make_spec(sampler="xautolm", max_trials=3), tmp_path / "run")
    assert result.stopped_by == "trials"
    # What is damaged may be no column that a search reads.
    assert result.warm_start.applied in {4, 9}
    if result.warm_start.applied == 4:
        assert any("cannot be read and were skipped: 1" in note for note in result.notes)
    fresh = FolderStore(store.root)
    assert {e.search_id for e in fresh.scan()} >= {"later", "search-1"}
    assert {fault.key for fault in fresh.verify().faults} == {f"segments/{segments[0].name}"}
    fresh.compact(grace=timedelta(0))
    assert segments[0].read_bytes() == damaged
