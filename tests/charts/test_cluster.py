"""The chart on a real cluster: installed, tested, used, upgraded, rolled back, and gone.

The cluster is what KUBECONFIG names, for a user who may make namespaces. Its pods run the images
XAUTOLM_TEST_IMAGE_RUNTIME and XAUTOLM_TEST_IMAGE_TRIAL, pulled as XAUTOLM_TEST_PULL_POLICY says.
They and this machine reach the server of XAUTOLM_TEST_S3_ENDPOINT with the keys
XAUTOLM_TEST_S3_ACCESS_KEY and XAUTOLM_TEST_S3_SECRET_KEY. Every test has its own
namespaces, or only looks.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable
from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import field
from typing import Any

import pytest
from helm_python.config import Config

from tests.charts.rendering import chart
from xautolm_core.experience.open import open_store
from xautolm_core.experience.store import ObjectExperienceStore
from xautolm_core.launch.kubernetes.client import ApiError
from xautolm_core.launch.kubernetes.client import KubernetesApi
from xautolm_core.launch.kubernetes.client import connect

NEEDED = (
    *("KUBECONFIG", "XAUTOLM_TEST_IMAGE_RUNTIME", "XAUTOLM_TEST_IMAGE_TRIAL"),
    *("XAUTOLM_TEST_S3_ENDPOINT", "XAUTOLM_TEST_S3_ACCESS_KEY", "XAUTOLM_TEST_S3_SECRET_KEY"),
)
pytestmark = [
    pytest.mark.cluster,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(
        not all(os.environ.get(name) for name in NEEDED), reason=f"not all set: {', '.join(NEEDED)}"
    ),
]

TENANTS = ("a", "b")
WAIT_SECONDS = 300
ROWS = "".join(
    f"{text} {n},{label}\n"
    for n in range(40)
    for text, label in (("it works well", "good"), ("it broke at once", "bad"))
)


def _image(variable: str) -> dict[str, str]:
    name, sign, digest = os.environ[variable].partition("@")
    tag = "" if sign or ":" not in name.rpartition("/")[2] else name.rpartition(":")[2]
    repository = name.removesuffix(f":{tag}") if tag else name
    return {"registry": "", "repository": repository, "tag": tag, "digest": digest}


@dataclass
class Place:
    """A release with two tenants, in namespaces of its own.

    Attributes:
        api: With the rights of KUBECONFIG.
        namespace: Of the release; each tenant has one that begins with it.
        bucket: Of the S3 server.
    """

    api: KubernetesApi
    namespace: str = field(default_factory=lambda: f"xautolm-{uuid.uuid4().hex[:6]}")
    bucket: str = field(default_factory=lambda: f"chart-{uuid.uuid4().hex[:8]}")

    @property
    def namespaces(self) -> list[str]:
        return [self.namespace, *(self.of(tenant) for tenant in TENANTS)]

    def of(self, tenant: str) -> str:
        return f"{self.namespace}-{tenant}"

    def values(self, **more: Any) -> dict[str, Any]:
        resources = {"cpu_request": "100m", "memory_limit": "1Gi", "work_storage": "1Gi"}
        return {
            "tenants": [{"name": one, "namespace": self.of(one)} for one in TENANTS],
            "images": {
                "pullPolicy": os.environ.get("XAUTOLM_TEST_PULL_POLICY", "Never"),
                "runtime": _image("XAUTOLM_TEST_IMAGE_RUNTIME"),
                "trial": _image("XAUTOLM_TEST_IMAGE_TRIAL"),
            },
            "s3": {
                "endpoint": os.environ["XAUTOLM_TEST_S3_ENDPOINT"],
                "bucket": self.bucket,
                "prefix": "teams/{tenant}",
                "secret": "xautolm-s3",
            },
            "search": {"resources": resources},
            "exporter": {"interval": "5s"},
            # The server may be anywhere.
            "networkPolicy": {"s3": {"to": [], "ports": _s3_port()}},
            **more,
        }

    def store(self, tenant: str) -> ObjectExperienceStore:
        return open_store(f"s3://{self.bucket}/teams/{tenant}/experiences")

    def make(self) -> None:
        for namespace in self.namespaces:
            labels = {"pod-security.kubernetes.io/enforce": "restricted"}
            body = {"metadata": {"name": namespace, "labels": labels}}
            self.api.request("POST", "/api/v1/namespaces", body=body)
            keys = {
                "accesskey": os.environ["XAUTOLM_TEST_S3_ACCESS_KEY"],
                "secretkey": os.environ["XAUTOLM_TEST_S3_SECRET_KEY"],
            }
            secret = {"metadata": {"name": "xautolm-s3"}, "stringData": keys}
            self.api.request("POST", f"/api/v1/namespaces/{namespace}/secrets", body=secret)

    def remove(self) -> None:
        for namespace in self.namespaces:
            self.api.request("DELETE", f"/api/v1/namespaces/{namespace}")


def _s3_port() -> list[int]:
    from urllib.parse import urlsplit

    return [urlsplit(os.environ["XAUTOLM_TEST_S3_ENDPOINT"]).port or 443]


def _helm(place: Place) -> Config:
    return Config(kubeconfig_path=os.environ["KUBECONFIG"], namespace=place.namespace)


def _wait(what: Callable[[], Any], words: str, seconds: float = WAIT_SECONDS) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, words
        time.sleep(2)
    return found


@pytest.fixture
def s3_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ENDPOINT", "ACCESS_KEY", "SECRET_KEY"):
        monkeypatch.setenv(f"XAUTOLM_S3_{name}", os.environ[f"XAUTOLM_TEST_S3_{name}"])


@pytest.fixture(scope="module")
def api() -> KubernetesApi:
    return connect(patience_seconds=60, requests_per_second=50)[0]


@pytest.fixture
def place(api: KubernetesApi) -> Iterator[Place]:
    """Namespaces in which nothing is installed."""
    one = Place(api)
    one.make()
    yield one
    one.remove()


@pytest.fixture(scope="module")
def installed(api: KubernetesApi) -> Iterator[Place]:
    """An installed release, at which tests only look."""
    one = Place(api)
    one.make()
    try:
        with _helm(one) as helm:
            helm.install(chart(), "xautolm", one.values(), wait="watcher", timeout=WAIT_SECONDS)
            yield one
            helm.uninstall("xautolm", ignore_not_found=True)
    finally:
        one.remove()


def test_helm_test_is_content(installed: Place) -> None:
    with _helm(installed) as helm:
        done = helm.test("xautolm", timeout=WAIT_SECONDS)
    assert done["release"]


def test_a_search_runs_as_jobs_of_its_tenant_and_is_kept_in_its_store(
    installed: Place, s3_environment: None
) -> None:
    namespace = installed.of("a")
    core = f"/api/v1/namespaces/{namespace}"
    jobs = f"/apis/batch/v1/namespaces/{namespace}/jobs"
    data = {"metadata": {"name": "rows"}, "data": {"reviews.csv": f"text,label\n{ROWS}"}}
    installed.api.request("POST", f"{core}/configmaps", body=data)
    installed.api.request("POST", jobs, body=_search_job(installed, "a"))

    def ended() -> str:
        status = installed.api.request("GET", f"{jobs}/search")["status"]
        kinds = [c["type"] for c in status.get("conditions", []) if c["status"] == "True"]
        return next((kind for kind in kinds if kind in ("Complete", "Failed")), "")

    end = _wait(ended, "the search has not ended")
    assert end == "Complete", _logs(installed.api, namespace, "search")
    rows = list(installed.store("a").scan())
    assert rows and {row.outcome.value for row in rows} == {"ok"}
    assert {row.tenant for row in rows} == {"a"}
    assert not list(installed.store("b").scan())


def _search_job(place: Place, tenant: str) -> dict[str, Any]:
    values = place.values()
    store = f"s3://{place.bucket}/teams/{tenant}/experiences"
    command = [
        *("xautolm", "search", "/data/reviews.csv", "--methods", "tfidf", "--store", store),
        *("--tenant", tenant, "--out", "/tmp/run", "--launcher", "kubernetes"),
        *("--launcher-settings", "/etc/xautolm/search/kubernetes.yaml"),
    ]
    environment = {
        "HOME": "/tmp",
        "XAUTOLM_S3_ENDPOINT": values["s3"]["endpoint"],
        "XAUTOLM_S3_CREDENTIALS_FILE": "/var/run/xautolm/s3",
    }
    labels = {"app.kubernetes.io/part-of": "xautolm", "app.kubernetes.io/component": "search"}
    container = {
        "name": "search",
        "image": os.environ["XAUTOLM_TEST_IMAGE_RUNTIME"],
        "imagePullPolicy": values["images"]["pullPolicy"],
        "command": command,
        "env": [{"name": name, "value": value} for name, value in environment.items()],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "tmp", "mountPath": "/tmp"},
            {"name": "rows", "mountPath": "/data"},
            {"name": "settings", "mountPath": "/etc/xautolm/search"},
            {"name": "s3", "mountPath": "/var/run/xautolm/s3"},
        ],
    }
    spec = {
        "restartPolicy": "Never",
        "serviceAccountName": "xautolm-search",
        "automountServiceAccountToken": True,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 1000,
            "fsGroup": 1000,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": [
            {"name": "tmp", "emptyDir": {}},
            {"name": "rows", "configMap": {"name": "rows"}},
            {"name": "settings", "configMap": {"name": "xautolm-search"}},
            {"name": "s3", "secret": {"secretName": "xautolm-s3", "defaultMode": 0o440}},
        ],
    }
    template = {"metadata": {"labels": labels}, "spec": spec}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "search"},
        "spec": {"backoffLimit": 0, "template": template},
    }


def _logs(api: KubernetesApi, namespace: str, job: str) -> str:
    query = {"labelSelector": f"batch.kubernetes.io/job-name={job}"}
    pods = api.request("GET", f"/api/v1/namespaces/{namespace}/pods", query=query)["items"]
    return "\n".join(str(pod["status"]) for pod in pods)


def _as_account(place: Place, tenant: str, account: str) -> KubernetesApi:
    """Return an API client with a token of a tenant's account."""
    from kubernetes import client
    from kubernetes import config

    path = f"/api/v1/namespaces/{place.of(tenant)}/serviceaccounts/xautolm-{account}/token"
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    token = place.api.request("POST", path, body=body)["status"]["token"]
    configuration = client.Configuration()
    config.load_kube_config(os.environ["KUBECONFIG"], client_configuration=configuration)
    # The account's token, and nothing of who KUBECONFIG is.
    configuration.cert_file = configuration.key_file = None
    configuration.api_key = {"authorization": f"Bearer {token}"}
    configuration.refresh_api_key_hook = None
    configuration.retries = False
    return KubernetesApi(
        client.ApiClient(configuration), patience_seconds=5, requests_per_second=100
    )


CORE, BATCH = "/api/v1/namespaces/{}", "/apis/batch/v1/namespaces/{}"
RBAC = "/apis/rbac.authorization.k8s.io/v1/namespaces/{}"
KINDS = {
    f"{BATCH}/jobs": "any",
    f"{BATCH}/cronjobs": "xautolm-compaction",
    f"{CORE}/pods": "any",
    f"{CORE}/secrets": "xautolm-s3",
    f"{CORE}/configmaps": "xautolm-search",
    f"{CORE}/serviceaccounts": "xautolm-search",
    f"{CORE}/events": "any",
    f"{CORE}/persistentvolumeclaims": "any",
    f"{RBAC}/roles": "xautolm-search",
    f"{RBAC}/rolebindings": "xautolm-search",
}


def _verbs(folder: str, name: str) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Yield every request that could read, write or end something of a kind."""
    yield "GET", folder, {}
    yield "GET", folder, {"watch": "true", "timeoutSeconds": "1"}
    yield "GET", f"{folder}/{name}", {}
    yield "POST", folder, {}
    yield "PUT", f"{folder}/{name}", {}
    yield "PATCH", f"{folder}/{name}", {}
    yield "DELETE", f"{folder}/{name}", {}
    yield "DELETE", folder, {}
    if folder.endswith("/pods"):
        yield "GET", f"{folder}/{name}/log", {}
        yield "POST", f"{folder}/{name}/exec", {"command": "id"}
        yield "POST", f"{folder}/{name}/eviction", {}
    if folder.endswith("/serviceaccounts"):
        yield "POST", f"{folder}/{name}/token", {}


@pytest.mark.parametrize("account", ["search", "trial", "upkeep"])
def test_an_account_of_one_tenant_may_nothing_of_another(installed: Place, account: str) -> None:
    api = _as_account(installed, "a", account)
    for folder, name in KINDS.items():
        for verb, path, query in _verbs(folder.format(installed.of("b")), name):
            assert _status(api, verb, path, query) == 403, (verb, path, query)
    for path in ("/api/v1/nodes", "/api/v1/namespaces", "/api/v1/secrets", "/apis/batch/v1/jobs"):
        assert _status(api, "GET", path, {}) == 403, path


def test_in_its_own_namespace_a_search_may_what_it_needs_and_a_trial_nothing(
    installed: Place,
) -> None:
    own = installed.of("a")
    search, trial = (_as_account(installed, "a", one) for one in ("search", "trial"))
    for path in (f"{BATCH}/jobs", f"{CORE}/pods", f"{CORE}/events"):
        assert _status(search, "GET", path.format(own), {}) == 200
        assert _status(trial, "GET", path.format(own), {}) == 403
    for verb, path, query in _verbs(f"{CORE}/secrets".format(own), "xautolm-s3"):
        assert _status(search, verb, path, query) == 403
        assert _status(trial, verb, path, query) == 403


def _status(api: KubernetesApi, verb: str, path: str, query: dict[str, str]) -> int:
    body = {"metadata": {"name": "any"}} if verb in ("POST", "PUT", "PATCH") else None
    try:
        api.request(verb, path, query=query, body=body)
    except ApiError as error:
        return error.status
    return 200


def test_upgrade_rollback_and_removal_lose_nothing_and_leave_nothing_but_the_bucket(
    place: Place, s3_environment: None
) -> None:
    with _helm(place) as helm:
        helm.install(chart(), "xautolm", place.values(), wait="watcher", timeout=WAIT_SECONDS)
        before = sorted(info.key for info in place.store("a").storage.list())
        assert any(key.startswith("tenants/") for key in before)
        more = place.values(compaction={"schedule": "5 4 * * *"})
        helm.upgrade(chart(), "xautolm", more, wait="watcher", timeout=WAIT_SECONDS)
        cron = f"{BATCH}/cronjobs/xautolm-compaction".format(place.of("a"))
        assert place.api.request("GET", cron)["spec"]["schedule"] == "5 4 * * *"
        helm.rollback("xautolm", version=1, wait="watcher", timeout=WAIT_SECONDS)
        assert place.api.request("GET", cron)["spec"]["schedule"] == "17 2 * * *"
        helm.uninstall("xautolm", wait="watcher", timeout=WAIT_SECONDS)
    left = _wait(lambda: "nothing" if not _left(place) else "", f"left: {_left(place)}")
    assert left == "nothing"
    after = sorted(info.key for info in place.store("a").storage.list())
    assert after == before


def _left(place: Place) -> list[str]:
    """Return what there is in the namespaces beside what was there before the release."""
    policies = "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies"
    folders = [*KINDS, f"{CORE}/services", "/apis/apps/v1/namespaces/{}/deployments", policies]
    own = {"kube-root-ca.crt", "default", "xautolm-s3"}
    return [
        f"{folder.format(namespace)}/{one['metadata']['name']}"
        for namespace in place.namespaces
        for folder in folders
        if not folder.endswith("/events")
        for one in place.api.request("GET", folder.format(namespace))["items"]
        if one["metadata"]["name"] not in own
    ]
