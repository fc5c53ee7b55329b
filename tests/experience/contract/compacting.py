"""Snapshots and compaction."""

from __future__ import annotations

from datetime import timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.experience.contract.base import StoreFixtures
from tests.experience.contract.base import keys
from tests.experience.samples import START
from tests.experience.samples import sample
from tests.experience.storages import DyingStorage
from tests.experience.storages import InterruptedStorage
from tests.experience.storages import Killed
from xautolm_core.errors import ConfigError
from xautolm_core.errors import StoreError
from xautolm_core.experience.compaction import MOST_SMALL_SEGMENTS
from xautolm_core.experience.contract import SnapshotId
from xautolm_core.experience.damage import Damage
from xautolm_core.experience.frontier import read_frontier
from xautolm_core.experience.policy import TenantPolicy
from xautolm_core.experience.policy import write_policy
from xautolm_core.experience.store import ObjectExperienceStore
from xautolm_core.objects.contract import ObjectStorage
from xautolm_core.records.outcome import Outcome


class CompactingContract(StoreFixtures):
    """Compaction changes nothing that can be seen; snapshots stay what they were."""

    def test_a_snapshot_is_read_exactly(self, store: ObjectExperienceStore) -> None:
        first = [sample("a", i) for i in range(3)]
        for experience in first:
            store.append(experience)
        pinned = store.snapshot()
        assert store.snapshot() == pinned
        store.append(sample("a", 9))
        store.append(sample("early", 0, ended_at=START - timedelta(days=9)))
        assert list(store.read(pinned)) == first
        assert store.compact() == 5
        assert list(store.read(pinned)) == first
        assert len(list(store.scan())) == 5

    def test_a_snapshot_of_compacted_experiences(self, store: ObjectExperienceStore) -> None:
        store.append(sample("a", 0))
        store.compact()
        store.append(sample("a", 1))
        pinned = store.snapshot()
        store.compact()
        assert [e.trial_number for e in store.read(pinned)] == [0, 1]

    def test_an_unknown_snapshot_is_refused(self, store: ObjectExperienceStore) -> None:
        for value in ("0" * 64, "../../etc/passwd", ""):
            with pytest.raises(StoreError):
                store.read(SnapshotId(value))

    def test_a_snapshot_names_what_is_gone(
        self, store: ObjectExperienceStore, storage: ObjectStorage
    ) -> None:
        store.append(sample("a", 0))
        store.append(sample("a", 1))
        pinned = store.snapshot()
        (first, _) = [i.key for i in storage.list("experiences/")]
        storage.delete(first)
        assert [e.trial_number for e in store.read(pinned)] == [1]
        assert [(f.key, f.problem) for f in store.faults] == [(first, "is gone")]

    def test_compaction_counts_and_keeps_everything(
        self, store: ObjectExperienceStore, storage: ObjectStorage
    ) -> None:
        for trial in range(4):
            store.append(sample("a", trial))
        before = list(store.scan())
        assert store.compact() == 4
        assert store.compact() == 0
        assert list(store.scan()) == before
        store.append(sample("b", 0))
        assert store.compact() == 1
        assert len(list(store.scan())) == 5
        assert len(list(storage.list("experiences/"))) == 5
        assert store.verify().faults == ()

    def test_an_object_with_an_old_clock_belongs_to_the_tail(
        self, store: ObjectExperienceStore
    ) -> None:
        store.append(sample("a", 0))
        store.compact()
        store.append(sample("late", 0, ended_at=START - timedelta(days=400)))
        assert [e.search_id for e in store.scan()] == ["late", "a"]

    @pytest.mark.parametrize("after", [False, True])
    @pytest.mark.parametrize("grace_seconds", [0, 3600])
    def test_compaction_may_be_killed_at_any_step(
        self,
        store: ObjectExperienceStore,
        storage: ObjectStorage,
        grace_seconds: int,
        after: bool,
    ) -> None:
        grace = timedelta(seconds=grace_seconds)
        for trial in range(12):
            store.append(sample("a", trial))
            store.compact(grace=grace)
        store.append(sample("a", 12))
        pinned = store.snapshot()
        store.append(sample("b", 0, ended_at=START - timedelta(days=1)))
        expected = list(store.scan())
        for step in range(1, 1000):
            dying = ObjectExperienceStore(DyingStorage(storage, step, after=after))  # type: ignore[arg-type]
            try:
                dying.compact(grace=grace)
            except Killed:
                assert list(store.scan()) == expected
                assert len(list(store.read(pinned))) == 13
                assert store.faults == ()
                store.append(sample("b", step))
                expected = list(store.scan())
            else:
                break
        assert step > 3
        store.compact(grace=timedelta(0))
        assert list(store.scan()) == expected
        assert len(list(store.read(pinned))) == 13
        assert store.verify().faults == ()
        assert list(storage.list("experiences/")) == []

    def test_objects_stay_for_the_grace_period(
        self, store: ObjectExperienceStore, storage: ObjectStorage
    ) -> None:
        for trial in range(3):
            store.append(sample("a", trial))
        assert store.compact(grace=timedelta(hours=1)) == 3
        assert len(keys(storage, "experiences/")) == 3
        assert store.compact(grace=timedelta(hours=1)) == 0
        assert len(keys(storage, "experiences/")) == 3
        assert store.stats().covered_objects == 3
        before = list(store.scan())
        assert store.compact(grace=timedelta(0)) == 0
        assert keys(storage, "experiences/") == []
        assert list(store.scan()) == before

    def test_the_grace_period_is_a_setting(
        self,
        store: ObjectExperienceStore,
        storage: ObjectStorage,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        store.append(sample())
        monkeypatch.setenv("XAUTOLM_STORE_GRACE_SECONDS", "soon")
        with pytest.raises(ConfigError, match="no number of seconds"):
            store.compact()
        monkeypatch.setenv("XAUTOLM_STORE_GRACE_SECONDS", "0")
        store.compact()
        assert keys(storage, "experiences/") == []

    def test_what_was_retired_may_be_appended_again(
        self, store: ObjectExperienceStore, storage: ObjectStorage
    ) -> None:
        store.append(sample())
        store.compact(grace=timedelta(0))
        store.append(sample())
        store.append(sample(scores={}))  # another content for the same attempt: the first counts
        assert len(keys(storage, "experiences/")) == 1
        assert list(store.scan()) == [sample()]
        assert store.compact(grace=timedelta(0)) == 0
        assert list(store.scan()) == [sample()]
        assert keys(storage, "experiences/") == []

    def test_small_segments_are_merged_and_old_manifests_go(
        self, store: ObjectExperienceStore, storage: ObjectStorage
    ) -> None:
        for trial in range(20):
            store.append(sample("a", trial))
            store.compact(grace=timedelta(0))
        assert 1 < len(keys(storage, "segments/")) <= MOST_SMALL_SEGMENTS + 1
        assert len(keys(storage, "manifests/")) == 2
        assert [e.trial_number for e in store.scan()] == list(range(20))
        assert store.verify().faults == ()

    def test_large_segments_are_never_written_again(
        self,
        store: ObjectExperienceStore,
        storage: ObjectStorage,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr("xautolm_core.experience.writing.SEGMENT_ROWS", 10)
        monkeypatch.setattr("xautolm_core.experience.compaction.SEGMENT_ROWS", 10)
        monkeypatch.setattr("xautolm_core.experience.compaction._SMALL_ROWS", 5)
        for trial in range(25):
            store.append(sample("a", trial))
        store.compact(grace=timedelta(0))
        large = set(keys(storage, "segments/"))
        assert len(large) == 3
        for trial in range(25, 40):
            store.append(sample("a", trial))
            store.compact(grace=timedelta(0))
        assert large <= set(keys(storage, "segments/"))
        assert [e.trial_number for e in store.scan()] == list(range(40))

    def test_rows_of_merged_segments_are_covered_since_they_were_written(
        self, store: ObjectExperienceStore, storage: ObjectStorage
    ) -> None:
        written = {}
        for trial in range(MOST_SMALL_SEGMENTS + 2):
            store.append(sample("a", trial))
            store.compact(grace=timedelta(hours=1))
            for info in storage.list("segments/"):
                written.setdefault(info.key, info.modified_at)
        frontier = read_frontier(storage, Damage())
        (merged,) = (e for e in frontier.segments.values() if e.covered_since is not None)
        assert merged.covered_since is not None
        assert merged.covered_since < written[merged.key]
        assert merged.covered_since in written.values()

    def test_heads_of_a_race_are_joined(
        self, store: ObjectExperienceStore, storage: ObjectStorage
    ) -> None:
        other = ObjectExperienceStore(storage)
        most = 0
        for operation in range(4, 40, 4):
            store.append(sample("a", operation))
            slow = InterruptedStorage(storage, operation, other.compact)
            ObjectExperienceStore(slow).compact()
            most = max(most, len(read_frontier(storage, Damage()).heads))
            assert [e.trial_number for e in store.scan()] == list(range(4, operation + 1, 4))
            store.compact(grace=timedelta(0))
            assert len(read_frontier(storage, Damage()).heads) == 1
        assert most == 2
        assert store.faults == ()
        assert store.verify().faults == ()

    def test_a_snapshot_keeps_its_segments(
        self, store: ObjectExperienceStore, storage: ObjectStorage
    ) -> None:
        for trial in range(5):
            store.append(sample("a", trial))
            store.compact(grace=timedelta(0))
        pinned = store.snapshot()
        segments = set(keys(storage, "segments/"))
        for trial in range(5, 12):
            store.append(sample("a", trial))
            store.compact(grace=timedelta(0))
        assert segments <= set(keys(storage, "segments/"))
        assert [e.trial_number for e in store.read(pinned)] == list(range(5))
        latest = store.snapshot()
        store.compact(grace=timedelta(0), keep=1)
        assert keys(storage, "snapshots/") == [f"snapshots/{latest.value}.json"]
        assert not segments <= set(keys(storage, "segments/"))
        assert [e.trial_number for e in store.read(latest)] == list(range(12))
        with pytest.raises(StoreError, match="no snapshot"):
            store.read(pinned)

    def test_what_was_just_pinned_is_viewed_without_reading_it_again(
        self, store: ObjectExperienceStore, storage: ObjectStorage
    ) -> None:
        for trial in range(3):
            store.append(sample("a", trial))
        store.append(sample("b", 3, task_fingerprint="0" * 64))
        pinned = store.snapshot()
        expected = store.view(pinned).tail
        again = store.snapshot()
        for key in keys(storage, "experiences/"):
            storage.delete(key)
        assert store.view(again).tail.equals(expected)
        assert store.faults == ()
        # Once: whoever looks later sees what is there.
        assert store.view(again).tail.num_rows == 0
        assert len(store.faults) == 4

    def test_what_was_forgotten_since_is_in_no_view(
        self, store: ObjectExperienceStore, storage: ObjectStorage
    ) -> None:
        store.append(sample("a", 0))
        store.append(sample("b", 1, task_fingerprint="0" * 64))
        pinned = store.snapshot()
        store.forget(task_fingerprint="0" * 64)
        assert store.view(pinned).tail["trial_number"].to_pylist() == [0]

    def test_a_corrupt_snapshot_is_not_deleted_and_counts_for_no_sound_one(
        self, store: ObjectExperienceStore, storage: ObjectStorage
    ) -> None:
        pinned = []
        for trial in range(3):
            store.append(sample("a", trial))
            pinned.append(f"snapshots/{store.snapshot().value}.json")
        storage.put(pinned[2], storage.get(pinned[2])[:-9])
        store.compact(grace=timedelta(0), keep=1)
        assert keys(storage, "snapshots/") == sorted(pinned[1:])
        assert [fault.key for fault in store.verify().faults] == [pinned[2]]

    def test_a_pinned_object_is_found_in_a_segment(
        self, store: ObjectExperienceStore, storage: ObjectStorage
    ) -> None:
        for trial in range(3):
            store.append(sample("a", trial))
        pinned = store.snapshot()
        store.append(sample("a", 3))
        for _ in range(2):
            store.compact(grace=timedelta(0))
        assert keys(storage, "experiences/") == []
        assert [e.trial_number for e in store.read(pinned)] == [0, 1, 2]
        assert store.faults == ()

    def test_a_pin_writes_nothing(
        self, store: ObjectExperienceStore, storage: ObjectStorage
    ) -> None:
        store.append(sample("a", 0))
        store.compact()
        store.append(sample("a", 1))
        before = keys(storage, "")
        pin = store.pin()
        assert store.view().snapshot_pin == pin
        assert keys(storage, "") == before
        store.append(sample("a", 2))
        assert [e.trial_number for e in store.read_pin(pin)] == [0, 1]
        kept = store.keep_pin(pin)
        assert [e.trial_number for e in store.read(kept)] == [0, 1]
        for wrong in (b"", b"{}", pin[:-1], pin.replace(b"a", b"b", 1)):
            with pytest.raises(StoreError, match="pin"):
                store.read_pin(wrong)

    def test_a_view_has_all_rows_as_columns(
        self, store: ObjectExperienceStore, storage: ObjectStorage
    ) -> None:
        for trial in range(4):
            store.append(sample("a", trial))
        store.compact()
        pinned = store.snapshot()
        store.append(sample("b", 9, tenant="other"))
        columns = ["id", "tenant", "scores.macro_f1", "ended_at"]
        view = store.view()
        (segment,) = view.segments
        assert segment.rows == 4
        assert segment.table(columns).num_rows == 4
        assert view.tail["tenant"].to_pylist() == ["other"]
        assert pq.read_table(pa.BufferReader(segment.read())).num_rows == 4
        if segment.path is not None:
            assert segment.path.read_bytes() == segment.read().to_pybytes()
        old = store.view(pinned)
        assert [s.key for s in old.segments] == [segment.key]
        assert old.tail.num_rows == 0
        assert old.hidden == frozenset()

    def test_what_a_lost_manifest_named_is_found_again(
        self, store: ObjectExperienceStore, storage: ObjectStorage
    ) -> None:
        for trial in range(3):
            store.append(sample("a", trial))
        store.compact(grace=timedelta(0))
        for key in keys(storage, "manifests/"):
            storage.delete(key)
        assert store.compact(grace=timedelta(0)) == 3
        assert [e.trial_number for e in store.scan()] == [0, 1, 2]
        store.compact(grace=timedelta(0))
        assert len(keys(storage, "segments/")) == 1
        assert store.verify().faults == ()

    def test_leftovers_are_noted_and_cleared(
        self, store: ObjectExperienceStore, storage: ObjectStorage
    ) -> None:
        store.append(sample("a", 0))
        dying = ObjectExperienceStore(DyingStorage(storage, 2, after=True))
        with pytest.raises(Killed):
            dying.compact()  # the clock, and a segment without a manifest
        (left,) = keys(storage, "segments/")
        report = store.verify()
        assert report.faults == ()
        assert [note.key for note in report.notes] == [left]
        for _ in range(2):
            store.compact(grace=timedelta(0))
        assert left not in keys(storage, "segments/")
        assert store.verify().notes == ()
        assert list(store.scan()) == [sample("a", 0)]

    def test_the_stats_count(self, store: ObjectExperienceStore, storage: ObjectStorage) -> None:
        assert store.stats().experiences == 0
        store.append(sample("a", 0))
        store.append(sample("a", 1, outcome=Outcome.OOM_HOST))
        store.compact()
        store.append(sample("b", 0, tenant="other", task_name="news"))
        store.append(sample("b", 0, tenant="other", ended_at=START + timedelta(days=9)))
        store.snapshot()
        write_policy(storage, "other", TenantPolicy())
        stats = store.stats()
        assert stats.objects_by_kind["tenants"] == 1
        assert sum(stats.objects_by_kind.values()) == len(keys(storage, ""))
        assert stats.experiences == 3
        assert stats.by_tenant == {"default": 2, "other": 1}
        assert stats.by_task == {"news": 1, "reviews": 2}
        assert stats.by_outcome == {"ok": 2, "oom_host": 1}
        assert (stats.segments, stats.tail, stats.covered_objects) == (1, 2, 2)
        assert stats.snapshots == 1
        assert stats.bytes_by_kind["segments"] > 0
        assert stats.newest_manifest_at is not None
        assert stats.faults == ()
