"""The objects of snapshots: their layout, and what of other versions is read."""

from __future__ import annotations

import hashlib
import json

import pytest

from xautolm_core.experience.codec import CorruptObjectError
from xautolm_core.experience.codec import canonical
from xautolm_core.experience.snapshot import SNAPSHOT_VERSION
from xautolm_core.experience.snapshot import Pin
from xautolm_core.experience.snapshot import decode_snapshot
from xautolm_core.experience.snapshot import encode_snapshot
from xautolm_core.experience.snapshot import new_snapshot

SNAPSHOT = new_snapshot(
    [f"segments/{'a' * 64}.parquet"], [Pin(id="b" * 32, key="experiences/x", digest="c" * 64)]
)


def _sealed(content: dict[str, object]) -> bytes:
    digest = hashlib.sha256(canonical(content).encode()).hexdigest()
    return canonical({"digest": digest, "snapshot": content}).encode()


def _content() -> dict[str, object]:
    content: dict[str, object] = json.loads(encode_snapshot(SNAPSHOT))["snapshot"]
    return content


def test_it_says_its_version() -> None:
    assert _content()["version"] == SNAPSHOT_VERSION
    assert decode_snapshot(encode_snapshot(SNAPSHOT)) == SNAPSHOT


def test_older_ones_are_read_and_written_as_todays() -> None:
    content = _content()
    del content["version"]
    old = decode_snapshot(_sealed(content))
    assert old.version == 2
    assert old.model_copy(update={"version": SNAPSHOT_VERSION}) == SNAPSHOT
    assert encode_snapshot(old) == encode_snapshot(SNAPSHOT)
    pins = {"pins": [pin.model_dump() for pin in SNAPSHOT.tail]}
    assert decode_snapshot(canonical(pins).encode()).version == 1


def test_fields_of_newer_ones_are_ignored() -> None:
    newer = decode_snapshot(_sealed(_content() | {"version": 9, "mood": "good"}))
    assert newer.version == 9
    assert newer.tail == SNAPSHOT.tail


@pytest.mark.parametrize("version", [0, "three", None])
def test_a_version_is_a_number(version: object) -> None:
    with pytest.raises(CorruptObjectError):
        decode_snapshot(_sealed(_content() | {"version": version}))
