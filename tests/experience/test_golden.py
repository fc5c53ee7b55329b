"""A store as it was once written is read, compacted and verified."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.experience.samples import complete_sample
from tests.experience.samples import sample
from xautolm_core.experience.accounting import JoulesLabel
from xautolm_core.experience.accounting import SecondsLabel
from xautolm_core.experience.folder import FolderStore
from xautolm_core.experience.tombstone import encode_tombstone
from xautolm_core.records.experience import Experience
from xautolm_core.records.outcome import Outcome

GOLDEN = Path(__file__).parent / "golden"


def _expected() -> list[Experience]:
    experiences = [
        complete_sample(),
        sample("a", 0),
        sample("a", 1, outcome=Outcome.OOM_HOST),
        sample("b c/d", 2, tenant="team-b"),
    ]
    return sorted(experiences, key=lambda e: (e.ended_at, e.id))


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    """Two segments, one of which was merged, and a single object."""
    shutil.copytree(GOLDEN / "store", tmp_path / "store")
    return FolderStore(tmp_path / "store")


def test_it_is_read(store: FolderStore) -> None:
    assert list(store.scan()) == _expected()
    assert store.faults == ()
    assert store.verify().faults == ()
    assert store.totals().trials.total() == 4
    for experience in _expected():
        assert store.get(experience.id[:8]) == experience
    assert sorted(segment.segment.generation for segment in store.view().segments) == [1, 2]


def test_it_is_compacted(store: FolderStore) -> None:
    for _ in range(3):
        store.compact(grace=timedelta(0))
        assert list(store.scan()) == _expected()
    assert list(store.storage.list("experiences/")) == []
    assert store.verify().faults == ()


def test_what_it_holds_can_be_forgotten(store: FolderStore) -> None:
    assert store.forget(tenant="team-b").experiences == 1
    assert len(list(store.scan())) == 3
    assert store.totals().trials.total() == 4
    assert store.verify().faults == ()


def test_a_tombstone_is_read_for_ever(tmp_path: Path) -> None:
    shutil.copytree(GOLDEN / "objects" / "forgotten", tmp_path / "store" / "forgotten")
    store = FolderStore(tmp_path / "store")
    forgotten = [complete_sample(), sample("a", 0), sample("a", 1)]
    assert store.reader.look().hidden == {bytes.fromhex(e.id) for e in forgotten}
    totals = store.totals()
    assert totals.trials == {("default", "ok"): 2, ("team-a", "oom_gpu"): 1}
    assert totals.seconds[SecondsLabel("team-a", "oom_gpu", "train", "cuda")] == 12.25
    assert totals.joules[JoulesLabel("team-a", "gpu", "oom_gpu", "nvml", "A")] == 1234.5
    for experience in forgotten:
        store.append(experience)
    store.append(sample("b", 0))
    assert [e.search_id for e in store.scan()] == ["b"]
    assert store.verify().faults[0].problem.endswith("was forgotten, and is still here")


def test_a_newer_tombstone_is_read_as_far_as_it_is_known(tmp_path: Path) -> None:
    (old,) = (GOLDEN / "objects" / "forgotten").iterdir()
    table = pq.read_table(old, partitioning=None)
    newer = table.append_column("carbon_grams", pa.array([1, 2, 3], pa.int64()))
    store = FolderStore(tmp_path / "store")
    store.storage.put(*encode_tombstone(newer))
    assert len(store.reader.look().hidden) == 3
    assert store.totals().trials.total() == 3
    assert store.verify().faults == ()
