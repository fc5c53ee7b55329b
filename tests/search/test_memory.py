"""A search that learns from several stores."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.search.instant import InstantLauncher
from tests.search.instant import Silent
from xautolm_core.errors import StoreError
from xautolm_core.experience.open import open_store
from xautolm_core.records.outcome import Failure
from xautolm_core.search.contract import ReadStore
from xautolm_core.search.contract import SearchResult
from xautolm_core.search.contract import SearchSpec
from xautolm_core.search.experiences import failure_of
from xautolm_core.search.runner import run_search


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XAUTOLM_CACHE", str(tmp_path / "history-cache"))


def search(spec: SearchSpec, out: Path, *, resume: bool = False) -> tuple[SearchResult, Silent]:
    observer = Silent()
    result = run_search(
        spec,
        out,
        launcher=InstantLauncher(),
        observer=observer,
        resume=resume,
        with_test=False,
    )
    return result, observer


@pytest.fixture
def team(make_spec, tmp_path):
    """A store with what another tenant has learnt: 6 experiences."""
    store = tmp_path / "team"
    search(make_spec(search_id="theirs", store=str(store), tenant="them"), tmp_path / "their-run")
    return store


def reading(store: Path | str, trust: float = 0.5, name: str = "team") -> tuple[ReadStore, ...]:
    return (ReadStore(name=name, store=str(store), trust=trust),)


def test_a_search_learns_from_another_store_and_writes_its_own(make_spec, tmp_path, team):
    before = sorted(p for p in team.rglob("*"))
    spec = make_spec(sampler="xautolm", max_trials=3, read_stores=reading(team))
    result, observer = search(spec, tmp_path / "run")
    assert result.warm_start.applied == 6
    assert "Experiences of this kind of task: 0 of own, 6 of team (trust 0.5)" in observer.notes
    assert {e.search_id for e in open_store(spec.store).scan()} == {"search-1"}
    assert sorted(p for p in team.rglob("*")) == before
    assert result.notes


def test_less_trust_moves_the_prior_less(make_spec, tmp_path, team):
    shifts = []
    for trust in (1.0, 0.5, 0.01):
        spec = make_spec(
            sampler="xautolm",
            max_trials=1,
            store=str(tmp_path / f"store-{trust}"),
            read_stores=reading(team, trust),
        )
        shifts.append(search(spec, tmp_path / f"run-{trust}")[0].warm_start.prior_shift)
    assert shifts[0] > shifts[1] > shifts[2] > 0


def test_a_copy_elsewhere_never_stands_for_ones_own(make_spec, tmp_path, team):
    own = make_spec(sampler="xautolm", max_trials=1, tenant="them", read_stores=reading(team, 1.0))
    shutil.copytree(team, own.store)
    earliest = min(open_store(str(team)).scan(), key=lambda e: e.ended_at)
    forged = open_store(own.store)
    for path in Path(own.store).rglob("*.json"):
        if earliest.id in path.read_text():
            path.unlink()
    forged.append(earliest.model_copy(update={"ended_at": earliest.ended_at.replace(year=2100)}))
    _, observer = search(own, tmp_path / "run")
    assert "Experiences of this kind of task: 6 of own, 0 of team (trust 1)" in observer.notes


def test_other_tenants_count_in_stores_that_are_read_and_on_demand(make_spec, tmp_path, team):
    """The same store as the own one is read for one's own tenant alone."""
    own = {"sampler": "xautolm", "max_trials": 1, "tenant": "us"}
    shutil.copytree(team, tmp_path / "a")
    shutil.copytree(team, tmp_path / "b")
    alone, _ = search(make_spec(**own, store=str(tmp_path / "a")), tmp_path / "run-a")
    assert alone.warm_start.applied == 0
    everybody, _ = search(
        make_spec(**own, store=str(tmp_path / "b"), all_tenants=True), tmp_path / "run-b"
    )
    assert everybody.warm_start.applied == 6


def test_a_resumed_search_learns_from_what_its_run_folder_keeps(make_spec, tmp_path, team):
    spec = make_spec(sampler="xautolm", max_trials=2, read_stores=reading(team))
    first, _ = search(spec, tmp_path / "run")
    kept = tmp_path / "run" / "history.parquet"
    assert first.spec.history == hashlib.sha256(kept.read_bytes()).hexdigest()
    assert pq.read_table(kept)["trust"].to_pylist() == [0.5] * 6
    search(make_spec(search_id="more", store=str(team), tenant="them"), tmp_path / "their-next")
    again, _ = search(
        first.spec.model_copy(update={"max_trials": 4}), tmp_path / "run", resume=True
    )
    assert again.spec.history == first.spec.history
    assert again.warm_start == first.warm_start
    assert len(again.trials) == 4


def test_what_any_store_forgot_since_is_not_learnt_again(make_spec, tmp_path, team):
    spec = make_spec(sampler="xautolm", max_trials=1, read_stores=reading(team))
    first, _ = search(spec, tmp_path / "run")
    kept = tmp_path / "run" / "history.parquet"
    forgotten = {e.id for e in open_store(str(team)).scan()}
    open_store(str(team)).forget(tenant="them")
    for trials in (2, 3):
        again, _ = search(
            first.spec.model_copy(update={"max_trials": trials}), tmp_path / "run", resume=True
        )
        assert again.spec.history == first.spec.history
        assert again.warm_start.applied == 0
        assert pq.read_table(kept).num_rows == 0
        assert not any(bytes.fromhex(one) in kept.read_bytes() for one in forgotten)


@pytest.mark.parametrize("damage", ["gone", "torn", "another"])
def test_without_what_it_learnt_from_a_search_is_not_resumed(make_spec, tmp_path, team, damage):
    spec = make_spec(sampler="xautolm", max_trials=1, read_stores=reading(team))
    first, _ = search(spec, tmp_path / "run")
    kept = tmp_path / "run" / "history.parquet"
    if damage == "gone":
        kept.unlink()
    elif damage == "torn":
        kept.write_bytes(kept.read_bytes()[:-20])
    else:
        pq.write_table(pq.read_table(kept).slice(1), kept)
    with pytest.raises(StoreError, match=r"history\.parquet"):
        search(first.spec.model_copy(update={"max_trials": 2}), tmp_path / "run", resume=True)


def test_a_store_that_is_gone_is_a_warning_and_no_more(make_spec, tmp_path, team):
    spec = make_spec(
        sampler="xautolm",
        max_trials=2,
        read_stores=(*reading(tmp_path / "nowhere", name="lost"), *reading(team)),
    )
    result, observer = search(spec, tmp_path / "run")
    assert result.warm_start.applied == 6
    (warning,) = [note for note in observer.notes if "left out" in note]
    assert warning.startswith("Store lost is left out: There is no experience store at ")
    assert not (tmp_path / "nowhere").exists()
    shutil.rmtree(team)
    again, observer = search(
        result.spec.model_copy(update={"max_trials": 3}), tmp_path / "run", resume=True
    )
    assert again.warm_start.applied == 6
    assert any(note.startswith("Store team is left out") for note in observer.notes)


def test_an_unreachable_server_is_a_warning_unless_it_is_the_own_one(
    make_spec, tmp_path, monkeypatch
):
    pytest.importorskip("minio")
    monkeypatch.setenv("XAUTOLM_S3_ACCESS_KEY", "someone")
    monkeypatch.setenv("XAUTOLM_S3_SECRET_KEY", "something")
    address = "s3://bucket/x?endpoint=http://127.0.0.1:9&region=us-east-1&retry_seconds=0"
    spec = make_spec(sampler="xautolm", max_trials=1, read_stores=reading(address))
    result, observer = search(spec, tmp_path / "run")
    assert len(result.trials) == 1
    assert any(note.startswith("Store team is left out: ") for note in observer.notes)
    with pytest.raises(StoreError):
        search(make_spec(sampler="xautolm", store=address), tmp_path / "other-run")


def test_a_sampler_that_does_not_learn_opens_no_other_store(make_spec, tmp_path):
    spec = make_spec(max_trials=1, read_stores=reading(tmp_path / "nowhere"))
    _, observer = search(spec, tmp_path / "run")
    assert not any("left out" in note for note in observer.notes)


def test_classes_that_a_message_quotes_go_by_their_index():
    failure = Failure(
        kind="ValueError",
        message="y contains unseen labels: 'refund', \"spam\" and 'cuda'; refund",
        traceback_hash="ab",
    )
    kept = failure_of(failure, ("ham", "spam", "refund"))
    assert kept.message == "y contains unseen labels: <class 2>, <class 1> and 'cuda'; refund"
    assert (kept.kind, kept.traceback_hash) == ("ValueError", "ab")
