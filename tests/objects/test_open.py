from __future__ import annotations

from pathlib import Path

import pytest

from xautolm_core.errors import ConfigError
from xautolm_core.objects.addresses import scheme_of
from xautolm_core.objects.folder import FolderObjects
from xautolm_core.objects.open import open_objects


@pytest.mark.parametrize("form", ["{}", "file://{}", "file://localhost{}"])
def test_folders(tmp_path: Path, form: str) -> None:
    storage = open_objects(form.format(tmp_path / "there"))
    assert isinstance(storage, FolderObjects)
    assert storage.root == tmp_path / "there"
    assert not storage.root.exists()


@pytest.mark.parametrize(
    "address", ["", "  ", "ftp://host/folder", "file://host/folder", "s3://b", "s3:/bucket/x"]
)
def test_other_addresses_are_refused(address: str) -> None:
    with pytest.raises(ConfigError):
        open_objects(address)


@pytest.mark.parametrize(
    ("address", "scheme"),
    [
        ("S3://b/x", "s3"),
        ("acme+v2://[x", "acme+v2"),
        ("folder", ""),
        ("a b/c://d", ""),
        ("s3:/b", ""),
        ("://x", ""),
    ],
)
def test_a_scheme_is_the_same_wherever_it_is_looked_at(address: str, scheme: str) -> None:
    assert scheme_of(address) == scheme


def test_s3(monkeypatch: pytest.MonkeyPatch) -> None:
    s3 = pytest.importorskip("xautolm_core.objects.s3")
    monkeypatch.setenv("XAUTOLM_S3_ACCESS_KEY", "user")
    monkeypatch.setenv("XAUTOLM_S3_SECRET_KEY", "secret")
    storage = open_objects("s3://bucket/some/prefix?endpoint=http://127.0.0.1:1")
    assert isinstance(storage, s3.S3Objects)
    assert (storage.bucket, storage.prefix) == ("bucket", "some/prefix")
