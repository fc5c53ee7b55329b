"""One's own store, and others that are read besides."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.experience.samples import sample
from xautolm_core.errors import ConfigError
from xautolm_core.errors import StoreError
from xautolm_core.experience.folder import FolderStore
from xautolm_core.experience.store import ObjectExperienceStore
from xautolm_core.experience.union import TrustedStore
from xautolm_core.experience.union import UnionStore
from xautolm_core.objects.s3 import S3Objects


class Stores:
    """Three stores on folders."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.own = FolderStore(root / "own")
        self.team = FolderStore(root / "team")
        self.public = FolderStore(root / "public")
        self.union = UnionStore(
            self.own,
            [TrustedStore(self.public, "public", 0.25), TrustedStore(self.team, "team", 0.5)],
        )


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    return Stores(tmp_path)


def test_only_ones_own_store_is_written(stores: Stores) -> None:
    stores.team.append(sample("t", 0))
    stores.union.append(sample("a", 0))
    assert [e.search_id for e in stores.own.scan()] == ["a"]
    assert [e.search_id for e in stores.team.scan()] == ["t"]


def test_the_most_trusted_is_read_first(stores: Stores) -> None:
    assert list(stores.union.of_others(lambda other: other.name)) == ["team", "public"]
    assert stores.union.trusts == {"own": 1.0, "team": 0.5, "public": 0.25}


def test_what_any_store_has_forgotten_is_forgotten(stores: Stores) -> None:
    for number, store in enumerate((stores.own, stores.team, stores.public)):
        store.append(sample("s", number, task_fingerprint="secret"))
        store.append(sample("s", 3 + number))
        store.forget(task_fingerprint="secret")
    expected = {bytes.fromhex(sample("s", number).id) for number in range(3)}
    assert stores.union.forgotten() == expected


def test_another_store_that_is_gone_is_left_out_and_ones_own_is_not(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("minio")
    monkeypatch.setenv("XAUTOLM_S3_ACCESS_KEY", "someone")
    monkeypatch.setenv("XAUTOLM_S3_SECRET_KEY", "something")
    # A server of this machine that nobody has started.
    address = "s3://bucket/store?endpoint=http://127.0.0.1:9&region=us-east-1&retry_seconds=0"
    unreachable = ObjectExperienceStore(S3Objects.from_uri(address))
    stores.public.append(sample("p", 0))
    union = UnionStore(
        stores.own,
        [TrustedStore(unreachable, "team", 0.5), TrustedStore(stores.public, "public", 0.25)],
    )
    for _ in range(2):
        assert list(union.of_others(lambda o: len(list(o.store.scan())))) == [1]
        assert union.forgotten() == frozenset()
        assert union.left_out.keys() == {"team"}
        assert union.trusts == {"own": 1.0, "public": 0.25}
    union.leave_out("team", "something else")
    assert union.left_out["team"] != "something else"
    with pytest.raises(StoreError):
        UnionStore(unreachable, []).forgotten()


def test_faults_of_other_stores_bear_their_names(stores: Stores) -> None:
    stores.team.append(sample("t", 0))
    (key,) = (info.key for info in stores.team.storage.list("experiences/"))
    stores.team.storage.put(key, b"torn")
    list(stores.union.of_others(lambda other: list(other.store.scan())))
    assert [fault.key for fault in stores.union.faults] == [f"team:{key}"]


def test_names_of_stores_differ(stores: Stores) -> None:
    with pytest.raises(ConfigError, match="same name"):
        UnionStore(
            stores.own, [TrustedStore(stores.team, "x", 1), TrustedStore(stores.team, "x", 1)]
        )
