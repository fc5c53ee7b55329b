"""The rendered rights of tenants and trials on a real S3 server: enough, and no further."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from tests.charts.rendering import objects_in
from tests.charts.rendering import render
from tests.charts.rendering import values_of
from tests.servers.ceph import CephGateway
from tests.servers.fixtures import S3Server
from xautolm_core.errors import StoreError
from xautolm_core.objects.s3 import S3Objects

pytest.importorskip("minio")
pytestmark = pytest.mark.s3

SECRET = "secret-of-a-tenant"


def _policies(bucket: str) -> dict[str, dict[str, Any]]:
    values = {
        **values_of("minimal"),
        "s3": {"bucket": bucket, "prefix": "teams/{tenant}"},
        "tenants": [{"name": "a"}, {"name": "b"}],
    }
    (found,) = [
        one
        for one in objects_in(render(values))
        if one["metadata"]["name"] == "xautolm-s3-policies"
    ]
    return {name.removesuffix(".json"): json.loads(text) for name, text in found["data"].items()}


@pytest.fixture
def opened(
    ceph: CephGateway, ceph_server: S3Server, ceph_bucket: str
) -> Callable[[str, str], S3Objects]:
    """Return what opens a prefix with the keys that a rendered policy belongs to."""
    users, statements = {}, []
    for name, policy in _policies(ceph_bucket).items():
        user = users[name] = f"{name}-{uuid.uuid4().hex[:8]}"
        ceph.add_user(user, user, SECRET)
        # What an administrator gives a user, given to the bucket: then it must say to whom.
        principal = {"Principal": {"AWS": [f"arn:aws:iam:::user/{user}"]}}
        statements += [{**statement, **principal} for statement in policy["Statement"]]
    document = {"Version": "2012-10-17", "Statement": statements}
    ceph_server.objects(ceph_bucket)._client.set_bucket_policy(ceph_bucket, json.dumps(document))

    def open_as(who: str, prefix: str) -> S3Objects:
        keys = {"ACCESS_KEY": users[who], "SECRET_KEY": SECRET, "REGION": "us-east-1"}
        return ceph_server.objects(ceph_bucket, prefix, **keys)

    return open_as


def _refused(objects: S3Objects, *, but: tuple[str, ...] = ()) -> None:
    acts: dict[str, Callable[[], Any]] = {
        "get": lambda: objects.get("key"),
        "put": lambda: objects.put("key", b"mine"),
        "delete": lambda: objects.delete("key"),
        "delete many": lambda: objects.delete_many(["key"]),
        "list": lambda: list(objects.list()),
    }
    for name, act in acts.items():
        if name not in but:
            with pytest.raises(StoreError, match="AccessDenied"):
                act()


def test_a_tenant_may_all_with_its_own_and_nothing_with_anothers(
    opened: Callable[[str, str], S3Objects],
) -> None:
    own = opened("a", "teams/a/experiences")
    own.put("key", b"of a")
    assert own.get("key") == b"of a" and [info.key for info in own.list()] == ["key"]
    _refused(opened("b", "teams/a/experiences"))
    _refused(opened("a-trial", "teams/a/experiences"))
    assert own.get("key") == b"of a"
    own.delete("key")
    assert list(own.list()) == []


def test_a_trial_reads_and_writes_its_search_and_takes_nothing_away(
    opened: Callable[[str, str], S3Objects],
) -> None:
    opened("a", "teams/a/searches/s1").put("key", b"a task")
    trial = opened("a-trial", "teams/a/searches/s1")
    assert trial.get("key") == b"a task"
    trial.put("trials/0001-0/result.json", b"{}")
    assert len(list(trial.list())) == 2
    _refused(trial, but=("get", "put", "list"))
    _refused(opened("a-trial", "teams/a/models"))
    _refused(opened("a-trial", "teams/b/searches/s1"))
