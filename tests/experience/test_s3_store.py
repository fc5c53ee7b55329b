"""The store on real S3 servers: what depends on the server, and not on the store's own logic.

The order of listings and of scans, writers at once, late, killed in the middle and with clocks that
are wrong. What the store does with what it has read (compaction step by step, corruption,
forgetting, copies) is proven on a folder: below it, every storage passes the same
conformance suite.
"""

from __future__ import annotations

import pytest

from tests.experience.contract.appending import AppendingContract
from tests.experience.contract.at_once import AtOnceContract
from tests.servers.fixtures import S3Server
from xautolm_core.objects.s3 import S3Objects

pytest.importorskip("minio")


@pytest.mark.s3
class TestS3Store(AppendingContract, AtOnceContract):
    @pytest.fixture(autouse=True)
    def _environment(self, monkeypatch: pytest.MonkeyPatch, s3_server: S3Server) -> None:
        for name, value in s3_server.environment().items():
            monkeypatch.setenv(name, value)

    @pytest.fixture
    def address(self, bucket: str) -> str:
        return f"s3://{bucket}/memory"

    @pytest.fixture
    def storage(self, address: str, _environment: None) -> S3Objects:
        return S3Objects.from_uri(address)
