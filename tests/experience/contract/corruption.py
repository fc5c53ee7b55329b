"""Broken objects are named and skipped, and never deleted."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.experience.contract.base import StoreFixtures
from tests.experience.contract.base import key_of
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
        assert list(store.read(store.snapshot())) == [good]
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
        pinned = store.snapshot()
        store.compact()
        key = key_of(storage, "search")
        storage.put(key, b"torn")
        assert list(store.scan()) == [sample()]
        assert list(store.read(pinned)) == [sample()]
        assert [fault.key for fault in store.verify().faults] == [key]
        store.compact(grace=timedelta(0))
        assert storage.get(key) == b"torn"

    @pytest.mark.parametrize("kind", ["segments/", "manifests/"])
    @pytest.mark.parametrize("remove", [False, True])
    def test_a_broken_segment_or_manifest_costs_speed_alone(
        self, store: ObjectExperienceStore, storage: ObjectStorage, kind: str, remove: bool
    ) -> None:
        for trial in range(3):
            store.append(sample("a", trial))
        store.compact()
        store.append(sample("a", 3))
        store.compact()
        for info in list(storage.list(kind)):
            data = storage.get(info.key)
            if remove:
                storage.delete(info.key)
            else:
                storage.put(info.key, data[:-9] + b"?" + data[-8:])
        assert len(list(store.scan())) == 4
        if not (remove and kind == "manifests/"):
            assert store.faults
            assert store.verify().faults
        assert store.compact() == 4
        assert len(list(store.scan())) == 4

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
