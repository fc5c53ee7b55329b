"""The S3 servers that tests run against."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import field
from typing import NoReturn

import pytest

from tests.servers.ceph import CephGateway
from tests.servers.ceph import is_installed
from tests.servers.ceph import started_gateway
from xautolm_core.objects.s3 import S3Objects

_CONFIGURED = "XAUTOLM_TEST_S3"
_REQUIRED = "XAUTOLM_REQUIRE_S3"


@dataclass(frozen=True)
class S3Server:
    """A server, and the keys of a user who may make buckets.

    Attributes:
        endpoint: ``http(s)://host:port``.
        access_key: Access key.
        secret_key: Secret key.
    """

    endpoint: str
    access_key: str
    secret_key: str = field(repr=False)

    def environment(self, **more: str) -> dict[str, str]:
        """Return the variables that make ``s3://bucket/prefix`` an address on this server.

        Args:
            **more: Others, or other values: ``SECRET_KEY="..."`` for ``XAUTOLM_S3_SECRET_KEY``.
        """
        values = {
            "ENDPOINT": self.endpoint,
            "ACCESS_KEY": self.access_key,
            "SECRET_KEY": self.secret_key,
        }
        return {f"XAUTOLM_S3_{name}": value for name, value in (values | more).items()}

    def objects(self, bucket: str, prefix: str = "", **more: str) -> S3Objects:
        """Return the objects below a prefix of a bucket."""
        return S3Objects.from_uri(f"s3://{bucket}/{prefix}", self.environment(**more))


def _servers() -> list[str]:
    configured = ["configured"] if os.environ.get(f"{_CONFIGURED}_ENDPOINT") else []
    return configured + (["ceph"] if is_installed() else []) or ["none"]


def _no_server(reason: str) -> NoReturn:
    """Skip the test; where a server has to be there, fail."""
    if os.environ.get(_REQUIRED, "") not in {"", "0"}:
        pytest.fail(f"{reason}, and {_REQUIRED} is set: run make s3-server", pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def ceph() -> Iterator[CephGateway]:
    """A Ceph object gateway of this session. Whoever stops it starts it again."""
    if not is_installed():
        _no_server("ceph-mon, ceph-osd, radosgw and ceph-common are not installed")
    gateway = started_gateway()
    try:
        yield gateway
    finally:
        gateway.stop()


@pytest.fixture(scope="session")
def ceph_server(ceph: CephGateway) -> S3Server:
    """The Ceph object gateway of this session as a server."""
    return S3Server(ceph.endpoint, ceph.access_key, ceph.secret_key)


@pytest.fixture(scope="session", params=_servers())
def s3_server(request: pytest.FixtureRequest) -> S3Server:
    """Each server that there is: the one named by XAUTOLM_TEST_S3_ENDPOINT, and Ceph's gateway."""
    if request.param == "none":
        _no_server("XAUTOLM_TEST_S3_ENDPOINT is not set, and Ceph is not installed")
    if request.param == "configured":
        endpoint = os.environ[f"{_CONFIGURED}_ENDPOINT"]
        return S3Server(
            endpoint if "://" in endpoint else f"http://{endpoint}",
            os.environ[f"{_CONFIGURED}_ACCESS_KEY"],
            os.environ[f"{_CONFIGURED}_SECRET_KEY"],
        )
    server = request.getfixturevalue("ceph_server")
    assert isinstance(server, S3Server)
    return server


@pytest.fixture
def bucket(s3_server: S3Server) -> Iterator[str]:
    """A fresh bucket on the server, removed after the test."""
    yield from fresh_bucket(s3_server)


@pytest.fixture
def ceph_bucket(ceph_server: S3Server) -> Iterator[str]:
    """A fresh bucket on Ceph's gateway, removed after the test."""
    yield from fresh_bucket(ceph_server)


def fresh_bucket(server: S3Server) -> Iterator[str]:
    """Yield the name of a new bucket, and remove it with all that is in it."""
    name = f"xautolm-test-{uuid.uuid4().hex[:12]}"
    storage = server.objects(name)
    storage._client.make_bucket(name)
    yield name
    storage.delete_many([info.key for info in storage.list()])
    storage._client.remove_bucket(name)
