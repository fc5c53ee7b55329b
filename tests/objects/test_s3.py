"""The S3 backend against real servers: the contract, rights, TLS, rotation."""

from __future__ import annotations

import json
import re
import traceback
import uuid
from pathlib import Path

import pytest

from tests.servers.ceph import CephGateway
from tests.servers.fixtures import S3Server
from tests.servers.proxy import FaultyProxy
from xautolm.testing import ObjectStorageContract
from xautolm_core.errors import ConfigError
from xautolm_core.errors import StoreError
from xautolm_core.objects.contract import StorageUnavailableError
from xautolm_core.objects.s3 import S3Objects

pytest.importorskip("minio")

SECRET = "a-very-secret-key"


@pytest.mark.s3
class TestS3Objects(ObjectStorageContract):
    @pytest.fixture
    def storage(self, s3_server: S3Server, bucket: str) -> S3Objects:
        return s3_server.objects(bucket, "some/prefix")

    def test_prefixes_keep_apart(self, s3_server: S3Server, bucket: str) -> None:
        one, other = s3_server.objects(bucket, "one"), s3_server.objects(bucket, "one-other")
        one.put("key", b"1")
        other.put("key", b"2")
        assert [info.key for info in one.list()] == ["key"]
        assert one.get("key") == b"1"
        one.delete_many(["key"])
        assert [info.key for info in other.list()] == ["key"]

    def test_a_wrong_secret_is_told_at_once_and_shown_nowhere(
        self, s3_server: S3Server, bucket: str
    ) -> None:
        storage = s3_server.objects(bucket, SECRET_KEY=SECRET, REGION="us-east-1")
        for act in (
            lambda: storage.put("key", b"x"),
            lambda: storage.get("key"),
            lambda: storage.delete("key"),
            lambda: storage.delete_many(["key"]),
            lambda: list(storage.list()),
            lambda: list(storage.get_many(["key"])),
        ):
            with pytest.raises(StorageUnavailableError, match="SignatureDoesNotMatch") as caught:
                act()
            assert "SECRET_KEY" in caught.value.hint
            assert SECRET not in "".join(traceback.format_exception(caught.value))

    def test_an_unknown_access_key_is_told(self, s3_server: S3Server, bucket: str) -> None:
        with pytest.raises(StorageUnavailableError, match="InvalidAccessKeyId"):
            s3_server.objects(bucket, ACCESS_KEY="nobody").get("key")

    def test_an_absent_bucket_is_told(self, s3_server: S3Server, bucket: str) -> None:
        storage = s3_server.objects(f"{bucket}-absent")
        for act in (
            lambda: list(storage.list()),
            lambda: storage.put("key", b"x"),
            lambda: storage.get("key"),
            lambda: list(storage.get_many(["key"])),
        ):
            with pytest.raises(StorageUnavailableError, match="NoSuchBucket") as caught:
                act()
            assert "Create the bucket" in caught.value.hint

    def test_another_users_bucket_is_refused(
        self, ceph: CephGateway, ceph_server: S3Server, ceph_bucket: str
    ) -> None:
        ceph_server.objects(ceph_bucket).put("key", b"x")
        other = f"other-{uuid.uuid4().hex[:8]}"
        ceph.add_user(other, other, SECRET)
        storage = ceph_server.objects(ceph_bucket, ACCESS_KEY=other, SECRET_KEY=SECRET)
        with pytest.raises(StoreError, match="AccessDenied") as caught:
            storage.get("key")
        assert "right" in caught.value.hint
        # A key that may not be read is the key's own fault: the others are still read.
        ((key, fault),) = storage.get_many(["key"])
        assert key == "key"
        assert isinstance(fault, StoreError)

    def test_the_documented_rights_suffice_and_reach_no_further(
        self, ceph: CephGateway, ceph_server: S3Server, ceph_bucket: str
    ) -> None:
        user = f"team-{uuid.uuid4().hex[:8]}"
        ceph.add_user(user, user, SECRET)
        policy = _documented_policy().replace("xautolm", ceph_bucket)
        # What an administrator gives a user, given to the bucket: then it must say to whom.
        granted = json.loads(policy)
        for statement in granted["Statement"]:
            statement["Principal"] = {"AWS": [f"arn:aws:iam:::user/{user}"]}
        owner = ceph_server.objects(ceph_bucket, "team-b")
        owner._client.set_bucket_policy(ceph_bucket, json.dumps(granted))
        owner.put("key", b"of another team")

        keys = {"ACCESS_KEY": user, "SECRET_KEY": SECRET, "REGION": "us-east-1"}
        own = ceph_server.objects(ceph_bucket, "team-a", **keys)
        own.put("a/key", b"x")
        own.put("a/other", b"y")
        own.put("b/large", b"z" * (6 * 1024**2))
        assert [info.key for info in own.list("a/")] == ["a/key", "a/other"]
        assert dict(own.get_many(["a/key", "absent"])) == {"a/key": b"x"}
        own.delete("a/key")
        own.delete_many(["a/other", "b/large"])
        assert list(own.list()) == []

        other = ceph_server.objects(ceph_bucket, "team-b", **keys)
        for act in (
            lambda: other.get("key"),
            lambda: other.put("key", b"z"),
            lambda: other.delete("key"),
            lambda: other.delete_many(["key"]),
            lambda: list(other.list()),
        ):
            with pytest.raises(StoreError, match="AccessDenied"):
                act()
        assert owner.get("key") == b"of another team"

    def test_with_a_region_the_server_is_not_asked_for_it(
        self, ceph_server: S3Server, ceph_bucket: str
    ) -> None:
        with FaultyProxy(ceph_server.endpoint) as proxy:
            storage = ceph_server.objects(ceph_bucket, ENDPOINT=proxy.endpoint, REGION="us-east-1")
            storage.put("key", b"x")
            assert storage.get("key") == b"x"
            assert proxy.requests == [
                ("PUT", f"/{ceph_bucket}/key"),
                ("GET", f"/{ceph_bucket}/key"),
            ]


@pytest.mark.s3
class TestTls:
    def test_a_ca_bundle_makes_a_private_authority_known(
        self, ceph: CephGateway, ceph_server: S3Server, ceph_bucket: str
    ) -> None:
        endpoint, authority = _tls(ceph)
        storage = ceph_server.objects(ceph_bucket, ENDPOINT=endpoint, CA_BUNDLE=str(authority))
        storage.put("key", b"over TLS")
        assert ceph_server.objects(ceph_bucket).get("key") == b"over TLS"
        assert dict(storage.get_many(["key"])) == {"key": b"over TLS"}
        uri = f"s3://{ceph_bucket}?endpoint={endpoint}&ca_bundle={authority}"
        assert S3Objects.from_uri(uri, ceph_server.environment()).get("key") == b"over TLS"

    def test_without_it_the_server_is_refused_at_once(
        self, ceph: CephGateway, ceph_server: S3Server, ceph_bucket: str
    ) -> None:
        endpoint, _ = _tls(ceph)
        storage = ceph_server.objects(ceph_bucket, ENDPOINT=endpoint)
        with pytest.raises(StorageUnavailableError, match="SSLCertVerificationError") as caught:
            storage.put("key", b"x")
        assert "ca_bundle" in caught.value.hint

    @pytest.mark.parametrize("content", [None, "", "no certificate"])
    def test_a_bundle_that_is_none_is_named(self, tmp_path: Path, content: str | None) -> None:
        bundle = tmp_path / "bundle.pem"
        if content is not None:
            bundle.write_text(content)
        with pytest.raises(ConfigError, match=r"bundle\.pem"):
            S3Objects.from_uri(
                f"s3://bucket?endpoint=https://localhost&ca_bundle={bundle}",
                {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": SECRET},
            )


@pytest.mark.s3
def test_mounted_credentials_are_rotated_without_a_fault(
    ceph: CephGateway, ceph_server: S3Server, ceph_bucket: str, tmp_path: Path
) -> None:
    user = f"rotating-{uuid.uuid4().hex[:8]}"
    mount = tmp_path / "mount"
    mount.mkdir()

    def publish(generation: str) -> None:
        """Swap the files as the kubelet does."""
        ceph.add_user(user, f"{user}-{generation}", f"secret-{generation}")
        folder = mount / f"..{generation}"
        folder.mkdir()
        (folder / "accesskey").write_text(f"{user}-{generation}\n")
        (folder / "secretkey").write_text(f"secret-{generation}\n")
        link = mount / "..data_new"
        link.symlink_to(folder.name)
        link.replace(mount / "..data")
        for name in ("accesskey", "secretkey"):
            if not (mount / name).is_symlink():
                (mount / name).symlink_to(f"..data/{name}")

    publish("one")
    environment = {
        "XAUTOLM_S3_ENDPOINT": ceph.endpoint,
        "XAUTOLM_S3_CREDENTIALS_FILE": str(mount),
    }
    own_bucket = f"{ceph_bucket}-own"
    storage = S3Objects.from_uri(f"s3://{own_bucket}", environment)
    storage._client.make_bucket(own_bucket)
    try:
        storage.put("key", b"with the first key")
        publish("two")
        ceph.remove_key(user, f"{user}-one")
        assert storage.get("key") == b"with the first key"
        storage.put("key", b"with the second key")
        assert dict(storage.get_many(["key"])) == {"key": b"with the second key"}
    finally:
        storage.delete_many(["key"])
        storage._client.remove_bucket(own_bucket)


def test_an_unreachable_server_is_a_store_error_without_credentials() -> None:
    variables = {
        "XAUTOLM_S3_ENDPOINT": "http://127.0.0.1:9",
        "XAUTOLM_S3_ACCESS_KEY": "someone",
        "XAUTOLM_S3_SECRET_KEY": SECRET,
        "XAUTOLM_S3_REGION": "us-east-1",
        "XAUTOLM_S3_RETRY_SECONDS": "0.2",
    }
    storage = S3Objects.from_uri("s3://bucket/prefix", variables)
    with pytest.raises(
        StorageUnavailableError, match=r"Cannot read s3://bucket/prefix/key at 127\.0\.0\.1"
    ) as caught:
        storage.get("key")
    shown = "".join(traceback.format_exception(caught.value))
    assert SECRET not in f"{shown} {storage!r} {storage.settings!r} {vars(storage)!r}"
    assert repr(storage) == "S3Objects('s3://bucket/prefix')"
    # One hundred thousand keys do not take as many times as long.
    with pytest.raises(StorageUnavailableError):
        list(storage.get_many(str(number) for number in range(100_000)))


def _documented_policy() -> str:
    text = (Path(__file__).parents[2] / "docs" / "s3.md").read_text()
    found = re.search(r"^    \{\n.*?^    \}\n", text, re.DOTALL | re.MULTILINE)
    assert found is not None
    return found.group()


def _tls(ceph: CephGateway) -> tuple[str, Path]:
    if ceph.tls_endpoint is None or ceph.certificates is None:
        pytest.skip("the openssl program is not installed")
    return ceph.tls_endpoint, ceph.certificates.authority
