"""Several stores read as one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from tests.experience.samples import START
from tests.experience.samples import sample
from xautolm_core.errors import ConfigError
from xautolm_core.errors import StoreError
from xautolm_core.experience.columns import from_table
from xautolm_core.experience.contract import ExperienceFilter
from xautolm_core.experience.contract import SnapshotId
from xautolm_core.experience.folder import FolderStore
from xautolm_core.experience.store import ObjectExperienceStore
from xautolm_core.experience.trusted import TrustedStore
from xautolm_core.experience.union import PartView
from xautolm_core.experience.union import StoreLeftOutError
from xautolm_core.experience.union import UnionStore
from xautolm_core.objects.folder import FolderObjects
from xautolm_core.objects.s3 import S3Objects
from xautolm_core.records.experience import Experience


class Stores:
    """Three stores on folders."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.own = FolderStore(root / "own")
        self.team = FolderStore(root / "team")
        self.public = FolderStore(root / "public")
        self.warnings: list[str] = []
        self.union = self.opened()

    def opened(self) -> UnionStore:
        return UnionStore(
            FolderStore(self.root / "own"),
            [
                TrustedStore(self._other("public"), "public", 0.25),
                TrustedStore(self._other("team"), "team", 0.5),
            ],
            warn=self.warnings.append,
        )

    def _other(self, name: str) -> ObjectExperienceStore:
        return ObjectExperienceStore(FolderObjects(self.root / name))


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    return Stores(tmp_path)


def files(root: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def trials(experiences: Iterator[Experience]) -> list[int]:
    return [experience.trial_number for experience in experiences]


def test_all_stores_are_read_in_order_and_each_experience_once(stores: Stores) -> None:
    for store, numbers in ((stores.own, (3, 1)), (stores.team, (2, 3)), (stores.public, (0, 2, 4))):
        for number in numbers:
            store.append(sample("a", number))
    assert trials(stores.union.scan()) == [0, 1, 2, 3, 4]
    assert trials(stores.union.scan(ExperienceFilter(ended_before=START + timedelta(hours=1)))) == [
        0,
        1,
    ]
    assert [stores.union.trust_of(sample("a", n).id) for n in range(6)] == [
        0.25,
        1.0,
        0.5,
        1.0,
        0.25,
        None,
    ]
    assert stores.union.get(sample("a", 9).id) is None
    assert stores.union.trusts == {"own": 1.0, "team": 0.5, "public": 0.25}


def test_the_most_trusted_copy_counts_even_if_another_says_that_it_is_older(
    stores: Stores,
) -> None:
    mine = sample("a", 1)
    forged = sample("a", 1, ended_at=START - timedelta(days=9), scores={})
    for store in (stores.team, stores.public):
        store.append(forged)
    assert list(stores.union.scan()) == [forged]
    assert stores.union.trust_of(mine.id) == 0.5
    stores.own.append(mine)
    assert list(stores.union.scan()) == [mine]
    assert stores.union.get(mine.id) == mine
    assert list(stores.union.read(stores.union.snapshot())) == [mine]


@given(
    data=st.lists(
        st.tuples(st.sampled_from(["own", "team", "public"]), st.integers(0, 6), st.integers(0, 3)),
        max_size=12,
    )
)
@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_union_is_what_the_most_trusted_store_says_of_each(
    tmp_path_factory: pytest.TempPathFactory, data: list[tuple[str, int, int]]
) -> None:
    stores = Stores(tmp_path_factory.mktemp("union"))
    expected: dict[str, Experience] = {}
    for name, number, day in data:
        getattr(stores, name).append(
            sample("a", number, ended_at=START + timedelta(days=day), sampler=name)
        )
    for name in ("public", "team", "own"):
        expected |= {e.id: e for e in getattr(stores, name).scan()}
    ordered = sorted(expected.values(), key=lambda e: (e.ended_at, e.id))
    assert list(stores.union.scan()) == ordered
    assert list(stores.union.read(stores.union.snapshot())) == ordered
    for experience in ordered:
        assert stores.union.get(experience.id) == experience
        assert stores.union.trust_of(experience.id) == stores.union.trusts[experience.sampler]


def test_only_ones_own_store_is_written(stores: Stores) -> None:
    stores.team.append(sample("t", 0))
    before = files(stores.root / "team")
    stores.union.append(sample("a", 0))
    stores.union.snapshot()
    assert stores.union.compact() == 1
    assert list(stores.union.verify().faults) == []
    assert list(stores.union.scan()) == sorted(
        [sample("a", 0), sample("t", 0)], key=lambda e: (e.ended_at, e.id)
    )
    assert files(stores.root / "team") == before
    assert [e.search_id for e in stores.own.scan()] == ["a"]


def test_a_snapshot_is_read_exactly_whatever_comes_after(stores: Stores) -> None:
    stores.own.append(sample("a", 0))
    stores.team.append(sample("t", 0))
    pinned = stores.union.snapshot()
    assert stores.union.snapshot() == pinned
    expected = list(stores.union.scan())
    stores.own.append(sample("a", 1))
    stores.team.append(sample("t", 1))
    stores.team.compact()
    assert stores.union.snapshot() != pinned
    assert list(stores.union.read(pinned)) == expected
    assert list(stores.opened().read(pinned)) == expected
    assert len(list(stores.union.scan())) == 4
    assert list(stores.own.verify().faults) == []


def test_views_hold_what_is_read(stores: Stores) -> None:
    for number in range(3):
        stores.own.append(sample("a", number))
        stores.team.append(sample("t", number))
    stores.team.compact()
    stores.team.append(sample("t", 3))
    pinned = stores.union.snapshot()
    stores.team.append(sample("t", 4))
    parts = stores.union.views(pinned)
    assert [(p.name, p.trust, _count(p)) for p in parts] == [
        ("own", 1.0, 3),
        ("team", 0.5, 4),
        ("public", 0.25, 0),
    ]


def _count(part: PartView) -> int:
    tables = [segment.table() for segment in part.view.segments]
    return sum(len(list(from_table(table))) for table in (*tables, part.view.tail))


def test_without_other_stores_a_snapshot_is_ones_own(stores: Stores) -> None:
    stores.own.append(sample("a", 0))
    alone = UnionStore(stores.own, [])
    assert alone.snapshot() == stores.own.snapshot()
    assert list(stores.union.read(alone.snapshot())) == [sample("a", 0)]
    assert [p.name for p in stores.union.views(alone.snapshot())] == ["own"]


@pytest.fixture
def unreachable(monkeypatch: pytest.MonkeyPatch) -> ObjectExperienceStore:
    """A store on a server of this machine that nobody has started."""
    pytest.importorskip("minio")
    monkeypatch.setenv("XAUTOLM_S3_ACCESS_KEY", "someone")
    monkeypatch.setenv("XAUTOLM_S3_SECRET_KEY", "something")
    address = "s3://bucket/store?endpoint=http://127.0.0.1:9&region=us-east-1&retry_seconds=0"
    return ObjectExperienceStore(S3Objects.from_uri(address))


def test_another_store_that_is_gone_is_left_out_with_one_warning(
    stores: Stores, unreachable: ObjectExperienceStore
) -> None:
    stores.own.append(sample("a", 0))
    stores.team.append(sample("t", 0))
    stores.public.append(sample("p", 0))
    before = stores.union.snapshot()
    others = [
        TrustedStore(unreachable, "team", 0.5),
        TrustedStore(stores.public, "public", 0.25),
    ]
    for act in (
        lambda union: union.read(before),
        lambda union: union.scan(),
        lambda union: union.read(union.snapshot()),
        lambda union: map(union.get, [sample("a", 0).id, sample("p", 0).id]),
    ):
        again = UnionStore(stores.own, others, warn=stores.warnings.append)
        assert {e.search_id for e in act(again)} == {"a", "p"}
        assert again.trusts == {"own": 1.0, "public": 0.25}
        (warning,) = stores.warnings
        assert warning.startswith("Store team is left out: ")
        stores.warnings.clear()
    again = UnionStore(stores.own, others, warn=stores.warnings.append)
    assert [part.name for part in again.views(before)] == ["own", "public"]
    assert len(stores.warnings) == 1


def test_a_store_lost_while_its_view_is_read_is_left_out(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    stores.own.append(sample("a", 0))
    stores.team.append(sample("t", 0))
    stores.team.compact()
    pinned = stores.union.snapshot()
    team = next(p for p in stores.union.views(pinned) if p.name == "team")
    (segment,) = team.view.segments

    def fail(*_: object) -> None:
        raise StoreError("The server is gone")

    monkeypatch.setattr(stores.union.others[0].store.reader, "open", fail)
    monkeypatch.setattr(stores.union.others[0].store.reader, "modern_buffer_of", fail)
    for act in (segment.open, segment.read, segment.table):
        with pytest.raises(StoreLeftOutError):
            act()
    assert [p.name for p in stores.union.views(pinned)] == ["own", "public"]
    assert stores.warnings == ["Store team is left out: The server is gone"]


def test_ones_own_store_has_to_be_there(stores: Stores, unreachable: ObjectExperienceStore) -> None:
    stores.team.append(sample("t", 0))
    union = UnionStore(
        unreachable, [TrustedStore(stores.team, "team", 0.5)], warn=stores.warnings.append
    )
    for act in (union.snapshot, lambda: list(union.scan()), lambda: union.append(sample("a", 0))):
        with pytest.raises(StoreError):
            act()
    assert stores.warnings == []


def test_an_ambiguous_beginning_of_an_id_is_no_reason_to_leave_a_store_out(stores: Stores) -> None:
    for identity in ("abcd" + "1" * 28, "abcd" + "2" * 28):
        stores.team.append(sample("t", 0, id=identity))
    with pytest.raises(StoreError, match="begin with"):
        stores.union.get("abcd")
    assert stores.union.left_out == {}


def test_faults_of_other_stores_bear_their_names(stores: Stores) -> None:
    stores.team.append(sample("t", 0))
    (path,) = (stores.root / "team" / "experiences").rglob("*.json")
    path.write_bytes(b"torn")
    assert list(stores.union.scan()) == []
    (fault,) = stores.union.faults
    assert fault.key.startswith("team:experiences/")


@pytest.mark.parametrize("value", ["union-" + "0" * 64, "union-x", "union-../../x", "0" * 64])
def test_an_unknown_snapshot_is_refused(stores: Stores, value: str) -> None:
    with pytest.raises(StoreError):
        list(stores.union.read(SnapshotId(value)))


def test_a_snapshot_that_was_altered_is_refused(stores: Stores) -> None:
    stores.team.append(sample("t", 0))
    pinned = stores.union.snapshot()
    (path,) = (stores.root / "own" / "unions").iterdir()
    path.write_bytes(path.read_bytes().replace(b'"team"', b'"tean"'))
    with pytest.raises(StoreError, match="corrupt"):
        list(stores.union.read(pinned))


@pytest.mark.parametrize("trust", [0.0, -1.0, 1.5, float("nan")])
def test_trust_is_in_range(stores: Stores, trust: float) -> None:
    with pytest.raises(ConfigError):
        TrustedStore(stores.team, "team", trust)


@pytest.mark.parametrize("name", ["", "own", "a b", "-x", "x" * 33, "../x", "a:b"])
def test_names_of_stores_are_plain(stores: Stores, name: str) -> None:
    with pytest.raises(ConfigError):
        TrustedStore(stores.team, name, 0.5)
    with contextlib.suppress(ConfigError):
        UnionStore(
            stores.own, [TrustedStore(stores.team, "x", 1), TrustedStore(stores.team, "x", 1)]
        )
        pytest.fail("two stores had the same name")
