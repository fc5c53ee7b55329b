"""What verify finds beside experiences: it changes nothing."""

from __future__ import annotations

import pytest

from tests.experience.contract.base import StoreFixtures
from tests.experience.contract.base import flip
from tests.experience.contract.base import keys
from tests.experience.samples import sample
from xautolm_core.experience.policy import TenantPolicy
from xautolm_core.experience.policy import write_policy
from xautolm_core.experience.store import ObjectExperienceStore
from xautolm_core.objects.contract import ObjectStorage


class VerifyingContract(StoreFixtures):
    """Nothing is changed by it."""

    def test_a_corrupt_tombstone_is_named_and_stays(
        self, store: ObjectExperienceStore, storage: ObjectStorage
    ) -> None:
        store.append(sample("a", 0, task_fingerprint="secret"))
        store.append(sample("a", 1))
        store.forget(task_fingerprint="secret")
        (key,) = keys(storage, "forgotten/")
        whole = storage.get(key)
        flip(storage, key, 20)
        fresh = ObjectExperienceStore(storage)
        report = fresh.verify()
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
        (fault,) = store.verify().faults
        assert fault.key == "tenants/team.json"
        assert "allow_class_names" in fault.problem
        assert keys(storage, "tenants/") == ["tenants/team.json"]

    def test_a_foreign_file_among_the_policies_is_named(
        self, store: ObjectExperienceStore, storage: ObjectStorage
    ) -> None:
        storage.put("tenants/a/b.json", b"{}")
        storage.put("tenants/README.txt", b"{}")
        assert {f.key for f in store.verify().faults} == set(keys(storage, "tenants/"))
