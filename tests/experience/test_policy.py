"""What a tenant allows."""

from __future__ import annotations

from pathlib import Path

import pytest

from xautolm_core.errors import StoreError
from xautolm_core.experience.policy import TenantPolicy
from xautolm_core.experience.policy import read_policy
from xautolm_core.experience.policy import write_policy
from xautolm_core.objects.folder import FolderObjects


def test_without_a_policy_the_strictest_holds(tmp_path: Path) -> None:
    storage = FolderObjects(tmp_path)
    assert read_policy(storage, "team") == TenantPolicy(allow_class_names=False)
    write_policy(storage, "team", TenantPolicy(allow_class_names=True))
    assert read_policy(storage, "team").allow_class_names
    assert not read_policy(storage, "other").allow_class_names


@pytest.mark.parametrize("content", [b"", b"[]", b'{"allow_texts": true}', b"\xff", b'"secret"'])
def test_a_malformed_policy_allows_nothing(tmp_path: Path, content: bytes) -> None:
    storage = FolderObjects(tmp_path)
    storage.put("tenants/team.json", content)
    with pytest.raises(StoreError, match=r"tenants/team\.json") as caught:
        read_policy(storage, "team")
    assert "secret" not in str(caught.value)


def test_a_tenant_cannot_lead_elsewhere(tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        read_policy(FolderObjects(tmp_path), "../team")
