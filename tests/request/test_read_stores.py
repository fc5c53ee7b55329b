"""Which stores are read besides the own one."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xautolm_core.errors import ConfigError
from xautolm_core.request.locations import store_location
from xautolm_core.request.options import SearchOptions
from xautolm_core.request.options import given_options
from xautolm_core.request.read_stores import parse_read_store
from xautolm_core.request.read_stores import read_stores
from xautolm_core.request.search_request import new_search
from xautolm_core.request.search_request import resumed_search
from xautolm_core.search.contract import ReadStore
from xautolm_core.whole_files import write_json


@pytest.fixture(autouse=True)
def nothing_in_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("XAUTOLM_STORES", "XAUTOLM_STORE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def stores_file(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "conf" / "stores.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    monkeypatch.setenv("XAUTOLM_STORES", str(path))


@pytest.mark.parametrize(
    ("text", "name", "store", "trust"),
    [
        ("s3://team/memory", "memory", "s3://team/memory", 0.5),
        ("s3://team", "store", "s3://team", 0.5),
        ("team=s3://team/memory@0.8", "team", "s3://team/memory", 0.8),
        ("s3://team/memory/@1", "memory", "s3://team/memory/", 1.0),
        (
            "s3://team/memory?endpoint=https://minio.example.org:9000&region=eu@.25",
            "memory",
            "s3://team/memory?endpoint=https://minio.example.org:9000&region=eu",
            0.25,
        ),
        ("public=s3://x/y?iam=true", "public", "s3://x/y?iam=true", 0.5),
        ("file:///data/x@y", "x-y", "file:///data/x@y", 0.5),
        ("/data/stores/v1=x@0.5", "v1-x", "/data/stores/v1=x", 0.5),
        ("/data/2026", "store-2026", "/data/2026", 0.5),
        ("/data/own", "store-own", "/data/own", 0.5),
        ("/data/release@2@0.5", "release-2", "/data/release@2", 0.5),
    ],
)
def test_a_store_is_named_addressed_and_trusted(
    text: str, name: str, store: str, trust: float
) -> None:
    assert parse_read_store(text) == ReadStore(name=name, store=store, trust=trust)


def test_a_folder_stays_right_elsewhere(tmp_path: Path) -> None:
    assert parse_read_store("team=there@0.5").store == str(tmp_path / "there")


@pytest.mark.parametrize(
    "text",
    [
        *("", "team=", "@0.5", "team=@0.5", "s3://x/y@0", "s3://x/y@1.5", "s3://x/y@-1"),
        *(
            "own=s3://x/y",
            "ftp://x/y",
            "team=s4://x/y@0.5",
            "s3://x/y@0,5",
            "there@nan",
            "s3://x@high",
        ),
    ],
)
def test_what_is_wrong_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="--read-store"):
        parse_read_store(text)


@given(
    name=st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,31}", fullmatch=True).filter(lambda n: n != "own"),
    path=st.from_regex(r"s3://[a-z]{3,9}/[a-z=?:@&/]{0,20}[a-z]", fullmatch=True),
    trust=st.floats(0.01, 1).map(lambda t: round(t, 3)),
)
def test_whatever_the_address_what_was_written_is_read(name: str, path: str, trust: float) -> None:
    store = ReadStore(name=name, store=path, trust=trust)
    assert parse_read_store(f"{name}={path}@{trust}") == store


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a=here", "b=there/../here"),
        ("a=here", "b=link"),
        ("a=s3://x/y", "b=s3://x/y/@0.1"),
    ],
)
def test_one_store_written_in_two_ways(tmp_path: Path, one: str, other: str) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "link").symlink_to("here")
    with pytest.raises(ConfigError, match="given twice"):
        read_stores([one, other])


def test_names_that_were_not_given_differ() -> None:
    found = read_stores(["s3://a/memory", "s3://b/memory", "s3://c/memory@1"])
    assert [one.name for one in found] == ["memory", "memory-2", "memory-3"]


@pytest.mark.parametrize("given", [["x=s3://a/b", "x=s3://c/d"], ["x=s3://a/b", "y=s3://a/b@1"]])
def test_nothing_is_given_twice(given: list[str]) -> None:
    with pytest.raises(ConfigError, match="--read-store"):
        read_stores(given)


def test_a_file_names_the_own_store_and_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stores_file(
        """
        own: mine
        read:
          team: {store: s3://team/memory, trust: 0.8}
          public: ../public
        """,
        tmp_path,
        monkeypatch,
    )
    assert store_location(None) == str(tmp_path / "conf" / "mine")
    team = ReadStore(name="team", store="s3://team/memory", trust=0.8)
    assert read_stores([])[0] == team
    assert Path(read_stores([])[1].store).resolve() == tmp_path / "public"
    (public, other) = read_stores(["team=s3://other/memory@1"])
    assert (public.name, other.store, other.trust) == ("public", "s3://other/memory", 1.0)
    monkeypatch.setenv("XAUTOLM_STORE", "s3://bucket/x")
    assert store_location(None) == "s3://bucket/x"
    assert store_location("here") == "here"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("read: {own: s3://x/y}", "name"),
        ("read: {team: {store: s3://x/y, trust: 2}}", "trust"),
        ("read: {team: {store: s3://x/y, trust: much}}", "trust"),
        ("read: {team: {trust: 1}}", "stores.yaml:1"),
        ("read: [s3://x/y]", "stores.yaml:1"),
        ("\nwrite: s3://x/y", "stores.yaml:2"),
        ("own: [", "stores.yaml"),
        ("- own", "stores.yaml"),
    ],
)
def test_a_wrong_file_is_named(
    text: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stores_file(text, tmp_path, monkeypatch)
    with pytest.raises(ConfigError, match=words) as caught:
        read_stores([])
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XAUTOLM_STORES", "nowhere.yaml")
    with pytest.raises(ConfigError, match=r"no file nowhere\.yaml"):
        read_stores([])


@pytest.fixture
def options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SearchOptions:
    monkeypatch.setattr(
        "xautolm_core.request.search_request._require_trial_packages", lambda _: None
    )
    (tmp_path / "reviews.csv").write_text("text,label\ngood,1\nbad,0\n")
    return SearchOptions(data="reviews.csv", store="store", out=Path("out"))


def test_a_search_keeps_its_stores_when_it_goes_on(options: SearchOptions) -> None:
    given = given_options(
        {**dict(options), "read_stores": ("team=there@0.7", "store"), "all_tenants": True}
    )
    spec = new_search(given).spec
    assert [(one.name, one.trust) for one in spec.read_stores] == [("team", 0.7)]
    assert spec.all_tenants
    Path("run").mkdir()
    write_json(Path("run/search.json"), spec)
    assert resumed_search(SearchOptions(trials=9), Path("run")).spec.read_stores == spec.read_stores


def test_a_cold_search_reads_no_store(options: SearchOptions) -> None:
    given = given_options({**dict(options), "read_stores": ("x",), "cold": True})
    assert new_search(given).spec.read_stores == ()
