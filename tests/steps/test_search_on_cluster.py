"""The controller against a real cluster and a real bucket, both named by the environment.

KUBECONFIG, XAUTOLM_TEST_NAMESPACE, XAUTOLM_TEST_IMAGE_TRIAL, XAUTOLM_TEST_IMAGE_RUNTIME,
XAUTOLM_TEST_PULL_POLICY (``Never`` by default), and XAUTOLM_TEST_S3_ENDPOINT, _ACCESS_KEY and
_SECRET_KEY: the endpoint has to be reached by the same name from pods and from here.
"""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.running import run_process
from tests.servers.fixtures import S3Server
from tests.servers.fixtures import fresh_bucket
from tests.steps.searching import ClusterSearch
from xautolm_components.conftest import WITH_CHEAP
from xautolm_components.conftest import parameters_for
from xautolm_components.conftest import write_data
from xautolm_core.experience.open import open_store
from xautolm_core.launch.exchange import TrialExchange
from xautolm_core.launch.kubernetes.client import KubernetesApi
from xautolm_core.launch.kubernetes.client import connect
from xautolm_core.launch.kubernetes.launcher import KubernetesLauncher
from xautolm_core.launch.kubernetes.names import search_selector
from xautolm_core.launch.kubernetes.settings import KubernetesSettings
from xautolm_core.objects.open import open_objects
from xautolm_core.records.configuration import Configuration
from xautolm_core.records.outcome import Outcome
from xautolm_core.search.result_file import read_result
from xautolm_core.space.model import ModelReference
from xautolm_core.tasks.load import load_task
from xautolm_core.tasks.prepared import write_prepared
from xautolm_core.tasks.source import read_task_spec
from xautolm_core.trial.contract import TrialBudget
from xautolm_core.trial.contract import TrialSpec

NEEDED = ("KUBECONFIG", "XAUTOLM_TEST_IMAGE_TRIAL", "XAUTOLM_TEST_S3_ENDPOINT")
TRIALS = 9

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(
        not all(os.environ.get(name) for name in NEEDED), reason=f"needs {', '.join(NEEDED)}"
    ),
]


class RealCluster(ClusterSearch):
    """A search of ``tfidf`` and eight language models on CPU pods, three in flight."""

    def __init__(
        self, api: KubernetesApi, namespace: str, secret: str, bucket: str, folder: Path
    ) -> None:
        self.api, self.namespace, self.bucket = api, namespace, bucket
        endpoint = os.environ["XAUTOLM_TEST_S3_ENDPOINT"]
        endpoint = endpoint if "://" in endpoint else f"http://{endpoint}"
        self.settings: dict[str, Any] = {
            "namespace": namespace,
            "image": os.environ["XAUTOLM_TEST_IMAGE_TRIAL"],
            "image_pull_policy": os.environ.get("XAUTOLM_TEST_PULL_POLICY", "Never"),
            "resources": {"cpu_request": "500m", "memory_limit": "2Gi"},
            "environment": {"XAUTOLM_S3_ENDPOINT": endpoint, "HF_HUB_OFFLINE": "1"},
            "s3_secret": secret,
        }
        parameters = parameters_for(
            write_data(folder / "moods.csv"),
            folder,
            run_id=f"test-{uuid.uuid4().hex[:8]}",
            store=f"s3://{bucket}/experiences",
            workspace=f"s3://{bucket}/searches",
            registry=f"s3://{bucket}/models",
            space=WITH_CHEAP,
            launcher="kubernetes",
            trials_in_flight=3,
            limits={"trials": TRIALS - 1.0},
            cluster=yaml.safe_dump(self.settings),
        )
        super().__init__(parameters, folder)

    def jobs(self, search_id: str = "") -> list[str]:
        """Return the Jobs of a search that nobody has deleted."""
        query = {"labelSelector": search_selector(search_id or self.parameters["run_id"])}
        path = f"/apis/batch/v1/namespaces/{self.namespace}/jobs"
        found = self.api.request("GET", path, query=query)["items"]
        live = [one["metadata"] for one in found]
        return [one["name"] for one in live if "deletionTimestamp" not in one]


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RealCluster]:
    server = S3Server(
        os.environ["XAUTOLM_TEST_S3_ENDPOINT"],
        os.environ["XAUTOLM_TEST_S3_ACCESS_KEY"],
        os.environ["XAUTOLM_TEST_S3_SECRET_KEY"],
    )
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("XAUTOLM_CACHE", str(tmp_path / "cache"))
    api, namespace = connect(patience_seconds=30, requests_per_second=5)
    namespace = os.environ.get("XAUTOLM_TEST_NAMESPACE", namespace)
    secrets_path = f"/api/v1/namespaces/{namespace}/secrets"
    name = f"xautolm-test-{uuid.uuid4().hex[:8]}"
    keys = {"accesskey": server.access_key, "secretkey": server.secret_key}
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name},
        "data": {key: base64.b64encode(value.encode()).decode() for key, value in keys.items()},
    }
    api.request("POST", secrets_path, body=secret)
    buckets = fresh_bucket(server)
    try:
        yield RealCluster(api, namespace, name, next(buckets), tmp_path)
    finally:
        next(buckets, None)
        api.request("DELETE", f"{secrets_path}/{name}", body={})
        api.close()


def test_a_controller_killed_in_the_middle_loses_no_trial_and_runs_none_twice(
    cluster: RealCluster,
) -> None:
    cluster.begin()
    first = cluster.controller("first")
    cluster.wait_until(lambda: len(cluster.results()) >= 2, "no trial has ended", seconds=900)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    second = cluster.controller("second")
    assert second.wait(1200) == 0, cluster.log("second")
    result = read_result(cluster.folder / "second")
    assert [t.number for t in result.trials] == list(range(TRIALS))
    assert cluster.results() == [f"{number:04d}-0" for number in range(TRIALS)]
    assert result.best is not None
    assert result.trials[0].configuration.method == "tfidf"
    assert result.trials[0].result.outcome is Outcome.OK
    kept = list(open_store(cluster.parameters["store"]).scan())
    assert sorted((e.trial_number, e.attempt) for e in kept) == [(n, 0) for n in range(TRIALS)]
    assert cluster.jobs() == []


def test_nothing_is_left_behind_after_sigterm(cluster: RealCluster) -> None:
    cluster.begin()
    first = cluster.controller("first")
    cluster.wait_until(lambda: bool(cluster.jobs()), "no trial was started", seconds=300)
    first.send_signal(signal.SIGTERM)
    assert first.wait(300) == 143, cluster.log("first")
    assert cluster.jobs() == []


@pytest.mark.parametrize("what", ["memory", "time"])
def test_limits_of_a_pod_become_outcomes(cluster: RealCluster, tmp_path: Path, what: str) -> None:
    settings = dict(cluster.settings)
    wide = 4096 if what == "memory" else 32  # 4096: weights alone are beyond the limit
    if what == "memory":
        settings["resources"] = {"cpu_request": "500m", "memory_limit": "1Gi"}
    exchange = TrialExchange.open(f"s3://{cluster.bucket}/searches/limits-{what}")
    task = load_task(read_task_spec(cluster.parameters["task"]))
    spec = TrialSpec(
        search_id=f"limits-{what}",
        trial_number=0,
        task_folder=write_prepared(task, tmp_path / "tasks"),
        out_folder=tmp_path / "run" / "trials" / "0000-0",
        cache_folder=tmp_path / "cache",
        configuration=Configuration(
            branch="wide-full",
            model="untrained/wide",
            method="full",
            parameters={"batch_size": 8, "max_length": 64, "epochs": 1000, "learning_rate": 1e-3},
        ),
        model=ModelReference(
            id="untrained/wide",
            untrained_config={
                "model_type": "bert",
                "vocab_size": 300,
                "hidden_size": wide,
                "num_hidden_layers": 12,
                "num_attention_heads": 2,
                "intermediate_size": wide,
                "max_position_embeddings": 64,
            },
        ),
        seed=0,
        budget=TrialBudget(wall_limit_seconds=30 if what == "time" else 600),
    )
    launcher = KubernetesLauncher(
        api=connect(patience_seconds=30, requests_per_second=5)[0],
        namespace=cluster.namespace,
        search_id=spec.search_id,
        settings=KubernetesSettings.model_validate(settings),
        exchange=exchange,
    )
    with launcher:
        handle = launcher.submit(spec)
        launcher.wait([handle], timeout_seconds=900)
        result = launcher.poll(handle)
    assert result is not None
    expected = Outcome.OOM_HOST if what == "memory" else Outcome.TIMEOUT
    assert result.outcome is expected, result
    assert cluster.jobs(spec.search_id) == []


def test_a_laptop_that_was_switched_off_finds_its_search_again(
    cluster: RealCluster, tmp_path: Path
) -> None:
    workspace = f"s3://{cluster.bucket}/laptop"
    content = yaml.safe_dump({**cluster.settings, "workspace": workspace})
    (tmp_path / "cluster.yaml").write_text(content)
    (tmp_path / "space.yaml").write_text(WITH_CHEAP)
    options = ["--launcher", "kubernetes", "--launcher-settings", "cluster.yaml", "--workers", "3"]
    options += ["--space", "space.yaml", "--trials", "4", "--store", "laptop-store", "--out", "run"]

    def results() -> list[str]:
        keys = [info.key.split("/") for info in open_objects(workspace).list()]
        return sorted(key[2] for key in keys if key[1] == "trials" and key[-1] == "result.json")

    with (tmp_path / "first.log").open("wb") as log:
        first = subprocess.Popen(
            [*(sys.executable, "-m", "xautolm_core.cli", "search", "moods.csv"), *options],
            cwd=tmp_path,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        cluster.wait_until(lambda: bool(results()), "no trial has ended", seconds=900)
    finally:
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()
    second = run_process("search", "--resume", "run", folder=tmp_path, timeout_seconds=1200)
    assert second.code == 0, second.err
    assert results() == [f"{number:04d}-0" for number in range(5)]
    kept = list(open_store(str(tmp_path / "laptop-store")).scan())
    assert sorted((e.trial_number, e.attempt) for e in kept) == [(n, 0) for n in range(5)]
    search_id = next(open_objects(workspace).list()).key.split("/")[0]
    assert cluster.jobs(search_id) == []
