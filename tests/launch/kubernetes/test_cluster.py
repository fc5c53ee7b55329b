"""The launcher against a real cluster: pods that fail, are cancelled, never start, or start again.

Each test has a search of its own, so that none sees what another one has left. The cluster is what
KUBECONFIG names. XAUTOLM_TEST_IMAGE_TRIAL is an image with ``xautolm`` in it,
XAUTOLM_TEST_NAMESPACE a namespace (``default`` otherwise) and XAUTOLM_TEST_PULL_POLICY its policy.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.launch.conftest import MakeSpec
from tests.launch.conftest import wait_for
from tests.launch.kubernetes.conftest import FolderExchange
from tests.launch.kubernetes.conftest import Notes
from xautolm_core.errors import ConfigError
from xautolm_core.launch.kubernetes.checks import check_cluster
from xautolm_core.launch.kubernetes.client import connect
from xautolm_core.launch.kubernetes.launcher import KubernetesLauncher
from xautolm_core.launch.kubernetes.manifest import build_job
from xautolm_core.launch.kubernetes.names import job_name
from xautolm_core.launch.kubernetes.names import search_selector
from xautolm_core.launch.kubernetes.settings import KubernetesSettings
from xautolm_core.records.outcome import Outcome
from xautolm_core.trial.contract import TrialSpec

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(
        not (os.environ.get("KUBECONFIG") and os.environ.get("XAUTOLM_TEST_IMAGE_TRIAL")),
        reason="KUBECONFIG and XAUTOLM_TEST_IMAGE_TRIAL name no cluster and image",
    ),
]
Make = Callable[..., KubernetesLauncher]


def settings_of(**more: Any) -> KubernetesSettings:
    content = {
        "image": os.environ["XAUTOLM_TEST_IMAGE_TRIAL"],
        "image_pull_policy": os.environ.get("XAUTOLM_TEST_PULL_POLICY", "Never"),
        "resources": {"cpu_request": "100m", "memory_limit": "512Mi"},
        **more,
    }
    return KubernetesSettings.model_validate(content)


def api_and_namespace() -> tuple[Any, str]:
    api, namespace = connect(patience_seconds=30, requests_per_second=5)
    return api, os.environ.get("XAUTOLM_TEST_NAMESPACE", namespace)


@pytest.fixture
def search_id() -> str:
    return f"test-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def make_spec(make_spec: MakeSpec, search_id: str) -> MakeSpec:
    def make(*given: Any, **more: Any) -> TrialSpec:
        return make_spec(*given, **more).model_copy(update={"search_id": search_id})

    return make


@pytest.fixture
def make_real(exchange: FolderExchange, notes: Notes, search_id: str) -> Iterator[Make]:
    launchers: list[KubernetesLauncher] = []

    def make(**more: Any) -> KubernetesLauncher:
        api, namespace = api_and_namespace()
        launcher = KubernetesLauncher(
            api=api,
            namespace=namespace,
            search_id=search_id,
            settings=settings_of(**more),
            exchange=exchange,
            notes=notes,
        )
        launchers.append(launcher)
        return launcher

    yield make
    for launcher in launchers:
        launcher.close()


def jobs_left(search_id: str) -> int:
    api, namespace = api_and_namespace()
    query = {"labelSelector": search_selector(search_id)}
    found = api.request("GET", f"/apis/batch/v1/namespaces/{namespace}/jobs", query=query)
    live = [j for j in found["items"] if "deletionTimestamp" not in j["metadata"]]
    return len(live)


def test_the_cluster_lets_trials_start() -> None:
    api, namespace = api_and_namespace()
    check_cluster(api, namespace, settings_of())


def test_a_trial_whose_address_is_wrong(
    make_real: Make, make_spec: MakeSpec, search_id: str
) -> None:
    launcher = make_real()
    spec = make_spec("any", wall_limit=300.0)
    handle = launcher.submit(spec)  # the bucket that the folder's exchange names does not exist
    launcher.wait([handle], 240)
    result = launcher.poll(handle)
    assert result is not None
    assert result.outcome in (Outcome.INVALID, Outcome.INFRA)
    assert (spec.out_folder / "trial.log").read_text()
    assert jobs_left(search_id) == 0


def test_an_image_that_is_not_there(
    make_real: Make, make_spec: MakeSpec, notes: Notes, search_id: str
) -> None:
    launcher = make_real(image="registry.invalid/none:1", start_failure_timeout_seconds=5)
    handle = launcher.submit(make_spec("any"))
    launcher.wait([handle], 120)
    result = launcher.poll(handle)
    assert result is not None
    assert result.failure is not None
    assert result.failure.kind == "ImagePull"
    assert notes.texts
    assert jobs_left(search_id) == 0


def test_a_node_that_is_too_small(make_real: Make, make_spec: MakeSpec, notes: Notes) -> None:
    launcher = make_real(resources={"cpu_request": "9999"}, unschedulable_timeout_seconds=5)
    handle = launcher.submit(make_spec("any"))
    launcher.wait([handle], 120)
    result = launcher.poll(handle)
    assert result is not None
    assert result.failure is not None
    assert result.failure.kind == "Unschedulable"
    assert "Insufficient cpu" in notes.texts[0]


def test_adopt_and_cancel_leave_nothing(
    make_real: Make, make_spec: MakeSpec, search_id: str
) -> None:
    first, spec = make_real(resources={"cpu_request": "9999"}), make_spec("any")
    handle = first.submit(spec)
    first.close(leave_running=True)
    assert jobs_left(search_id) == 1
    successor = make_real()
    assert successor.adopt(spec) == handle
    assert successor.cancel(handle).outcome is Outcome.CANCELLED
    assert jobs_left(search_id) == 0


def test_a_job_that_is_being_deleted_is_waited_for(
    make_real: Make, make_spec: MakeSpec, notes: Notes
) -> None:
    api, namespace = api_and_namespace()
    path, spec = f"/apis/batch/v1/namespaces/{namespace}/jobs", make_spec("any")
    settings = settings_of(namespace=namespace, resources={"cpu_request": "9999"})
    manifest = build_job(spec, "file:///none", settings)
    manifest["metadata"]["finalizers"] = ["xautolm.io/test"]
    old = api.request("POST", path, body=manifest)
    one = f"{path}/{job_name(spec)}"
    api.request("DELETE", one, body={"propagationPolicy": "Background"})
    try:
        launcher = make_real(resources={"cpu_request": "9999"})
        handle = launcher.submit(spec)
        launcher.wait([handle], 3)
        assert launcher.poll(handle) is None
        assert "still being deleted" in notes.texts[0]
    finally:
        ending = api.request("GET", one)
        ending["metadata"].pop("finalizers")
        api.request("PUT", one, body=ending)

    def is_new() -> bool:
        launcher.poll(handle)
        found = api.request("GET", path)["items"]
        named = [job["metadata"] for job in found if job["metadata"]["name"] == job_name(spec)]
        return bool(named) and named[0]["uid"] != old["metadata"]["uid"]

    assert wait_for(is_new, 60)
    assert launcher.cancel(handle).outcome is Outcome.CANCELLED


def is_alive(job: dict[str, Any]) -> bool:
    return "deletionTimestamp" not in job["metadata"]


def test_a_secret_that_is_not_there(
    make_real: Make, make_spec: MakeSpec, notes: Notes, search_id: str
) -> None:
    launcher = make_real(s3_secret=f"absent-{search_id}", start_failure_timeout_seconds=40)
    handle = launcher.submit(make_spec("any"))
    launcher.wait([handle], 240)
    result = launcher.poll(handle)
    assert result is not None and result.failure is not None
    assert result.failure.kind == "VolumeMount"
    assert f'secret "absent-{search_id}" not found' in notes.texts[0]
    assert jobs_left(search_id) == 0


def test_an_evicted_pod_is_replaced_and_that_is_told(
    make_real: Make, make_spec: MakeSpec, notes: Notes, search_id: str
) -> None:
    api, namespace = api_and_namespace()
    # What is missing keeps its pods on their node for as long as the test needs them.
    launcher = make_real(s3_secret=f"absent-{search_id}")
    handle = launcher.submit(make_spec("any"))
    path = f"/api/v1/namespaces/{namespace}/pods"
    query = {"labelSelector": f"batch.kubernetes.io/job-name={handle.native_id}"}
    assert wait_for(lambda: bool(api.request("GET", path, query=query)["items"]), 60)
    pod = api.request("GET", path, query=query)["items"][0]["metadata"]["name"]
    eviction = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": pod, "namespace": namespace},
    }
    api.request("POST", f"{path}/{pod}/eviction", body=eviction)

    def is_told() -> bool:
        launcher.poll(handle)
        return any("starts again" in text for text in notes.texts)

    assert wait_for(is_told, 120), notes.texts
    assert launcher.cancel(handle).outcome is Outcome.CANCELLED


_PROBE = """
import sys
from tests.launch.kubernetes.test_cluster import api_and_namespace, settings_of
from xautolm_core.launch.kubernetes.probe import probe_machine
api, namespace = api_and_namespace()
probe_machine(api, namespace, settings_of(resources={"cpu_request": "9999"}),
              run_id=sys.argv[1], exchange_address=sys.argv[2])
"""


def test_a_terminated_step_removes_its_probe(search_id: str, tmp_path: Path) -> None:
    api, namespace = api_and_namespace()
    process = subprocess.Popen(
        [sys.executable, "-c", _PROBE, search_id, tmp_path.as_uri()],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )

    def probes() -> list[str]:
        found = api.request("GET", f"/apis/batch/v1/namespaces/{namespace}/jobs")["items"]
        return [
            job["metadata"]["name"]
            for job in found
            if search_id in json.dumps(job["metadata"].get("annotations", {})) and is_alive(job)
        ]

    try:
        assert wait_for(lambda: bool(probes()), 60)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 143
        assert probes() == []
    finally:
        process.kill()


def test_a_namespace_that_is_not_there(search_id: str) -> None:
    api, _ = api_and_namespace()
    with pytest.raises(ConfigError, match=f"There is no namespace '{search_id}'"):
        check_cluster(api, search_id, settings_of())
