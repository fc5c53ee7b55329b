"""The commands of ``xautolm store`` on a real S3 server."""

from __future__ import annotations

import json

import pytest

from tests.cli.running import Call
from tests.experience.samples import sample
from tests.servers.fixtures import S3Server
from xautolm_core.experience.open import open_store
from xautolm_core.experience.store import ObjectExperienceStore

pytest.importorskip("minio")
pytestmark = pytest.mark.s3


@pytest.fixture
def address(s3_server: S3Server, bucket: str, monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in s3_server.environment().items():
        monkeypatch.setenv(name, value)
    return f"s3://{bucket}/memory"


@pytest.fixture
def store(address: str) -> ObjectExperienceStore:
    opened = open_store(address)
    for trial in range(4):
        opened.append(sample("s", trial))
    return opened


def test_experiences_are_listed_shown_and_counted(
    call: Call, store: ObjectExperienceStore, address: str
) -> None:
    listed = call("store", "ls", "--store", address, "--json")
    assert (listed.code, listed.err) == (0, "")
    assert [e["trial_number"] for e in json.loads(listed.out)] == [0, 1, 2, 3]
    identity = json.loads(listed.out)[2]["id"]
    assert json.loads(call("store", "show", identity, "--store", address).out)["trial_number"] == 2
    assert "4 experiences, 0 forgotten" in call("store", "stats", "--store", address).out


def test_compaction_keeps_everything(
    call: Call, store: ObjectExperienceStore, address: str
) -> None:
    merged = call("store", "compact", "--store", address)
    assert (merged.code, merged.out, merged.err) == (0, "4 objects merged\n", "")
    assert call("store", "compact", "--store", address).out == "0 objects merged\n"
    ended = call("store", "ls", "--store", address, "--limit", "0")
    assert "4 experiences" in ended.out


def test_verify_finds_what_is_corrupt(
    call: Call, store: ObjectExperienceStore, address: str
) -> None:
    sound = call("store", "verify", "--store", address)
    assert (sound.code, sound.out) == (0, "4 objects, 0 faults\n")
    key = next(info.key for info in store.storage.list("experiences/"))
    store.storage.put(key, store.storage.get(key)[:-20])
    found = call("store", "verify", "--store", address)
    assert (found.code, key in found.out) == (3, True)
    assert "3 experiences" in call("store", "ls", "--store", address).out


@pytest.mark.parametrize("command", [("ls",), ("verify",), ("compact",), ("stats",)])
def test_a_mistyped_prefix_is_told_and_nothing_is_written(
    call: Call, store: ObjectExperienceStore, address: str, command: tuple[str, ...]
) -> None:
    mistyped = address.replace("memory", "memroy")
    ended = call("store", *command, "--store", mistyped)
    assert ended.code == 3
    assert f"There is no experience store at {mistyped}" in ended.err
    assert len(ended.err.strip().splitlines()) == 1
    there = open_store(address.removesuffix("/memory"))
    assert {info.key.partition("/")[0] for info in there.storage.list()} == {"memory"}
