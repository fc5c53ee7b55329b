"""The store on a real S3 server: the contract."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.experience.conformance import ExperienceStoreContract
from tests.objects.test_s3 import SERVER
from tests.objects.test_s3 import bucket
from xautolm_core.objects.s3 import S3Objects

__all__ = ["bucket"]


@pytest.mark.s3
@pytest.mark.skipif(not SERVER, reason="XAUTOLM_TEST_S3_ENDPOINT is not set")
class TestS3Store(ExperienceStoreContract):
    @pytest.fixture(autouse=True)
    def _environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        endpoint = SERVER if "://" in SERVER else f"http://{SERVER}"
        monkeypatch.setenv("XAUTOLM_S3_ENDPOINT", endpoint)
        for name in ("ACCESS_KEY", "SECRET_KEY"):
            monkeypatch.setenv(f"XAUTOLM_S3_{name}", os.environ[f"XAUTOLM_TEST_S3_{name}"])

    @pytest.fixture
    def address(self, bucket: str) -> Iterator[str]:
        yield f"s3://{bucket}/memory"

    @pytest.fixture
    def storage(self, address: str, _environment: None) -> S3Objects:
        return S3Objects.from_uri(address)
