"""What a tenant allows."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.experience.samples import sample
from xautolm_core.errors import StoreError
from xautolm_core.experience.folder import FolderStore
from xautolm_core.experience.policy import TenantPolicy
from xautolm_core.experience.policy import read_policy
from xautolm_core.experience.policy import write_policy
from xautolm_core.objects.folder import FolderObjects
from xautolm_core.records.scores import Score


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


def test_a_store_writes_by_the_policy_of_the_tenant(tmp_path: Path) -> None:
    scores = {"f1/refund": Score(value=0.5), "macro_f1": Score(value=0.6)}
    write_policy(FolderObjects(tmp_path), "open", TenantPolicy(allow_class_names=True))
    store = FolderStore(tmp_path)
    for tenant in ("open", "closed"):
        store.append(sample(tenant, scores=scores, tenant=tenant))
    kept = {e.tenant: set(e.scores) for e in store.scan()}
    assert kept == {"open": {"f1/refund", "macro_f1"}, "closed": {"macro_f1"}}
