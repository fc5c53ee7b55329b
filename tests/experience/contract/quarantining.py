"""What verify finds beside experiences, and what quarantine moves and what it leaves."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.experience.contract.base import StoreFixtures
from tests.experience.contract.base import flip
from tests.experience.contract.base import key_of
from tests.experience.contract.base import keys
from tests.experience.contract.base import position_in_row_group
from tests.experience.samples import sample
from tests.experience.storages import DyingStorage
from tests.experience.storages import Killed
from xautolm_core.experience.policy import TenantPolicy
from xautolm_core.experience.policy import write_policy
from xautolm_core.experience.store import ObjectExperienceStore
from xautolm_core.objects.contract import ObjectStorage


class QuarantineContract(StoreFixtures):
    """Nothing is lost by it."""

    def test_a_corrupt_tombstone_is_never_quarantined(
        self, store: ObjectExperienceStore, storage: ObjectStorage
    ) -> None:
        store.append(sample("a", 0, task_fingerprint="secret"))
        store.append(sample("a", 1))
        store.forget(task_fingerprint="secret")
        (key,) = keys(storage, "forgotten/")
        whole = storage.get(key)
        flip(storage, key, 20)
        fresh = ObjectExperienceStore(storage)
        report = fresh.verify(quarantine=True)
        assert report.quarantined == ()
        (fault,) = report.faults
        assert fault.key == key
        assert "from a backup" in fault.problem
        assert keys(storage, "forgotten/") == [key]
        # Put back, it does again what it did.
        storage.put(key, whole)
        fresh = ObjectExperienceStore(storage)
        fresh.append(sample("a", 0, task_fingerprint="secret"))
        assert [e.trial_number for e in fresh.scan()] == [1]
        assert fresh.totals().trials.total() == 2

    @pytest.mark.parametrize("place", [0, 5, 12, 24, -1])
    def test_a_flipped_bit_in_a_policy_is_named_and_left_to_who_wrote_it(
        self, store: ObjectExperienceStore, storage: ObjectStorage, place: int
    ) -> None:
        write_policy(storage, "team", TenantPolicy(allow_class_names=True))
        assert store.verify().objects == 1
        assert store.verify().faults == ()
        flip(storage, "tenants/team.json", place)
        (fault,) = store.verify(quarantine=True).faults
        assert fault.key == "tenants/team.json"
        assert "allow_class_names" in fault.problem
        assert keys(storage, "tenants/") == ["tenants/team.json"]

    def test_a_foreign_file_among_the_policies_is_named(
        self, store: ObjectExperienceStore, storage: ObjectStorage
    ) -> None:
        storage.put("tenants/a/b.json", b"{}")
        storage.put("tenants/README.txt", b"{}")
        assert {f.key for f in store.verify(quarantine=True).faults} == set(
            keys(storage, "tenants/")
        )

    def test_quarantine_moves_what_is_corrupt_and_saves_the_rest(
        self,
        store: ObjectExperienceStore,
        storage: ObjectStorage,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr("xautolm_core.experience.segment.ROW_GROUP_ROWS", 4)
        for trial in range(12):
            store.append(sample("a", trial))
        store.compact(grace=timedelta(0))
        store.append(sample("b", 0))
        store.append(sample("b", 1))
        (segment,) = keys(storage, "segments/")
        flip(storage, segment, position_in_row_group(storage, segment, 0))
        torn = key_of(storage, "b")
        storage.put(torn, b"torn")
        damaged = storage.get(segment)
        fresh = ObjectExperienceStore(storage)
        assert fresh.verify().quarantined == ()
        assert segment in keys(storage, "segments/")
        report = fresh.verify(quarantine=True)
        assert {fault.key for fault in report.faults} == {segment, torn}
        assert set(report.quarantined) == {f"quarantine/{segment}", f"quarantine/{torn}"}
        assert storage.get(f"quarantine/{segment}") == damaged
        assert segment not in keys(storage, "segments/")
        fresh = ObjectExperienceStore(storage)
        assert len(list(fresh.scan())) == 9
        assert fresh.faults == ()
        assert fresh.verify().faults == ()
        fresh.compact(grace=timedelta(0))
        assert fresh.verify().faults == ()
        assert len(list(fresh.scan())) == 9

    @pytest.mark.parametrize("after", [False, True])
    def test_quarantine_may_be_killed_at_any_step(
        self,
        store: ObjectExperienceStore,
        storage: ObjectStorage,
        monkeypatch: pytest.MonkeyPatch,
        after: bool,
    ) -> None:
        monkeypatch.setattr("xautolm_core.experience.segment.ROW_GROUP_ROWS", 4)
        for trial in range(12):
            store.append(sample("a", trial))
        store.compact(grace=timedelta(0))
        (segment,) = keys(storage, "segments/")
        flip(storage, segment, position_in_row_group(storage, segment, 0))
        for step in range(1, 10):
            try:
                dying = ObjectExperienceStore(DyingStorage(storage, step, after=after))
                dying.verify(quarantine=True)
            except Killed:
                found = [e.trial_number for e in ObjectExperienceStore(storage).scan()]
                assert found == list(range(4, 12))
            else:
                break
        assert step > 2
        ObjectExperienceStore(storage).compact(grace=timedelta(0))
        fresh = ObjectExperienceStore(storage)
        assert [e.trial_number for e in fresh.scan()] == list(range(4, 12))
        assert fresh.verify().faults == ()
        assert keys(storage, "quarantine/") == [f"quarantine/{segment}"]
