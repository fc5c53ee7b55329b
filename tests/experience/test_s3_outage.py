"""A server that is away for a while in the middle of work: nothing is lost."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.experience.contract.at_once import processes
from tests.experience.contract.at_once import stopped
from tests.experience.contract.base import keys
from tests.servers.ceph import CephGateway
from tests.servers.fixtures import S3Server
from xautolm_core.experience.open import open_store
from xautolm_core.experience.store import ObjectExperienceStore

pytest.importorskip("minio")

WRITERS = 3
COUNT = 250
AWAY_SECONDS = 20.0
# Lines that were on their way when the server went.
_SETTLED_SECONDS = 2.0


@pytest.fixture
def address(ceph_server: S3Server, ceph_bucket: str, monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in ceph_server.environment(REGION="us-east-1").items():
        monkeypatch.setenv(name, value)
    return f"s3://{ceph_bucket}/memory"


@pytest.mark.s3
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_server_that_is_away_for_twenty_seconds_costs_time_and_nothing_else(
    ceph: CephGateway, address: str
) -> None:
    store = open_store(address)
    with processes() as start:
        compactor, reader = start("compact", address, "2"), start("read", address)
        for process in (compactor, reader):
            assert process.stdout is not None
            assert process.stdout.readline().strip() == "ready"
        writers = [start("write", address, f"search-{n}", str(COUNT)) for n in range(WRITERS)]
        told = [_collected(writer) for writer in writers]
        # All are at work: each writer has written, and the compactor has gathered.
        _wait_until(lambda: all(ids for ids in told) and bool(keys(store.storage, "segments/")))
        ceph.stop_gateway()
        try:
            time.sleep(_SETTLED_SECONDS)
            before = [len(ids) for ids in told]
            time.sleep(AWAY_SECONDS - _SETTLED_SECONDS)
            # Nothing was told as written, and nobody has given up.
            assert [len(ids) for ids in told] == before
            assert [p.poll() for p in (compactor, reader, *writers)] == [None] * (2 + WRITERS)
        finally:
            ceph.start_gateway()
        assert [writer.wait(timeout=600) for writer in writers] == [0] * WRITERS
        _wait_until(lambda: all(len(ids) == COUNT for ids in told))
        assert stopped(compactor) == ""
        # It tells what it saw go missing or come twice; all is well.
        name, reads = stopped(reader).split()
    assert name == "reads"
    assert int(reads) > 0
    assert max(before) < COUNT
    _require_all(store, {identity for ids in told for identity in ids})


def _require_all(store: ObjectExperienceStore, told: set[str]) -> None:
    """All that was told is there once, before and after compactions."""
    assert len(told) == WRITERS * COUNT
    for _ in range(3):
        found = [experience.id for experience in store.scan()]
        assert len(found) == len(told)
        assert set(found) == told
        store.compact(grace=timedelta(0))
    assert keys(store.storage, "experiences/") == []
    assert store.totals().trials.total() == len(told)
    assert store.faults == ()
    assert store.verify().faults == ()


def _collected(process: subprocess.Popen[str]) -> list[str]:
    """Return a list that the lines a process prints are added to as they come."""
    lines: list[str] = []

    def collect() -> None:
        assert process.stdout is not None
        lines.extend(line.strip() for line in process.stdout)

    threading.Thread(target=collect, daemon=True).start()
    return lines


def _wait_until(is_so: Callable[[], bool], seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)
