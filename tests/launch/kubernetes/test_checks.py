"""What is wrong is told before any pod starts."""

from __future__ import annotations

from typing import Any

import pytest

from tests.launch.kubernetes.conftest import api_at
from tests.launch.kubernetes.fake_api import CORE
from tests.launch.kubernetes.fake_api import FakeApi
from xautolm_core.errors import ConfigError
from xautolm_core.launch.kubernetes.checks import check_cluster
from xautolm_core.launch.kubernetes.settings import KubernetesSettings

QUEUE = "/apis/kueue.x-k8s.io/v1beta1/namespaces/trials/localqueues/q"
ALL = {
    "image": "trial:1",
    "s3_secret": "keys",
    "model_cache_claim": "models",
    "queue": {"name": "q"},
}


def check(fake: FakeApi, **settings: Any) -> None:
    given = KubernetesSettings.model_validate({**ALL, **settings})
    check_cluster(api_at(fake.url), "trials", given)


def test_all_is_there(fake: FakeApi) -> None:
    fake.present |= {QUEUE, f"{CORE}/secrets/keys", f"{CORE}/persistentvolumeclaims/models"}
    check(fake)
    assert fake.created == []


@pytest.mark.parametrize(
    ("resource", "verb"), [("jobs", "create"), ("jobs", "watch"), ("pods", "list")]
)
def test_a_missing_permission(fake: FakeApi, resource: str, verb: str) -> None:
    fake.denied.add((resource, verb))
    with pytest.raises(ConfigError) as told:
        check(fake)
    group = "batch" if resource == "jobs" else ""
    rule = f'{{apiGroups: ["{group}"], resources: ["{resource}"], verbs: ["{verb}"]}}'
    assert rule in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("path", "what"),
    [
        (f"{CORE}/serviceaccounts/default", "service account 'default'"),
        (f"{CORE}/secrets/keys", "secret 'keys'"),
        (f"{CORE}/persistentvolumeclaims/models", "PersistentVolumeClaim 'models'"),
        (QUEUE, "Kueue LocalQueue 'q'"),
    ],
)
def test_an_object_that_is_not_there(fake: FakeApi, path: str, what: str) -> None:
    fake.present |= {QUEUE, f"{CORE}/secrets/keys", f"{CORE}/persistentvolumeclaims/models"}
    fake.present.remove(path)
    with pytest.raises(ConfigError, match=f"There is no {what}"):
        check(fake)


def test_a_namespace_that_is_not_there_is_named_as_such(fake: FakeApi) -> None:
    fake.present.clear()
    with pytest.raises(ConfigError, match="There is no namespace 'trials'"):
        check(fake)


def test_a_role_that_may_not_look_up_anything_leaves_the_server_to_judge(fake: FakeApi) -> None:
    fake.present.clear()
    fake.unreadable = (CORE, QUEUE)  # what the documented Role does not list
    check(fake)
    assert fake.created == []
    (job,) = fake.dry_runs
    assert job["spec"]["template"]["spec"]["containers"][0]["image"] == "trial:1"
    for status, said, told in (
        (404, 'namespaces "trials" not found', "There is no namespace 'trials'"),
        (403, 'admission webhook "policy" denied the request: no team', "denied the request"),
        (422, 'Job.batch "x" is invalid: spec.template.spec.volumes[0]', "is invalid"),
        (400, 'strict decoding error: unknown field "spec.tepmlate"', "unknown field"),
    ):
        fake.refusal = (status, said)
        with pytest.raises(ConfigError, match=told):
            check(fake)
    for status, said in (
        (403, "exceeded quota: team, requested: count/jobs.batch=1"),
        (400, 'admission webhook "policy" does not support dry run'),
        (409, "already exists"),
    ):
        fake.refusal = (status, said)
        check(fake)
