"""Compaction."""

from __future__ import annotations

import time
from datetime import timedelta
from functools import partial

import pytest

from tests.experience.contract.base import StoreFixtures
from tests.experience.contract.base import keys
from tests.experience.samples import START
from tests.experience.samples import sample
from tests.experience.storages import DyingStorage
from tests.experience.storages import InterruptedStorage
from tests.experience.storages import Killed
from xautolm_core.errors import ConfigError
from xautolm_core.experience.codec import decode
from xautolm_core.experience.codec import encode
from xautolm_core.experience.columns import Row
from xautolm_core.experience.columns import to_table
from xautolm_core.experience.compaction import MOST_SMALL_SEGMENTS
from xautolm_core.experience.keys import experience_key
from xautolm_core.experience.policy import TenantPolicy
from xautolm_core.experience.policy import write_policy
from xautolm_core.experience.store import ObjectExperienceStore
from xautolm_core.experience.writing import write_segments
from xautolm_core.objects.contract import ObjectStorage
from xautolm_core.records.experience import Experience
from xautolm_core.records.outcome import Outcome

NOTHING = timedelta(0)


class CompactingContract(StoreFixtures):
    """Compaction changes nothing that can be seen."""

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
        store.append(sample("b", 0, ended_at=START - timedelta(days=1)))
        expected = list(store.scan())
        for step in range(1, 1000):
            dying = ObjectExperienceStore(DyingStorage(storage, step, after=after))  # type: ignore[arg-type]
            try:
                dying.compact(grace=grace)
            except Killed:
                assert list(store.scan()) == expected
                assert store.faults == ()
                store.append(sample("b", step))
                expected = list(store.scan())
            else:
                break
        assert step > 2
        store.compact(grace=timedelta(0))
        assert list(store.scan()) == expected
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
        assert store.stats().held_objects == 3
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

    def test_small_segments_are_merged(
        self, store: ObjectExperienceStore, storage: ObjectStorage
    ) -> None:
        for trial in range(20):
            store.append(sample("a", trial))
            store.compact(grace=timedelta(0))
        assert 1 < len(keys(storage, "segments/")) <= MOST_SMALL_SEGMENTS + 1
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

    def test_merged_segments_stay_for_the_grace_period_and_are_merged_once(
        self, store: ObjectExperienceStore, storage: ObjectStorage
    ) -> None:
        for trial in range(MOST_SMALL_SEGMENTS):
            store.append(sample("a", trial))
            store.compact(grace=NOTHING)
        count = MOST_SMALL_SEGMENTS + 1
        store.append(sample("a", MOST_SMALL_SEGMENTS))
        for _ in range(3):
            store.compact(grace=timedelta(hours=1))
            assert len(keys(storage, "segments/")) == count + 1
            assert [e.trial_number for e in store.scan()] == list(range(count))
            assert store.stats().experiences == count
        merged = max(store.reader.look().segments, key=lambda segment: segment.rank)
        assert (merged.generation, merged.rows) == (2, count)
        store.compact(grace=NOTHING)
        assert keys(storage, "segments/") == [merged.key]
        assert [e.trial_number for e in store.scan()] == list(range(count))

    def test_objects_do_not_wait_for_a_segment_that_was_just_merged(
        self, store: ObjectExperienceStore, storage: ObjectStorage
    ) -> None:
        for trial in range(MOST_SMALL_SEGMENTS):
            store.append(sample("a", trial))
            store.compact(grace=timedelta(hours=1))
        time.sleep(1.1)
        store.append(sample("a", MOST_SMALL_SEGMENTS))
        store.compact(grace=timedelta(seconds=1))
        assert len(keys(storage, "experiences/")) == 1
        assert len(keys(storage, "segments/")) == MOST_SMALL_SEGMENTS + 2

    def test_of_two_compactors_one_keeps_what_both_wrote(
        self, store: ObjectExperienceStore, storage: ObjectStorage
    ) -> None:
        other = ObjectExperienceStore(storage)
        most = 0
        for operation in range(4, 40, 4):
            store.append(sample("a", operation))
            slow = InterruptedStorage(storage, operation, other.compact)
            ObjectExperienceStore(slow).compact()
            rows = sum(segment.rows for segment in store.reader.look().segments)
            most = max(most, rows - len(list(store.scan())))
            assert [e.trial_number for e in store.scan()] == list(range(4, operation + 1, 4))
            store.compact(grace=NOTHING)
            rows = sum(segment.rows for segment in store.reader.look().segments)
            assert rows == len(list(store.scan()))
        assert most > 0
        assert store.faults == ()
        assert store.verify().faults == ()

    def test_two_who_delete_at_once_lose_nothing(
        self, store: ObjectExperienceStore, storage: ObjectStorage
    ) -> None:
        """The same rows in several segments: each deletes for what the other may delete."""
        for operation in range(1, 60):
            rows = [_row(sample("a", trial)) for trial in range(3)]
            for count in (2, 3, 3):
                write_segments(storage, [to_table(rows[:count])], generation=1)
            write_segments(storage, [to_table(rows[1:])], generation=2)
            other = ObjectExperienceStore(storage)
            slow = InterruptedStorage(storage, operation, partial(other.compact, grace=NOTHING))
            ObjectExperienceStore(slow).compact(grace=NOTHING)
            assert [e.trial_number for e in store.scan()] == [0, 1, 2]
            assert len(keys(storage, "segments/")) == 2
            if not slow.was_interrupted:
                break
            storage.delete_many(keys(storage, ""))
        assert operation > 10

    def test_a_view_has_all_rows_as_columns(self, store: ObjectExperienceStore) -> None:
        for trial in range(4):
            store.append(sample("a", trial))
        store.compact()
        store.append(sample("b", 9, tenant="other"))
        view = store.view()
        (segment,) = view.segments
        assert segment.open().rows == 4
        assert segment.table(["id", "tenant", "scores.macro_f1", "ended_at"]).num_rows == 4
        assert segment.table().num_rows == 4
        assert view.tail["tenant"].to_pylist() == ["other"]
        assert view.hidden == frozenset()

    def test_what_a_killed_compactor_wrote_is_used(
        self, store: ObjectExperienceStore, storage: ObjectStorage
    ) -> None:
        store.append(sample("a", 0))
        with pytest.raises(Killed):
            ObjectExperienceStore(DyingStorage(storage, 1, after=True)).compact()
        (left,) = keys(storage, "segments/")
        report = store.verify()
        assert (report.faults, report.notes) == ((), ())
        assert store.compact(grace=NOTHING) == 0
        assert keys(storage, "segments/") == [left]
        assert keys(storage, "experiences/") == []
        assert list(store.scan()) == [sample("a", 0)]

    def test_the_stats_count(self, store: ObjectExperienceStore, storage: ObjectStorage) -> None:
        assert store.stats().experiences == 0
        store.append(sample("a", 0))
        store.append(sample("a", 1, outcome=Outcome.OOM_HOST))
        store.compact()
        store.append(sample("b", 0, tenant="other", task_name="news"))
        store.append(sample("b", 0, tenant="other", ended_at=START + timedelta(days=9)))
        write_policy(storage, "other", TenantPolicy())
        stats = store.stats()
        assert stats.objects_by_kind["tenants"] == 1
        assert sum(stats.objects_by_kind.values()) == len(keys(storage, ""))
        assert stats.experiences == 3
        assert stats.by_tenant == {"default": 2, "other": 1}
        assert stats.by_task == {"news": 1, "reviews": 2}
        assert stats.by_outcome == {"ok": 2, "oom_host": 1}
        assert (stats.segments, stats.tail, stats.held_objects) == (1, 2, 2)
        assert stats.bytes_by_kind["segments"] > 0
        assert stats.compacted_at is not None
        assert stats.faults == ()


def _row(experience: Experience) -> Row:
    return Row(experience_key(experience), decode(encode(experience)))
