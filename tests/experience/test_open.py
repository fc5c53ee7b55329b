"""Opening a store by its address."""

from __future__ import annotations

from pathlib import Path

import pytest

from xautolm_core.errors import ConfigError
from xautolm_core.errors import StoreError
from xautolm_core.experience.folder import FolderStore
from xautolm_core.experience.open import open_store


def test_paths_and_file_addresses_open_folders(tmp_path: Path) -> None:
    plain = open_store(str(tmp_path / "a b"))
    address = open_store((tmp_path / "a b").as_uri())
    assert isinstance(plain, FolderStore)
    assert isinstance(address, FolderStore)
    assert plain.root == address.root == tmp_path / "a b"


@pytest.mark.parametrize("address", ["", "  ", "http://host/store", "file://host/store"])
def test_other_addresses_are_refused(address: str) -> None:
    with pytest.raises(StoreError):
        open_store(address)


@pytest.mark.parametrize("address", ["s3:/bucket/x", "S3:bucket/x", "file:/folder", "https:/host"])
def test_an_address_with_a_slash_too_few_makes_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="two slashes"):
        open_store(address)
    assert list(tmp_path.iterdir()) == []
    assert isinstance(open_store(f"./{address}"), FolderStore)


def test_s3_needs_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("minio")
    for name in ("XAUTOLM_S3_ACCESS_KEY", "AWS_ACCESS_KEY_ID"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigError, match="XAUTOLM_S3_ACCESS_KEY"):
        open_store("s3://bucket/prefix")


def test_an_absent_store_is_not_made_for_reading(tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        open_store(str(tmp_path / "absent"), create=False)
