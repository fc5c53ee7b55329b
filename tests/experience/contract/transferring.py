"""Copying from store to store, and exporting to files."""

from __future__ import annotations

import json
import socket
from datetime import timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.experience.contract.base import StoreFixtures
from tests.experience.contract.base import sealed
from tests.experience.samples import START
from tests.experience.samples import sample
from tests.experience.storages import CountingStorage
from xautolm_core.errors import ConfigError
from xautolm_core.errors import StoreError
from xautolm_core.experience.codec import encode
from xautolm_core.experience.columns import from_table
from xautolm_core.experience.contract import ExperienceFilter
from xautolm_core.experience.folder import FolderStore
from xautolm_core.experience.policy import TenantPolicy
from xautolm_core.experience.policy import write_policy
from xautolm_core.experience.store import ObjectExperienceStore
from xautolm_core.experience.transfer import copy_store
from xautolm_core.experience.transfer import export_experiences
from xautolm_core.objects.contract import ObjectStorage
from xautolm_core.objects.folder import FolderObjects
from xautolm_core.records.outcome import Failure
from xautolm_core.records.scores import Score


def _fill(store: ObjectExperienceStore) -> None:
    for trial in range(4):
        store.append(sample("a", trial))
    store.compact(grace=timedelta(0))
    store.append(sample("b", 0, ended_at=START - timedelta(days=1)))
    content = json.loads(encode(sample("new", 5)))["experience"]
    content["carbon_grams"] = 3.5
    content["schema_version"] = 9
    store.storage.put("experiences/default/2026-03-01/new.json", sealed(content))


class TransferringContract(StoreFixtures):
    """What is copied is the same, byte for byte."""

    def test_a_copy_there_and_back(self, store: ObjectExperienceStore, tmp_path: Path) -> None:
        _fill(store)
        other = FolderStore(tmp_path / "other")
        other.append(sample("a", 2))
        other.append(sample("c", 0))
        assert copy_store(store, other) == 5
        assert copy_store(store, other) == 0
        texts = [row.payload for row, _ in store.rows()]
        assert [r.payload for r, e in other.rows() if e.search_id != "c"] == texts
        assert '"carbon_grams":3.5' in "".join(payload.text for payload in texts)
        assert copy_store(other, store) == 1
        assert [row.payload for row, _ in other.rows()] == [r.payload for r, _ in store.rows()]
        for one in (store, other):
            assert one.faults == ()
            assert one.verify().faults == ()
            before = list(one.scan())
            one.compact(grace=timedelta(0))
            assert list(one.scan()) == before

    def test_what_the_target_forgot_is_not_copied(
        self, store: ObjectExperienceStore, tmp_path: Path
    ) -> None:
        store.append(sample("a", 0, task_fingerprint="secret"))
        store.append(sample("a", 1))
        other = FolderStore(tmp_path / "other")
        copy_store(store, other)
        other.forget(task_fingerprint="secret")
        assert copy_store(store, other) == 0
        assert [e.trial_number for e in other.scan()] == [1]

    def test_a_copy_looks_at_its_surroundings_once_and_keeps_secrets_out(
        self, store: ObjectExperienceStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        told = Failure(kind="E", message="refused: moonlight")
        for trial in range(5):
            store.append(sample("a", trial, failure=told))
        looks = []
        name = socket.gethostname()
        monkeypatch.setattr(socket, "gethostname", lambda: looks.append(name) or name)
        monkeypatch.setenv("MY_PASSWORD", "moonlight")
        other = FolderStore(tmp_path / "other")
        assert copy_store(store, other) == 5
        assert len(looks) == 1
        found = [e.failure.message for e in other.scan() if e.failure is not None]
        assert found == ["refused: <secret>"] * 5

    def test_a_copy_reads_each_single_object_of_the_target_once(
        self, store: ObjectExperienceStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("xautolm_core.experience.transfer._CHUNK_ROWS", 3)
        for trial in range(12):
            store.append(sample("a", trial))
        counting = CountingStorage(FolderObjects(tmp_path / "other"))
        other = ObjectExperienceStore(counting)
        for trial in range(5):
            other.append(sample("a", trial))
        counting.gets.clear()
        assert copy_store(store, other) == 7
        singles = [key for key in counting.gets if key.startswith("experiences/")]
        assert len(singles) == 5
        assert {counting.gets[key] for key in singles} == {1}
        assert len(list(other.scan())) == 12

    def test_a_copy_keeps_to_the_policies_of_the_target(
        self, store: ObjectExperienceStore, storage: ObjectStorage, tmp_path: Path
    ) -> None:
        scores = {"f1/refund": Score(value=0.5), "macro_f1": Score(value=0.6)}
        for tenant in ("open", "closed"):
            write_policy(storage, tenant, TenantPolicy(allow_class_names=True))
            store.append(sample(tenant, scores=scores, tenant=tenant))
        other = FolderStore(tmp_path / "other")
        write_policy(other.storage, "open", TenantPolicy(allow_class_names=True))
        assert copy_store(store, other) == 2
        assert copy_store(store, other) == 0
        kept = {e.tenant: set(e.scores) for e in other.scan()}
        assert kept == {"open": {"f1/refund", "macro_f1"}, "closed": {"macro_f1"}}
        assert b"refund" not in b"".join(
            row.payload.text.encode() for row, e in other.rows() if e.tenant == "closed"
        )
        assert other.verify().faults == ()

    def test_a_malformed_policy_of_the_target_ends_a_copy(
        self, store: ObjectExperienceStore, tmp_path: Path
    ) -> None:
        store.append(sample("a", tenant="team"))
        other = FolderStore(tmp_path / "other")
        other.storage.put("tenants/team.json", b"{")
        with pytest.raises(StoreError, match=r"tenants/team\.json"):
            copy_store(store, other)
        assert list(other.scan()) == []

    def test_what_a_target_cannot_take_is_named(
        self, store: ObjectExperienceStore, tmp_path: Path
    ) -> None:
        store.append(sample("a", 0, tenant="mine"))
        store.append(sample("a", 1, tenant="yours"))
        other = FolderStore(tmp_path / "other", tenant="mine")
        assert copy_store(store, other) == 1
        (fault,) = store.faults
        assert "is not copied" in fault.problem

    @pytest.mark.parametrize("name", ["all.jsonl", "all.parquet"])
    def test_an_export_has_every_experience(
        self, store: ObjectExperienceStore, tmp_path: Path, name: str
    ) -> None:
        path = tmp_path / name
        assert export_experiences(store, path) == 0
        _fill(store)
        assert export_experiences(store, path) == 6
        expected = [row.payload.text for row, _ in store.rows()]
        if path.suffix == ".jsonl":
            found = path.read_text(encoding="utf-8").splitlines()
        else:
            found = [row.payload.text for row in from_table(pq.read_table(path))]
        assert found == expected
        assert export_experiences(store, path, ExperienceFilter(search_ids=frozenset({"b"}))) == 1
        assert list(tmp_path.glob(".all*")) == []

    def test_an_export_that_fails_leaves_nothing(
        self, store: ObjectExperienceStore, tmp_path: Path
    ) -> None:
        _fill(store)
        with pytest.raises(ConfigError, match=r"\.jsonl or \.parquet"):
            export_experiences(store, tmp_path / "all.csv")
        with pytest.raises(StoreError, match="Cannot write"):
            export_experiences(store, tmp_path / "absent" / "all.jsonl")
        (tmp_path / "all.jsonl").mkdir()
        with pytest.raises(StoreError, match="Cannot write"):
            export_experiences(store, tmp_path / "all.jsonl")
        assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []
