"""The store on real S3 servers: the contract."""

from __future__ import annotations

import pytest

from tests.experience.conformance import ExperienceStoreContract
from tests.servers.fixtures import S3Server
from xautolm_core.objects.s3 import S3Objects

pytest.importorskip("minio")


@pytest.mark.s3
class TestS3Store(ExperienceStoreContract):
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
