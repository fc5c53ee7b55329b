"""What goes wrong on the way to a real server, and what is waited for."""

from __future__ import annotations

import itertools
import logging
import threading
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.servers.ceph import CephGateway
from tests.servers.fixtures import S3Server
from tests.servers.proxy import Fault
from tests.servers.proxy import FaultyProxy
from xautolm_core.errors import StoreError
from xautolm_core.objects.contract import StorageUnavailableError
from xautolm_core.objects.s3 import PAGE
from xautolm_core.objects.s3 import S3Objects

pytest.importorskip("minio")
pytestmark = pytest.mark.s3

TRANSIENT = [fault for fault in Fault if fault is not Fault.FORBIDDEN]


@pytest.fixture
def proxy(ceph_server: S3Server) -> Iterator[FaultyProxy]:
    with FaultyProxy(ceph_server.endpoint, stall_seconds=1.0) as proxy:
        yield proxy


@pytest.fixture
def storage(proxy: FaultyProxy, ceph_server: S3Server, ceph_bucket: str) -> S3Objects:
    return spoilt(proxy, ceph_server, ceph_bucket, RETRY_SECONDS="30")


def spoilt(proxy: FaultyProxy, server: S3Server, bucket: str, **settings: str) -> S3Objects:
    settings = {"REGION": "us-east-1", "TIMEOUT_SECONDS": "0.5"} | settings
    return server.objects(bucket, "below", ENDPOINT=proxy.endpoint, **settings)


@pytest.mark.parametrize("fault", TRANSIENT)
def test_a_fault_that_passes_is_waited_for(
    storage: S3Objects, proxy: FaultyProxy, fault: Fault
) -> None:
    contents = {f"key/{number}": bytes([number]) * 2000 for number in range(3)}

    def after_faults(count: int = 2) -> None:
        assert proxy.left == 0
        proxy.spoil([fault] * count)

    for key, data in contents.items():
        after_faults(1)
        storage.put(key, data)
    after_faults()
    assert storage.get("key/1") == contents["key/1"]
    after_faults()
    assert [info.key for info in storage.list()] == sorted(contents)
    after_faults(5)
    assert dict(storage.get_many([*contents, "absent"])) == contents
    after_faults(1)
    storage.delete("key/0")
    after_faults()
    storage.delete_many(["key/1", "absent"])
    after_faults()
    assert [info.key for info in storage.list()] == ["key/2"]
    assert proxy.left == 0


# The answer to a write is empty: it cannot break off half-way.
@pytest.mark.parametrize("fault", [fault for fault in TRANSIENT if fault is not Fault.TRUNCATED])
def test_a_fault_that_passes_is_waited_for_with_a_large_object_too(
    proxy: FaultyProxy, ceph_server: S3Server, ceph_bucket: str, fault: Fault
) -> None:
    storage = spoilt(proxy, ceph_server, ceph_bucket, RETRY_SECONDS="30", TIMEOUT_SECONDS="10")
    data = bytes(range(256)) * (6 * 4096)
    # More than one: clients clear away after a large upload that failed, and that may fail too.
    proxy.spoil([fault] * 3)
    storage.put("large", data)
    assert proxy.left == 0
    assert proxy.requests == [("PUT", f"/{ceph_bucket}/below/large")] * 4
    assert storage.get("large") == data


def test_a_listing_goes_on_where_it_was_interrupted(
    storage: S3Objects, proxy: FaultyProxy, ceph_server: S3Server, ceph_bucket: str
) -> None:
    keys = [f"key/{number:05}" for number in range(PAGE + 5)]
    direct = ceph_server.objects(ceph_bucket, "below")
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda key: direct.put(key, b""), keys))
    listing = storage.list("key/")
    found = [next(listing).key for _ in range(PAGE)]
    proxy.spoil([Fault.SLOW_DOWN, Fault.TRUNCATED, Fault.RESET])
    found += [info.key for info in listing]
    assert found == keys
    # Two pages, and the second of them four times.
    assert len(proxy.requests) == 5


@pytest.mark.parametrize("fault", [Fault.SLOW_DOWN, Fault.RESET])
def test_waiting_ends_at_the_limit(
    proxy: FaultyProxy, ceph_server: S3Server, ceph_bucket: str, fault: Fault
) -> None:
    storage = spoilt(proxy, ceph_server, ceph_bucket, RETRY_SECONDS="1.5")
    proxy.spoil([fault] * 1000)
    start = time.monotonic()
    with pytest.raises(StoreError):
        storage.put("key", b"x")
    assert 1.4 < time.monotonic() - start < 5
    # The waits grow: a server that is busy is not asked a thousand times.
    assert 4 <= len(proxy.requests) <= 9


def test_without_patience_there_is_one_attempt(
    proxy: FaultyProxy, ceph_server: S3Server, ceph_bucket: str
) -> None:
    storage = spoilt(proxy, ceph_server, ceph_bucket, RETRY_SECONDS="0")
    proxy.spoil([Fault.BAD_GATEWAY])
    with pytest.raises(StoreError, match="HTTP status 502"):
        storage.get("key")
    assert len(proxy.requests) == 1


def test_one_object_that_fails_for_good_does_not_hide_the_others(
    proxy: FaultyProxy, ceph_server: S3Server, ceph_bucket: str
) -> None:
    storage = spoilt(proxy, ceph_server, ceph_bucket, RETRY_SECONDS="0")
    keys = [f"key/{number}" for number in range(6)]
    for key in keys:
        storage.put(key, b"x")
    proxy.spoil([Fault.INTERNAL_ERROR] * 2)
    found = dict(storage.get_many(keys))
    assert sorted(found) == keys
    faults = [value for value in found.values() if isinstance(value, StoreError)]
    assert [str(fault).count("InternalError") for fault in faults] == [1, 1]


def test_while_a_server_is_busy_many_reads_wait_as_long_as_one(
    proxy: FaultyProxy, ceph_server: S3Server, ceph_bucket: str
) -> None:
    storage = spoilt(proxy, ceph_server, ceph_bucket, RETRY_SECONDS="1")
    proxy.spoil([Fault.SLOW_DOWN] * 10_000)
    start = time.monotonic()
    found = dict(storage.get_many([f"key/{number}" for number in range(100)]))
    assert time.monotonic() - start < 8
    assert len(found) == 100
    assert all(isinstance(value, StoreError) for value in found.values())


def test_what_will_not_pass_is_told_at_once(storage: S3Objects, proxy: FaultyProxy) -> None:
    proxy.spoil([Fault.FORBIDDEN])
    with pytest.raises(StoreError, match="HTTP status 403") as caught:
        storage.put("key", b"x")
    assert len(proxy.requests) == 1
    # The page quotes the request; nothing of it is shown, not even in a traceback.
    shown = "".join(traceback.format_exception(caught.value))
    assert "Authorization" not in shown
    assert "Signature=" not in shown


def test_long_waits_are_told_once(
    storage: S3Objects,
    proxy: FaultyProxy,
    ceph_server: S3Server,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.DEBUG):
        proxy.spoil([Fault.SLOW_DOWN] * 5)
        storage.put("key", b"x")
    warnings = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
    assert len(warnings) == 1
    assert "SlowDown" in warnings[0]
    assert ceph_server.secret_key not in caplog.text


def test_nothing_is_lost_while_the_gateway_is_down(
    ceph: CephGateway, ceph_server: S3Server, ceph_bucket: str
) -> None:
    storage = ceph_server.objects(ceph_bucket, "writers", REGION="us-east-1")
    told: list[str] = []
    stop = threading.Event()

    def write(writer: int) -> None:
        for number in itertools.count():
            if stop.is_set():
                return
            key = f"{writer}/{number:06}"
            storage.put(key, key.encode())
            told.append(key)

    with ThreadPoolExecutor(4) as pool:
        writers = [pool.submit(write, number) for number in range(4)]
        time.sleep(1)
        before = len(told)
        ceph.stop_gateway()
        time.sleep(5)
        during = len(told)
        ceph.start_gateway()
        deadline = time.monotonic() + 60
        while len(told) < during + 40 and time.monotonic() < deadline:
            time.sleep(0.2)
        stop.set()
    for writer in writers:
        writer.result()
    assert 0 < before <= during < len(told)
    assert dict(storage.get_many(told)) == {key: key.encode() for key in told}
    assert {info.key for info in storage.list()} == set(told)


def test_a_gateway_that_stays_away_is_a_storage_that_cannot_be_used(
    ceph: CephGateway, ceph_server: S3Server, ceph_bucket: str
) -> None:
    storage = ceph_server.objects(ceph_bucket, REGION="us-east-1", RETRY_SECONDS="1")
    storage.put("key", b"x")
    ceph.stop_gateway()
    try:
        for act in (
            lambda: storage.put("key", b"y"),
            lambda: storage.get("key"),
            lambda: list(storage.list()),
            lambda: list(storage.get_many(["key", "other"])),
            lambda: storage.delete_many(["key"]),
        ):
            with pytest.raises(StorageUnavailableError):
                act()
    finally:
        ceph.start_gateway()
    assert storage.get("key") == b"x"
