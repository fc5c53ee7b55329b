"""The store on a folder: the contract, and what only folders can get wrong."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from tests.experience.conformance import ExperienceStoreContract
from tests.experience.samples import sample
from xautolm_core.errors import StoreError
from xautolm_core.experience.folder import FolderStore
from xautolm_core.experience.store import ObjectExperienceStore
from xautolm_core.objects.folder import FolderObjects


class TestFolderStore(ExperienceStoreContract):
    @pytest.fixture
    def storage(self, tmp_path: Path) -> FolderObjects:
        return FolderObjects(tmp_path / "store")

    @pytest.fixture
    def address(self, tmp_path: Path) -> str:
        return str(tmp_path / "store")


def test_a_folder_is_created_and_probed(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "a" / "b")
    assert store.root.is_dir()
    assert list(store.root.iterdir()) == []


def test_an_absent_folder_is_refused_without_create(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no experience store"):
        FolderStore(tmp_path / "absent", create=False)
    assert not (tmp_path / "absent").exists()


def test_an_unwritable_place_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="Cannot write to"):
        FolderStore(tmp_path / "file" / "store")


def test_a_tenants_store_takes_no_others_experiences(tmp_path: Path) -> None:
    store = FolderStore(tmp_path, tenant="mine")
    store.append(sample(tenant="mine"))
    with pytest.raises(StoreError, match="opened for tenant 'mine'"):
        store.append(sample(tenant="yours"))
    assert [e.tenant for e in store.scan()] == ["mine"]


@contextmanager
def _a_plain_user() -> Iterator[None]:
    """Root may read everything: be somebody else meanwhile."""
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)


def test_a_segment_that_this_user_may_not_read_is_named_and_skipped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("xautolm_core.experience.damage.FIRST_WAIT_SECONDS", 0.0)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        store = FolderStore(Path(folder))
        for search in ("a", "b"):
            store.append(sample(search))
            store.compact(grace=timedelta(0))
        assert len(list(store.scan())) == 2
        segment = min(store.root.glob("segments/*"))
        segment.chmod(0o000)
        with _a_plain_user():
            fresh = ObjectExperienceStore(FolderObjects(store.root))
            assert len(list(fresh.scan())) == 1
            assert fresh.stats().experiences == 1
            assert sum(part.table().num_rows for part in fresh.view().segments) == 1
            assert {fault.key for fault in fresh.faults} == {f"segments/{segment.name}"}
            assert "ermission" in fresh.faults[0].problem
            assert {fault.key for fault in fresh.verify().faults} == {f"segments/{segment.name}"}
        segment.chmod(0o644)
        assert len(list(FolderStore(store.root).scan())) == 2
