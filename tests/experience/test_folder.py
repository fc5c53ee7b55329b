"""The store on a folder: the contract, and what only folders can get wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.experience.conformance import ExperienceStoreContract
from tests.experience.samples import sample
from xautolm_core.errors import StoreError
from xautolm_core.experience.folder import FolderStore
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
