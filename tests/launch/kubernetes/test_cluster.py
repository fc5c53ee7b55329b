"""The launcher against a real cluster: pods that fail, are cancelled, or never start.

The cluster is what KUBECONFIG names. XAUTOLM_TEST_IMAGE_TRIAL is an image with ``xautolm`` in it,
XAUTOLM_TEST_NAMESPACE a namespace (``default`` otherwise) and XAUTOLM_TEST_PULL_POLICY its policy.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any

import pytest

from tests.launch.conftest import MakeSpec
from tests.launch.kubernetes.conftest import FolderExchange
from tests.launch.kubernetes.conftest import Notes
from xautolm_core.launch.kubernetes.checks import check_cluster
from xautolm_core.launch.kubernetes.client import connect
from xautolm_core.launch.kubernetes.launcher import KubernetesLauncher
from xautolm_core.launch.kubernetes.names import search_selector
from xautolm_core.launch.kubernetes.settings import KubernetesSettings
from xautolm_core.records.outcome import Outcome

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
def make_real(exchange: FolderExchange, notes: Notes) -> Iterator[Make]:
    launchers: list[KubernetesLauncher] = []

    def make(**more: Any) -> KubernetesLauncher:
        api, namespace = api_and_namespace()
        launcher = KubernetesLauncher(
            api=api,
            namespace=namespace,
            search_id="test-search",
            settings=settings_of(**more),
            exchange=exchange,
            notes=notes,
        )
        launchers.append(launcher)
        return launcher

    yield make
    for launcher in launchers:
        launcher.close()


def jobs_left() -> int:
    api, namespace = api_and_namespace()
    query = {"labelSelector": search_selector("test-search")}
    found = api.request("GET", f"/apis/batch/v1/namespaces/{namespace}/jobs", query=query)
    live = [j for j in found["items"] if "deletionTimestamp" not in j["metadata"]]
    return len(live)


def test_the_cluster_lets_trials_start() -> None:
    api, namespace = api_and_namespace()
    check_cluster(api, namespace, settings_of())


def test_a_trial_whose_address_is_wrong(make_real: Make, make_spec: MakeSpec) -> None:
    launcher = make_real()
    spec = make_spec("any", wall_limit=300.0)
    handle = launcher.submit(spec)  # the bucket that the folder's exchange names does not exist
    launcher.wait([handle], 240)
    result = launcher.poll(handle)
    assert result is not None
    assert result.outcome in (Outcome.INVALID, Outcome.INFRA)
    assert (spec.out_folder / "trial.log").read_text()
    assert jobs_left() == 0


def test_an_image_that_is_not_there(make_real: Make, make_spec: MakeSpec, notes: Notes) -> None:
    launcher = make_real(image="registry.invalid/none:1", start_failure_timeout_seconds=5)
    handle = launcher.submit(make_spec("any"))
    launcher.wait([handle], 120)
    result = launcher.poll(handle)
    assert result is not None
    assert result.failure is not None
    assert result.failure.kind == "ImagePull"
    assert notes.texts
    assert jobs_left() == 0


def test_a_node_that_is_too_small(make_real: Make, make_spec: MakeSpec, notes: Notes) -> None:
    launcher = make_real(resources={"cpu_request": "9999"}, unschedulable_timeout_seconds=5)
    handle = launcher.submit(make_spec("any"))
    launcher.wait([handle], 120)
    result = launcher.poll(handle)
    assert result is not None
    assert result.failure is not None
    assert result.failure.kind == "Unschedulable"
    assert "Insufficient cpu" in notes.texts[0]


def test_adopt_and_cancel_leave_nothing(make_real: Make, make_spec: MakeSpec) -> None:
    first, spec = make_real(resources={"cpu_request": "9999"}), make_spec("any")
    handle = first.submit(spec)
    first.close(leave_running=True)
    assert jobs_left() == 1
    successor = make_real()
    assert successor.adopt(spec) == handle
    assert successor.cancel(handle).outcome is Outcome.CANCELLED
    assert jobs_left() == 0
