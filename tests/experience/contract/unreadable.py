"""Objects that are listed and not there, or that cannot be read though they are whole."""

from __future__ import annotations

import math
from datetime import timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.experience.contract.base import StoreFixtures
from tests.experience.contract.base import key_of
from tests.experience.contract.base import keys
from tests.experience.samples import sample
from tests.experience.storages import DyingStorage
from tests.experience.storages import Killed
from tests.experience.storages import TroubledStorage
from xautolm_core.errors import StoreError
from xautolm_core.experience.damage import GHOST
from xautolm_core.experience.store import ObjectExperienceStore
from xautolm_core.objects.contract import ObjectStorage

NOTHING = timedelta(0)
SECRET = "5ec2e7" * 10


class UnreadableContract(StoreFixtures):
    """Whatever cannot be read is named and skipped, and is there again once it can be."""

    @pytest.fixture
    def at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Look again without waiting."""
        monkeypatch.setattr("xautolm_core.experience.damage.FIRST_WAIT_SECONDS", 0.0)

    @pytest.fixture(params=[False, True], ids=["absent", "refused"])
    def refused(self, request: pytest.FixtureRequest, at_once: None) -> bool:
        return bool(request.param)

    def test_what_appears_late_is_read(
        self, store: ObjectExperienceStore, storage: ObjectStorage
    ) -> None:
        for trial in range(3):
            store.append(sample("a", trial))
        slow = TroubledStorage(storage, {key_of(storage, "a"): 3})
        fresh = ObjectExperienceStore(slow)
        assert fresh.stats().experiences == 3
        assert fresh.faults == ()

    def test_a_single_object_is_skipped_and_never_dropped(
        self, store: ObjectExperienceStore, storage: ObjectStorage, refused: bool
    ) -> None:
        store.append(sample("a", 0))
        store.append(sample("lost", 1))
        lost = key_of(storage, "lost")
        troubled = TroubledStorage(storage, {lost: math.inf}, refused=refused)
        fresh = ObjectExperienceStore(troubled)
        assert [e.search_id for e in fresh.scan()] == ["a"]
        for act in (
            lambda one: one.stats().experiences,
            lambda one: one.totals().trials.total(),
            lambda one: one.view().tail.num_rows,
        ):
            fresh = ObjectExperienceStore(troubled)
            assert act(fresh) == 1
            assert [fault.key for fault in fresh.faults] == [lost]
        assert fresh.get(sample("lost", 1).id) is None
        assert fresh.get(sample("a", 0).id) is not None
        assert [f.key for f in fresh.verify().faults] == [lost]
        for _ in range(3):
            ObjectExperienceStore(troubled).compact(grace=NOTHING)
        assert keys(storage, "experiences/") == [lost]
        healed = ObjectExperienceStore(storage)
        assert [e.search_id for e in healed.scan()] == ["a", "lost"]
        assert healed.faults == ()

    def test_what_is_written_again_is_read_again(
        self, store: ObjectExperienceStore, storage: ObjectStorage, refused: bool
    ) -> None:
        store.append(sample("a", 0))
        (lost,) = keys(storage, "experiences/")
        fresh = ObjectExperienceStore(TroubledStorage(storage, {lost: math.inf}, refused=refused))
        for _ in range(2):
            fresh.append(sample("a", 0))
        assert len(list(fresh.scan())) == int(refused)
        healed = ObjectExperienceStore(storage)
        assert list(healed.scan()) == [sample("a", 0)]
        assert healed.verify().faults == ()

    @pytest.mark.parametrize("number", [0, 1])
    def test_a_segment_is_skipped_and_never_dropped(
        self, store: ObjectExperienceStore, storage: ObjectStorage, refused: bool, number: int
    ) -> None:
        for search in ("a", "b"):
            for trial in range(3):
                store.append(sample(search, trial))
            store.compact(grace=NOTHING)
        store.append(sample("c", 0))
        lost = keys(storage, "segments/")[number]
        troubled = TroubledStorage(storage, {lost: math.inf}, refused=refused)
        fresh = ObjectExperienceStore(troubled)
        assert len(list(fresh.scan())) == 4
        assert fresh.stats().experiences == 4
        assert [fault.key for fault in fresh.faults] == [lost]
        assert ObjectExperienceStore(troubled).totals().trials.total() == 4
        assert lost in {fault.key for fault in fresh.verify().faults}
        for trial in range(1, 12):
            fresh = ObjectExperienceStore(troubled)
            fresh.append(sample("c", trial))
            fresh.compact(grace=NOTHING)
        healed = ObjectExperienceStore(storage)
        assert len(list(healed.scan())) == 6 + 12
        assert healed.verify().faults == ()

    def test_without_a_tombstone_nothing_is_read(
        self, store: ObjectExperienceStore, storage: ObjectStorage, refused: bool
    ) -> None:
        store.append(sample("a", 0, task_fingerprint=SECRET))
        store.append(sample("a", 1))
        store.forget(task_fingerprint=SECRET)
        (key,) = keys(storage, "forgotten/")
        fresh = ObjectExperienceStore(TroubledStorage(storage, {key: math.inf}, refused=refused))
        for act in (lambda: list(fresh.scan()), fresh.totals, fresh.compact, fresh.view):
            with pytest.raises(StoreError, match=f"{key}, which says what was forgotten") as caught:
                act()
            assert "from a backup" in caught.value.hint
        assert [f.key for f in fresh.verify().faults] == [key]
        assert keys(storage, "forgotten/") == [key]

    @pytest.mark.parametrize("kind", ["experiences/", "segments/"])
    def test_what_a_forgotten_task_may_have_left_is_named(
        self, store: ObjectExperienceStore, storage: ObjectStorage, refused: bool, kind: str
    ) -> None:
        if kind == "segments/":
            store.append(sample("secret", 0, task_fingerprint=SECRET))
            store.compact(grace=NOTHING)
        store.append(sample("a", 1))
        store.append(sample("secret", 2, task_fingerprint=SECRET))
        lost = key_of(storage, "secret") if kind == "experiences/" else keys(storage, kind)[0]
        fresh = ObjectExperienceStore(TroubledStorage(storage, {lost: math.inf}, refused=refused))
        assert [fault.key for fault in fresh.forget(task_fingerprint=SECRET).left] == [lost]
        assert [e.search_id for e in fresh.scan()] == ["a"]
        # Once it can be read, the whole is forgotten.
        healed = ObjectExperienceStore(storage)
        assert healed.forget(task_fingerprint=SECRET).left == ()
        healed.compact(grace=NOTHING)
        assert [e.search_id for e in healed.scan()] == ["a"]
        assert healed.verify().faults == ()
        assert _rows_in_segments(storage) == 1
        assert keys(storage, "experiences/") == []

    def test_of_a_forgotten_tenant_even_that_is_deleted(
        self, store: ObjectExperienceStore, storage: ObjectStorage, refused: bool
    ) -> None:
        store.append(sample("a", 0, tenant="theirs"))
        store.append(sample("b", 1, tenant="theirs"))
        store.append(sample("c", 2))
        lost = key_of(storage, "a")
        fresh = ObjectExperienceStore(TroubledStorage(storage, {lost: math.inf}, refused=refused))
        assert fresh.forget(tenant="theirs").left == ()
        assert len(keys(storage, "experiences/")) == 1
        assert [e.search_id for e in ObjectExperienceStore(storage).scan()] == ["c"]

    def test_what_cannot_be_purged_now_is_purged_later(
        self, store: ObjectExperienceStore, storage: ObjectStorage, refused: bool
    ) -> None:
        store.append(sample("secret", 0, task_fingerprint=SECRET))
        store.append(sample("a", 1))
        store.compact(grace=NOTHING)
        with pytest.raises(Killed):
            ObjectExperienceStore(DyingStorage(storage, 1, after=True)).forget(
                task_fingerprint=SECRET
            )
        store.append(sample("a", 2))  # whose key has to be looked for in the segment
        (lost,) = keys(storage, "segments/")
        troubled = TroubledStorage(storage, {lost: math.inf}, refused=refused)
        for _ in range(2):
            ObjectExperienceStore(troubled).compact(grace=NOTHING)
        healed = ObjectExperienceStore(storage)
        healed.compact(grace=NOTHING)
        assert _rows_in_segments(storage) == 2
        assert [e.trial_number for e in healed.scan()] == [1, 2]
        assert healed.faults == ()

    def test_a_mended_tombstone_is_purged_again(
        self, store: ObjectExperienceStore, storage: ObjectStorage
    ) -> None:
        store.append(sample("secret", 0, task_fingerprint=SECRET))
        store.append(sample("a", 1))
        store.compact(grace=NOTHING)
        with pytest.raises(Killed):
            ObjectExperienceStore(DyingStorage(storage, 1, after=True)).forget(
                task_fingerprint=SECRET
            )
        (key,) = keys(storage, "forgotten/")
        whole = storage.get(key)
        storage.put(key, b"torn")
        # What is purged meanwhile says nothing of it.
        fresh = ObjectExperienceStore(storage)
        fresh.append(sample("other", 2, task_fingerprint="other"))
        fresh.compact(grace=NOTHING)
        assert fresh.forget(task_fingerprint="other").left == ()
        storage.put(key, whole)
        healed = ObjectExperienceStore(storage)
        assert [e.search_id for e in healed.scan()] == ["a"]
        healed.compact(grace=NOTHING)
        assert _rows_in_segments(storage) == 1

    def test_a_ghost_is_called_one(
        self, store: ObjectExperienceStore, storage: ObjectStorage, at_once: None
    ) -> None:
        store.append(sample("a", 0))
        (key,) = keys(storage, "experiences/")
        fresh = ObjectExperienceStore(TroubledStorage(storage, {key: math.inf}))
        assert fresh.compact() == 0
        assert [(f.key, f.problem) for f in fresh.faults] == [(key, GHOST)]


def _rows_in_segments(storage: ObjectStorage) -> int:
    segments = [storage.get(key) for key in keys(storage, "segments/")]
    return sum(pq.read_table(pa.BufferReader(data)).num_rows for data in segments)
