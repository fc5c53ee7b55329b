"""Stores as older versions wrote them are read, compacted and verified."""

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
from xautolm_core.experience.contract import SnapshotId
from xautolm_core.experience.folder import FolderStore
from xautolm_core.experience.schema import Experience
from xautolm_core.experience.tombstone import encode_tombstone
from xautolm_core.outcomes import Outcome

GOLDEN = Path(__file__).parent / "golden"
SNAPSHOTS = {
    "store-v1": "74bf3a661e516a6790f01301b44b3b69b384351766799697e85dab692e8da9f7",
    "store-v2": "fa6c9c28b037b87c1b96040e54bcd2060bcba3af1d5bdd1b88397e58079bddca",
}


def _expected() -> list[Experience]:
    experiences = [
        complete_sample().model_copy(update={"provenance": {}, "plan": None, "predicted": None}),
        sample("a", 0),
        sample("a", 1, outcome=Outcome.OOM_HOST),
        sample("b c/d", 2, tenant="team-b"),
    ]
    return sorted(experiences, key=lambda e: (e.ended_at, e.id))


@pytest.fixture(params=sorted(SNAPSHOTS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def store(name: str, tmp_path: Path) -> FolderStore:
    shutil.copytree(GOLDEN / name, tmp_path / "store")
    return FolderStore(tmp_path / "store")


def _found(store: FolderStore) -> list[Experience]:
    # Fields that came later have their defaults.
    return [e.model_copy(update={"provenance": {}}) for e in store.scan()]


def test_it_is_read(store: FolderStore) -> None:
    assert _found(store) == _expected()
    assert store.faults == ()
    assert store.verify().faults == ()
    assert store.totals().trials.total() == 4
    for experience in _expected():
        assert store.get(experience.id[:8]) is not None


def test_its_snapshot_is_read(store: FolderStore, name: str) -> None:
    pinned = SnapshotId(SNAPSHOTS[name])
    before = list(store.read(pinned))
    assert [e.id for e in before] == [e.id for e in _expected()]
    store.append(sample("later"))
    for _ in range(2):
        store.compact(grace=timedelta(0))
    assert list(store.read(pinned)) == before
    assert store.faults == ()


def test_it_becomes_one_of_today(store: FolderStore) -> None:
    before = list(store.scan())
    for _ in range(3):
        store.compact(grace=timedelta(0))
        assert list(store.scan()) == before
    assert list(store.storage.list("experiences/")) == []
    assert all(segment.path is not None for segment in store.view().segments)
    assert store.verify().faults == ()


def test_a_view_of_it_has_todays_columns(store: FolderStore) -> None:
    view = store.view()
    tables = [segment.table(["id", "outcome", "scores.macro_f1"]) for segment in view.segments]
    tables += [view.tail.select(["id", "outcome", "scores.macro_f1"])]
    rows = {row["id"].hex(): row for table in tables for row in table.to_pylist()}
    assert len(rows) == 4
    for experience in _expected():
        row = rows[experience.id]
        assert row["outcome"] == experience.outcome
        assert row["scores.macro_f1"] == experience.scores["macro_f1"].value
    for segment in view.segments:
        assert segment.read().size > 0


def test_what_it_holds_can_be_forgotten(store: FolderStore, name: str) -> None:
    assert store.forget(tenant="team-b").experiences == 1
    assert len(list(store.scan())) == 3
    assert len(list(store.read(SnapshotId(SNAPSHOTS[name])))) == 3
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
