"""Broken objects are named and skipped, and never deleted."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.experience.contract.base import StoreFixtures
from tests.experience.contract.base import flip
from tests.experience.contract.base import key_of
from tests.experience.contract.base import keys
from tests.experience.contract.base import position_in_row_group
from tests.experience.contract.base import sealed
from tests.experience.samples import sample
from xautolm_core.experience.codec import encode
from xautolm_core.experience.store import ObjectExperienceStore
from xautolm_core.objects.contract import ObjectStorage


class CorruptionContract(StoreFixtures):
    """A search goes on with what is whole."""

    @pytest.mark.parametrize(
        "damage",
        [
            lambda data: b"",
            lambda data: data[: len(data) // 2],
            lambda data: data.replace(b"0.8", b"0.9", 1),
            lambda data: b"\xff" + data[1:],
            lambda data: b"[]",
            lambda data: b'{"digest":"x","experience":{}}',
            lambda data: b"null",
            lambda data: b"[" * 100_000,
        ],
    )
    def test_a_corrupt_object_is_named_and_skipped(
        self,
        store: ObjectExperienceStore,
        storage: ObjectStorage,
        damage: Callable[[bytes], bytes],
    ) -> None:
        good = sample("good")
        store.append(good)
        store.append(sample("bad"))
        key = key_of(storage, "bad")
        storage.put(key, damage(storage.get(key)))
        assert list(store.scan()) == [good]
        assert [fault.key for fault in store.faults] == [key]
        assert [fault.key for fault in store.verify().faults] == [key]
        assert store.compact() == 1
        damaged = storage.get(key)
        # Written again, it is found again, and the corrupt object is still there as evidence.
        store.append(sample("bad"))
        store.append(sample("bad"))
        assert {e.search_id for e in store.scan()} == {"good", "bad"}
        assert storage.get(key) == damaged
        assert len(list(storage.list("experiences/"))) == 3

    def test_a_corrupt_object_is_still_read_from_a_segment(
        self, store: ObjectExperienceStore, storage: ObjectStorage
    ) -> None:
        store.append(sample())
        store.compact()
        key = key_of(storage, "search")
        storage.put(key, b"torn")
        assert list(store.scan()) == [sample()]
        assert [fault.key for fault in store.verify().faults] == [key]
        store.compact(grace=timedelta(0))
        assert storage.get(key) == b"torn"

    @pytest.mark.parametrize("remove", [False, True])
    def test_a_broken_segment_costs_speed_alone_as_long_as_the_objects_are_there(
        self, store: ObjectExperienceStore, storage: ObjectStorage, remove: bool
    ) -> None:
        for trial in range(3):
            store.append(sample("a", trial))
        store.compact()
        store.append(sample("a", 3))
        store.compact()
        for info in list(storage.list("segments/")):
            data = storage.get(info.key)
            if remove:
                storage.delete(info.key)
            else:
                storage.put(info.key, data[:-9] + b"?" + data[-8:])
        store = ObjectExperienceStore(storage)  # one that has read nothing of it yet
        assert len(list(store.scan())) == 4
        if not remove:
            assert store.faults
            assert store.verify().faults
        assert store.compact() == 4
        assert len(list(store.scan())) == 4

    @pytest.mark.parametrize(
        "name",
        [
            "notes.txt",
            f"{'0' * 64}.parquet",
            f"000001-3-{'0' * 12}-{'f' * 12}-{'0' * 64}-{'0' * 32}.parquet",
        ],
    )
    def test_a_foreign_file_among_the_segments_is_named_and_hides_nothing(
        self, store: ObjectExperienceStore, storage: ObjectStorage, name: str
    ) -> None:
        for trial in range(3):
            store.append(sample("a", trial))
        store.compact(grace=timedelta(0))
        storage.put(f"segments/{name}", b"hello")
        fresh = ObjectExperienceStore(storage)
        assert len(list(fresh.scan())) == 3
        assert [fault.key for fault in fresh.faults] == [f"segments/{name}"]
        for trial in range(3, 13):
            fresh.append(sample("a", trial))
            fresh.compact(grace=timedelta(0))
        assert [fault.key for fault in fresh.verify().faults] == [f"segments/{name}"]
        assert storage.get(f"segments/{name}") == b"hello"
        assert len(list(fresh.scan())) == 13

    def test_a_foreign_file_is_named_and_left_alone(
        self, store: ObjectExperienceStore, storage: ObjectStorage
    ) -> None:
        store.append(sample())
        storage.put("experiences/default/README.txt", b"hello")
        assert len(list(store.scan())) == 1
        assert [f.key for f in store.faults] == ["experiences/default/README.txt"]
        assert store.verify().objects == 2
        assert storage.get("experiences/default/README.txt") == b"hello"

    def test_what_a_newer_version_wrote_is_read(
        self, store: ObjectExperienceStore, storage: ObjectStorage
    ) -> None:
        content = json.loads(encode(sample()))["experience"]
        content["schema_version"] = 9
        content["carbon_grams"] = 3.5
        content["configuration"]["quantization"] = "int4"
        storage.put("experiences/default/2026-03-01/new.json", sealed(content))
        content["id"], content["outcome"] = "0" * 32, "abducted"
        storage.put("experiences/default/2026-03-01/odd.json", sealed(content))
        (found,) = store.scan()
        assert found.schema_version == 9
        assert found.configuration == sample().configuration
        (fault,) = store.faults
        assert "outcome" in fault.problem
        assert "schema version 9" in fault.problem

    @pytest.mark.parametrize("kind", ["experiences/", "segments/"])
    @pytest.mark.parametrize("place", [0.0, 0.3, 0.6, 0.9, 0.999])
    def test_a_flipped_bit_is_named_and_the_rest_is_read(
        self, store: ObjectExperienceStore, storage: ObjectStorage, kind: str, place: float
    ) -> None:
        for trial in range(4):
            store.append(sample("a", trial))
        store.compact()  # the objects are still there
        store.append(sample("b", 0))
        before = list(store.scan())
        key = key_of(storage, "a") if kind == "experiences/" else keys(storage, kind)[0]
        flip(storage, key, int(len(storage.get(key)) * place))
        fresh = ObjectExperienceStore(storage)
        # Of what segments hold, the objects are read instead; a covered object is not looked at.
        assert list(fresh.scan()) == before
        report = fresh.verify()
        assert {fault.key for fault in report.faults} == {key}
        fresh.append(sample("b", 1))
        fresh.compact(grace=timedelta(0))
        fresh.compact(grace=timedelta(0))
        assert len(list(fresh.scan())) == 6
        assert {fault.key for fault in fresh.verify().faults} == {key}

    def test_a_flipped_bit_in_a_tombstone_is_named(
        self, store: ObjectExperienceStore, storage: ObjectStorage
    ) -> None:
        store.append(sample("a", 0, tenant="theirs"))
        store.append(sample("a", 1))
        store.forget(tenant="theirs")
        (key,) = keys(storage, "forgotten/")
        flip(storage, key, 20)
        fresh = ObjectExperienceStore(storage)
        assert [e.trial_number for e in fresh.scan()] == [1]
        assert [fault.key for fault in fresh.faults] == [key]
        assert [fault.key for fault in fresh.verify().faults] == [key]

    def test_a_broken_row_group_costs_its_own_rows_alone(
        self,
        store: ObjectExperienceStore,
        storage: ObjectStorage,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr("xautolm_core.experience.segment.ROW_GROUP_ROWS", 4)
        for trial in range(12):
            store.append(sample("a", trial))
        store.compact(grace=timedelta(0))
        (key,) = keys(storage, "segments/")
        flip(storage, key, position_in_row_group(storage, key, 1))
        fresh = ObjectExperienceStore(storage)
        assert [e.trial_number for e in fresh.scan()] == [0, 1, 2, 3, 8, 9, 10, 11]
        assert [fault.key for fault in fresh.faults] == [key]
        assert "row group 2 of 3" in fresh.faults[0].problem
        assert fresh.stats().experiences == 8
        # A faulty segment is neither merged nor dropped.
        for trial in range(20, 31):
            fresh.append(sample("b", trial))
            fresh.compact(grace=timedelta(0))
        assert key in keys(storage, "segments/")
        assert key in {fault.key for fault in fresh.verify().faults}
        # Appended again, the rows are there again.
        for trial in range(12):
            fresh.append(sample("a", trial))
        assert len(list(fresh.scan())) == 12 + 11
        fresh.compact(grace=timedelta(0))
        assert len(list(ObjectExperienceStore(storage).scan())) == 12 + 11

    def test_the_objects_of_a_broken_row_group_are_read_where_they_are(
        self,
        store: ObjectExperienceStore,
        storage: ObjectStorage,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr("xautolm_core.experience.segment.ROW_GROUP_ROWS", 4)
        for trial in range(12):
            store.append(sample("a", trial))
        store.compact()
        (key,) = keys(storage, "segments/")
        flip(storage, key, position_in_row_group(storage, key, 2))
        fresh = ObjectExperienceStore(storage)
        view = fresh.view()
        assert sum(segment.table().num_rows for segment in view.segments) == 8
        assert fresh.view().tail.num_rows == 4
        assert len(list(fresh.scan())) == 12
        # Gathered again, they do not need their objects any more; what only a faulty segment
        # covers keeps them.
        assert ObjectExperienceStore(storage).compact(grace=timedelta(0)) == 4
        assert len(keys(storage, "experiences/")) == 8
        assert len(list(ObjectExperienceStore(storage).scan())) == 12

    def test_an_object_under_anothers_name_is_named(
        self, store: ObjectExperienceStore, storage: ObjectStorage
    ) -> None:
        store.append(sample("a", 0))
        store.append(sample("b", 1))
        wrong = key_of(storage, "a").replace("/01KJ", "/01KK")
        storage.put(wrong, storage.get(key_of(storage, "b")))
        assert len(list(store.scan())) == 2
        assert [fault.key for fault in store.verify().faults] == [wrong]
        for _ in range(2):
            store.compact(grace=timedelta(0))
            assert len(list(store.scan())) == 2
