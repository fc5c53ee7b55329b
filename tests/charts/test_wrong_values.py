"""Values that are wrong, each refused by the name of what is wrong."""

from __future__ import annotations

from typing import Any

import pytest
from helm_python.errors import HelmError

from tests.charts.rendering import render
from tests.charts.rendering import values_of

TENANT = {"name": "reviews"}
RUNTIME = {"registry": "r", "repository": "x"}

WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown key": ({"exporters": {}}, "exporters"),
    "an unknown key below": ({"exporter": {"replica": 2}}, "replica"),
    "an unknown key of S3": ({"s3": {"accessKey": "AKIA"}}, "accessKey"),
    "a secret in values": ({"s3Server": {"password": "x"}}, "password"),
    "a word for a number": ({"exporter": {"replicas": "two"}}, "replicas"),
    "no replica": ({"exporter": {"replicas": 0}}, "replicas"),
    "a port of root": ({"exporter": {"port": 80}}, "port"),
    "an interval without a number": ({"exporter": {"interval": "often"}}, "interval"),
    "a PUE below 1": ({"exporter": {"pue": 0.5}}, "pue"),
    "a price of nothing": ({"exporter": {"prices": ["cheap"]}}, "prices"),
    "the tag latest": ({"images": {"runtime": {**RUNTIME, "tag": "latest"}}}, "tag"),
    "a digest that is short": ({"images": {"trial": {**RUNTIME, "digest": "sha256:1"}}}, "digest"),
    "no repository": ({"images": {"runtime": {"repository": ""}}}, "repository"),
    "a pull policy": ({"images": {"pullPolicy": "Sometimes"}}, "pullPolicy"),
    "an endpoint without a scheme": ({"s3": {"endpoint": "minio:9000"}}, "endpoint"),
    "keys in an endpoint": ({"s3": {"endpoint": "http://key:secret@minio:9000"}}, "endpoint"),
    "a bucket with capitals": ({"s3": {"bucket": "Mine"}}, "bucket"),
    "a prefix that begins with a slash": ({"s3": {"prefix": "/a"}}, "prefix"),
    "a prefix that leads out": ({"s3": {"prefix": "a/../b"}}, "prefix"),
    "root": ({"podSecurity": {"runAsUser": 0}}, "runAsUser"),
    "no limits": ({"compaction": {"resources": {"limits": None}}}, "limits"),
    "a quantity": ({"search": {"resources": {"memory_limit": "24 GB"}}}, "memory_limit"),
    "a GPU less than none": ({"search": {"resources": {"gpu_count": -1}}}, "gpu_count"),
    "a resource of another spelling": (
        {"search": {"resources": {"cpuRequest": "1"}}},
        "cpuRequest",
    ),
    "a schedule of four fields": ({"compaction": {"schedule": "0 3 * *"}}, "schedule"),
    "a deadline of seconds as words": (
        {"compaction": {"deadlineSeconds": "1h"}},
        "deadlineSeconds",
    ),
    "a switch": ({"monitoring": {"rules": {"enabled": "sometimes"}}}, "enabled"),
    "a budget of nothing": ({"monitoring": {"rules": {"energyBudgetKwh": 0}}}, "energyBudgetKwh"),
    "a network without a mask": (
        {"networkPolicy": {"s3": {"to": [{"ipBlock": {"cidr": "10.0.0.1"}}]}}},
        "cidr",
    ),
    "a peer of nothing": ({"networkPolicy": {"s3": {"to": [{}]}}}, "to/0"),
    "no port": ({"networkPolicy": {"dns": {"ports": []}}}, "ports"),
    "a tenant without a name": ({"tenants": [{"namespace": "a"}]}, "name"),
    "a tenant's name": ({"tenants": [{"name": "Team A"}]}, "name"),
    "an unknown key of a tenant": ({"tenants": [{**TENANT, "bucket": "b"}]}, "bucket"),
    "a tenant twice": ({"tenants": [TENANT, TENANT]}, "reviews is there twice"),
    "two tenants of a namespace": (
        {"tenants": [TENANT, {"name": "b", "namespace": "reviews"}]},
        "b: the namespace reviews is another tenant's",
    ),
    "two tenants of a prefix": (
        {"s3": {"prefix": "all"}, "tenants": [TENANT, {"name": "b"}]},
        "one's prefix (all) holds the other's",
    ),
    "a tenant in another's prefix": (
        {"tenants": [{**TENANT, "prefix": "a"}, {"name": "b", "prefix": "a/b"}]},
        "one's prefix (a) holds the other's (a/b)",
    ),
    "a retraining without data": (
        {"retraining": {"schedules": [{"name": "a", "schedule": "@daily", "parameters": {}}]}},
        "task",
    ),
    "a retraining's name": (
        {"retraining": {"schedules": [{"name": "A!", "schedule": "@daily", "parameters": {}}]}},
        "name",
    ),
    "two scrapes of one exporter": (
        {"monitoring": {"serviceMonitor": {"enabled": True}, "podMonitor": {"enabled": True}}},
        "scrape every exporter twice",
    ),
    "an authority and a pod template": (
        {
            "s3": {"caBundle": {"configMap": "ca"}},
            "search": {"podTemplate": {"spec": {"runtimeClassName": "nvidia"}}},
        },
        "search.podTemplate",
    ),
    "a limit of an unknown kind": ({"limitRange": [{"type": "Node"}]}, "type"),
    "labels that are numbers": ({"commonLabels": {"team": 1}}, "team"),
}


def test_there_are_thirty_and_more() -> None:
    assert len(WRONG) >= 30


@pytest.mark.parametrize("what", WRONG)
def test_wrong_values_are_refused_by_name(what: str) -> None:
    values, words = WRONG[what]
    with pytest.raises(HelmError) as caught:
        render({**values_of("minimal"), **values})
    assert words in str(caught.value)


def test_the_same_without_what_is_wrong_is_taken() -> None:
    render({**values_of("minimal"), "tenants": [TENANT, {"name": "b", "namespace": "c"}]})
