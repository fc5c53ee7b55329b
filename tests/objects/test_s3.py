"""The S3 backend: the contract against a real server, and its addresses and errors without one."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator

import pytest

from tests.objects.conformance import ObjectStorageContract
from xautolm_core.errors import ConfigError
from xautolm_core.errors import StoreError
from xautolm_core.objects.s3 import S3Objects

pytest.importorskip("minio")

SECRET = "a-very-secret-key"
ENVIRONMENT = {
    "XAUTOLM_S3_ENDPOINT": "http://127.0.0.1:9",
    "XAUTOLM_S3_ACCESS_KEY": "someone",
    "XAUTOLM_S3_SECRET_KEY": SECRET,
    "XAUTOLM_S3_REGION": "us-east-1",
}
SERVER = os.environ.get("XAUTOLM_TEST_S3_ENDPOINT", "")


def server_objects(bucket: str, prefix: str, *, secret: str | None = None) -> S3Objects:
    endpoint = SERVER if "://" in SERVER else f"http://{SERVER}"
    return S3Objects(
        bucket,
        prefix,
        endpoint=endpoint,
        access_key=os.environ["XAUTOLM_TEST_S3_ACCESS_KEY"],
        secret_key=secret or os.environ["XAUTOLM_TEST_S3_SECRET_KEY"],
    )


@pytest.fixture
def bucket() -> Iterator[str]:
    """A fresh bucket, removed after the test."""
    name = f"xautolm-test-{uuid.uuid4().hex[:12]}"
    storage = server_objects(name, "")
    storage._client.make_bucket(name)
    yield name
    for info in list(storage.list()):
        storage.delete(info.key)
    storage._client.remove_bucket(name)


@pytest.mark.s3
@pytest.mark.skipif(not SERVER, reason="XAUTOLM_TEST_S3_ENDPOINT is not set")
class TestS3Objects(ObjectStorageContract):
    @pytest.fixture
    def storage(self, bucket: str) -> S3Objects:
        return server_objects(bucket, "some/prefix")

    def test_prefixes_keep_apart(self, bucket: str) -> None:
        one, other = server_objects(bucket, "one"), server_objects(bucket, "one-other")
        one.put("key", b"1")
        other.put("key", b"2")
        assert [info.key for info in one.list()] == ["key"]
        assert one.get("key") == b"1"

    def test_faults_name_the_remedy_and_no_secret(self, bucket: str) -> None:
        with pytest.raises(StoreError) as caught:
            server_objects(bucket, "", secret=SECRET).put("key", b"x")
        assert "SECRET_KEY" in caught.value.hint
        assert SECRET not in str(caught.value)
        with pytest.raises(StoreError, match="NoSuchBucket"):
            list(server_objects(f"{bucket}-absent", "").list())


def test_an_unreachable_server_is_a_store_error_without_credentials() -> None:
    storage = S3Objects.from_uri("s3://bucket/prefix", ENVIRONMENT)
    with pytest.raises(StoreError, match="Cannot read s3://bucket/prefix/key") as caught:
        storage.get("key")
    assert SECRET not in f"{caught.value} {storage!r}"
    assert repr(storage) == "S3Objects('s3://bucket/prefix')"


@pytest.mark.parametrize(
    "uri", ["http://bucket", "s3://", "s3:///prefix", "s3://key:secret@bucket/prefix"]
)
def test_malformed_addresses_are_refused(uri: str) -> None:
    with pytest.raises(ConfigError) as caught:
        S3Objects.from_uri(uri, ENVIRONMENT)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("prefix", ["a/../b", "a//b", "a/./b"])
def test_prefixes_are_checked_like_keys(prefix: str) -> None:
    with pytest.raises(StoreError):
        S3Objects.from_uri(f"s3://bucket/{prefix}", ENVIRONMENT)


def test_missing_credentials_name_the_variable() -> None:
    variables = {k: v for k, v in ENVIRONMENT.items() if k != "XAUTOLM_S3_SECRET_KEY"}
    with pytest.raises(ConfigError, match="XAUTOLM_S3_SECRET_KEY"):
        S3Objects.from_uri("s3://bucket", variables)


def test_an_endpoint_with_credentials_is_refused() -> None:
    variables = {**ENVIRONMENT, "XAUTOLM_S3_ENDPOINT": f"http://someone:{SECRET}@host"}
    with pytest.raises(ConfigError) as caught:
        S3Objects.from_uri("s3://bucket", variables)
    assert SECRET not in str(caught.value)
