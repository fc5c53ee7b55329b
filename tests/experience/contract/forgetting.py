"""Forgetting: at once, everywhere, for good; what is counted stays."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.experience.contract.base import StoreFixtures
from tests.experience.contract.base import flip
from tests.experience.contract.base import keys
from tests.experience.samples import START
from tests.experience.samples import sample
from tests.experience.storages import DyingStorage
from tests.experience.storages import InterruptedBeforeChange
from tests.experience.storages import Killed
from xautolm_core.experience.accounting import JoulesLabel
from xautolm_core.experience.accounting import SecondsLabel
from xautolm_core.experience.columns import from_table
from xautolm_core.experience.policy import TenantPolicy
from xautolm_core.experience.policy import write_policy
from xautolm_core.experience.reader import StoreReader
from xautolm_core.experience.segment import segment_of
from xautolm_core.experience.store import ObjectExperienceStore
from xautolm_core.objects.contract import ObjectStorage
from xautolm_core.records.energy import EnergyReading
from xautolm_core.records.experience import Experience
from xautolm_core.records.outcome import Outcome

SECRET = "5ec2e7" * 10
NOTHING = timedelta(0)


def _secret(trial: int, **changes: object) -> Experience:
    energy = EnergyReading(component="cpu", joules=2.5, source="rapl", quality="A")
    return sample(
        "secret",
        trial,
        task_fingerprint=SECRET,
        task_name="secret task",
        tenant="theirs",
        energy=(energy,),
        **changes,
    )


def _fill(store: ObjectExperienceStore) -> None:
    """Append four of a task and three others: in segments, as objects, and as both."""
    store.append(_secret(0))
    store.append(sample("a", 0))
    store.append(_secret(1, outcome=Outcome.OOM_HOST))
    store.compact(grace=NOTHING)
    store.append(_secret(2))
    store.append(sample("a", 1))
    store.compact()
    store.append(_secret(3, ended_at=START - timedelta(days=3)))
    store.append(sample("a", 2))
    assert len(list(store.scan())) == 7


class ForgettingContract(StoreFixtures):
    """Whoever asks to be forgotten is."""

    def test_a_task_is_forgotten_everywhere(
        self, store: ObjectExperienceStore, storage: ObjectStorage
    ) -> None:
        _fill(store)
        before = store.totals()
        report = store.forget(task_fingerprint=SECRET)
        assert report.experiences == 4
        assert report.rewritten_segments == 2
        assert report.left == ()
        for reader in (store, ObjectExperienceStore(storage)):
            assert [e.search_id for e in reader.scan()] == ["a"] * 3
            assert [e.trial_number for e in reader.scan()] == [0, 1, 2]
            assert reader.get(_secret(0).id) is None
            assert reader.faults == ()
            assert reader.totals() == before
        assert _remains_of(storage, SECRET) == []
        assert _remains_of(storage, "secret task") == []
        assert store.verify().faults == ()
        assert store.forget(task_fingerprint=SECRET).experiences == 0

    def test_a_tenant_is_forgotten_with_its_name(
        self, store: ObjectExperienceStore, storage: ObjectStorage
    ) -> None:
        _fill(store)
        store.forget(task_fingerprint=SECRET)
        store.append(sample("b", 0, tenant="theirs"))
        before = store.totals()
        assert before.trials["theirs", "ok"] == 4
        assert store.forget(tenant="theirs").experiences == 1
        after = store.totals()
        assert after.trials["", "ok"] == 4
        assert after.trials.total() == before.trials.total() == 8
        assert not any(tenant == "theirs" for tenant, _ in after.trials)
        assert after.joules == {
            JoulesLabel("", "cpu", "ok", "rapl", "A"): 7.5,
            JoulesLabel("", "cpu", "oom_host", "rapl", "A"): 2.5,
        }
        assert sum(after.seconds.values()) == sum(before.seconds.values())
        assert after.seconds[SecondsLabel("", "ok", "train", "cpu")] == 4 * 10.5
        assert _remains_of(storage, "theirs") == []
        assert not any("theirs" in key for key in keys(storage, ""))

    @pytest.mark.parametrize("after", [False, True])
    def test_forgetting_may_be_killed_at_any_step(
        self, store: ObjectExperienceStore, storage: ObjectStorage, after: bool
    ) -> None:
        _fill(store)
        expected = store.totals()
        for step in range(1, 1000):
            task = f"task-{step}"
            store.append(sample("s", 2 * step, task_fingerprint=task))
            store.compact(grace=timedelta(hours=1))
            store.append(sample("s", 2 * step + 1, task_fingerprint=task))
            expected = store.totals()
            dying = ObjectExperienceStore(DyingStorage(storage, step, after=after))
            try:
                dying.forget(task_fingerprint=task)
            except Killed:
                has_begun = after or step > 1
                assert store.totals() == expected
                shown = [e for e in store.scan() if e.task_fingerprint == task]
                assert len(shown) == (0 if has_begun else 2)
                if has_begun and step % 2 == 0:
                    store.compact()
                else:
                    store.forget(task_fingerprint=task)
                assert _remains_of(storage, task) == []
                assert store.totals() == expected
                assert store.verify().faults == ()
                assert store.faults == ()
            else:
                break
        assert step > 3

    @pytest.mark.parametrize("after", [False, True])
    def test_forgetting_a_tenant_may_be_killed_at_any_step(
        self, store: ObjectExperienceStore, storage: ObjectStorage, after: bool
    ) -> None:
        store.append(sample("a", 0))
        for step in range(1, 1000):
            tenant = f"they-{step}"
            store.append(sample("s", 3 * step, tenant=tenant, task_fingerprint="old"))
            store.forget(task_fingerprint="old")
            store.append(sample("s", 3 * step + 1, tenant=tenant))
            store.compact(grace=NOTHING)
            store.append(sample("s", 3 * step + 2, tenant=tenant))
            write_policy(storage, tenant, TenantPolicy())
            storage.put(f"experiences/{tenant}/torn.json", b"torn")
            dying = ObjectExperienceStore(DyingStorage(storage, step, after=after))
            try:
                dying.forget(tenant=tenant)
            except Killed:
                has_begun = after or step > 1
                shown = [e for e in ObjectExperienceStore(storage).scan() if e.tenant == tenant]
                assert len(shown) == (0 if has_begun else 2)
                if has_begun and step % 2 == 0:
                    store.compact()
                else:
                    store.forget(tenant=tenant)
            totals = ObjectExperienceStore(storage).totals()
            assert totals.trials.total() == 3 * step + 1
            assert not any(name == tenant for name, _ in totals.trials)
            assert _remains_of(storage, tenant) == []
            assert not any(tenant in key for key in keys(storage, ""))
            assert store.verify().faults == ()
            if dying.storage._left > 0:  # type: ignore[attr-defined]
                break
        assert step > 8

    def test_a_compaction_meanwhile_brings_nothing_back(
        self, store: ObjectExperienceStore, storage: ObjectStorage
    ) -> None:
        for step in range(1, 1000):
            task = f"task-{step}"
            store.append(sample("s", step, task_fingerprint=task))
            store.append(sample("a", step))
            store.compact(grace=NOTHING)
            other = ObjectExperienceStore(storage)
            between = InterruptedBeforeChange(storage, step, partial(other.compact, grace=NOTHING))
            ObjectExperienceStore(between).forget(task_fingerprint=task)
            assert [e.trial_number for e in store.scan()] == list(range(1, step + 1))
            assert store.faults == ()
            store.compact(grace=NOTHING)
            assert _remains_of(storage, task) == []
            assert store.verify().faults == ()
            if not between.was_interrupted:
                break
        assert step > 2

    def test_new_experiences_of_the_task_are_welcome(self, store: ObjectExperienceStore) -> None:
        _fill(store)
        store.forget(task_fingerprint=SECRET)
        store.append(_secret(9))
        assert [e.trial_number for e in store.scan() if e.search_id == "secret"] == [9]
        store.compact(grace=NOTHING)
        assert [e.trial_number for e in store.scan() if e.search_id == "secret"] == [9]
        assert store.totals().trials.total() == 8

    def test_what_was_forgotten_does_not_come_back(
        self, store: ObjectExperienceStore, storage: ObjectStorage
    ) -> None:
        _fill(store)
        store.forget(task_fingerprint=SECRET)
        store.append(_secret(0))
        assert len(list(store.scan())) == 3
        assert any("was forgotten" in fault.problem for fault in store.verify().faults)
        store.compact()
        assert _remains_of(storage, SECRET) == []
        assert store.totals().trials.total() == 7

    def test_a_broken_segment_is_told(
        self, store: ObjectExperienceStore, storage: ObjectStorage
    ) -> None:
        for trial in range(3):
            store.append(_secret(trial))
        store.compact(grace=NOTHING)
        (segment,) = keys(storage, "segments/")
        flip(storage, segment, 5)  # in the first page
        report = ObjectExperienceStore(storage).forget(task_fingerprint=SECRET)
        assert {fault.key for fault in report.left} == {segment}
        assert segment in keys(storage, "segments/")

    def test_corrupt_objects_of_a_tenant_go_with_it(
        self, store: ObjectExperienceStore, storage: ObjectStorage
    ) -> None:
        store.append(_secret(0))
        store.append(sample("a", 0))
        (theirs,) = keys(storage, "experiences/theirs/")
        storage.put(theirs, storage.get(theirs)[:-9])
        (kept,) = keys(storage, "experiences/default/")
        storage.put(kept, b"torn")
        report = store.forget(tenant="theirs")
        assert report.experiences == 0
        assert keys(storage, "experiences/") == [kept]
        assert report.left == ()

    def test_one_thing_at_a_time(self, store: ObjectExperienceStore) -> None:
        with pytest.raises(ValueError, match="either"):
            store.forget()
        with pytest.raises(ValueError, match="either"):
            store.forget(tenant="a", task_fingerprint="b")


def _remains_of(storage: ObjectStorage, word: str) -> list[str]:
    """Return the keys of all files that still hold a word, packed or not."""
    reader = StoreReader(storage)
    found = []
    for info in storage.list():
        text = storage.get(info.key).decode(errors="replace")
        if info.key.endswith(".parquet"):
            table = pq.read_table(pa.BufferReader(storage.get(info.key)))
            # Words that no row has any more would still be in the file.
            for column in table.columns:
                for chunk in column.chunks if pa.types.is_dictionary(column.type) else ():
                    text += "".join(chunk.dictionary.to_pylist())
        if info.key.startswith("segments/"):
            segment = segment_of(info.key)
            assert segment is not None
            tables = reader.tables(segment)
            text += "".join(row.payload.text for table in tables for row in from_table(table))
        if word in text:
            found.append(info.key)
    return found
