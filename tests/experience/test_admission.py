"""Whether a tenant's experiences could be written, asked before there are any."""

from __future__ import annotations

from pathlib import Path

import pytest

from xautolm_core.errors import ConfigError
from xautolm_core.errors import StoreError
from xautolm_core.experience.admission import Admission
from xautolm_core.experience.folder import FolderStore
from xautolm_core.experience.keys import given_tenant


def test_a_tenant_that_nobody_could_write_for_is_refused_by_the_store(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    store.admission.require("team-a")
    with pytest.raises(StoreError, match="not a usable name"):
        store.admission.require("team a")
    with pytest.raises(StoreError, match="looks like a credential"):
        store.admission.require("AKIAIOSFODNN7EXAMPLE")
    with pytest.raises(StoreError, match="opened for tenant 'mine'"):
        Admission(store.storage, "mine").require("yours")
    store.storage.put("tenants/team-b.json", b"{")
    with pytest.raises(StoreError, match=r"tenants/team-b\.json"):
        store.admission.require("team-b")


def test_the_way_out_is_named() -> None:
    assert given_tenant("team-a", "--tenant") == "team-a"
    with pytest.raises(ConfigError, match="Use up to 63 letters, digits"):
        given_tenant("team a", "tenant")
