"""The controller against an API server over HTTP whose pods are real processes of this machine."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.launch.kubernetes.fake_api import JOBS
from tests.launch.kubernetes.fake_api import FakeApi
from tests.launch.kubernetes.kubelet import Kubelet
from tests.steps.searching import ClusterSearch
from xautolm_components.conftest import WITH_CHEAP
from xautolm_components.conftest import parameters_for
from xautolm_components.conftest import write_data
from xautolm_core.experience.open import open_store
from xautolm_core.records.outcome import Outcome
from xautolm_core.search.result_file import read_result

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
TRIALS = 7
CLUSTER = """\
namespace: trials
resources: {cpu_request: "1", memory_limit: 4Gi, gpu_count: 1}
environment: {OMP_NUM_THREADS: "1", HF_HUB_OFFLINE: "1"}
"""


GPU = "nvidia.com/gpu"


def _requests(job: dict[str, Any]) -> dict[str, str]:
    found: dict[str, str] = job["spec"]["template"]["spec"]["containers"][0]["resources"][
        "requests"
    ]
    return found


class Cluster(ClusterSearch):
    """A search of ``tfidf`` and six trials with a language model, three at a time."""

    def __init__(self, api: FakeApi, kubelet: Kubelet, folder: Path) -> None:
        self.api, self.kubelet = api, kubelet
        parameters = parameters_for(
            write_data(folder / "moods.csv"),
            folder,
            space=WITH_CHEAP,
            launcher="kubernetes",
            trial_image="trial:test",
            trials_in_flight=3,
            limits={"trials": TRIALS - 1.0},
            cluster=CLUSTER,
        )
        super().__init__(parameters, folder)


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    api = FakeApi()
    kubeconfig = tmp_path / "kubeconfig"
    api.write_kubeconfig(kubeconfig)
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    monkeypatch.setenv("XAUTOLM_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("POD_NAME", raising=False)
    kubelet = Kubelet(api, tmp_path / "pods", {"PYTHONPATH": str(Path.cwd())})
    try:
        yield Cluster(api, kubelet, tmp_path)
    finally:
        kubelet.stop()
        api.stop()


def test_a_search_whose_controller_is_killed_loses_no_trial_and_runs_none_twice(
    cluster: Cluster,
) -> None:
    cluster.begin()
    features = json.loads(cluster.features.read_text())
    # The probe's pod told what its machine is like; what a trial may use stands in its manifest.
    assert features["system"]["values"]["logical_cores"] >= 1
    assert features["machine"]["threads"] == 1
    assert features["machine"]["host_bytes"] == int(0.9 * 4 * 2**30)
    first = cluster.controller("first")
    cluster.wait_until(lambda: len(cluster.results()) >= 2, "no trial has ended")
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    assert len(cluster.results()) < TRIALS
    second = cluster.controller("second")
    assert second.wait(300) == 0, cluster.log("second")
    result = read_result(cluster.folder / "second")
    assert [t.number for t in result.trials] == list(range(TRIALS))
    assert cluster.results() == [f"{number:04d}-0" for number in range(TRIALS)]
    assert 1 < cluster.kubelet.most_at_once <= 3
    assert len(set(cluster.kubelet.started)) == len(cluster.kubelet.started) == TRIALS + 1
    assert cluster.api.objects[JOBS] == {}
    assert result.best is not None
    models = (cluster.folder / "second" / name for name in ("model", "alternative"))
    assert {path.name for one in models for path in one.glob("*.safetensors")} == {
        "linear.safetensors",
        "model.safetensors",
    }
    assert result.trials[0].configuration.method == "tfidf"
    gpus = {job["metadata"]["name"]: GPU in _requests(job) for job in cluster.api.created}
    tfidf = next(name for name in cluster.kubelet.started if name.endswith("-0000-0"))
    assert [name for name, has_gpu in gpus.items() if not has_gpu] == [tfidf]
    kept = list(open_store(cluster.parameters["store"]).scan())
    assert sorted((e.trial_number, e.attempt) for e in kept) == [(n, 0) for n in range(TRIALS)]


def test_sigterm_ends_the_trials_and_a_retry_goes_on(cluster: Cluster) -> None:
    cluster.begin()
    first = cluster.controller("first")
    cluster.wait_until(lambda: len(cluster.results()) >= 1, "no trial has ended")
    cluster.wait_until(lambda: bool(cluster.api.objects[JOBS]), "no trial is running")
    first.send_signal(signal.SIGTERM)
    assert first.wait(120) == 143, cluster.log("first")
    assert cluster.api.objects[JOBS] == {}
    second = cluster.controller("second")
    assert second.wait(300) == 0, cluster.log("second")
    result = read_result(cluster.folder / "second")
    assert len(result.trials) == TRIALS
    assert all(t.result.outcome is not Outcome.CANCELLED for t in result.trials)


def test_a_missing_permission_ends_the_run_before_any_pod(
    cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster.api.denied.add(("jobs", "create"))
    with pytest.raises(SystemExit) as caught:
        cluster.begin()
    assert caught.value.code == 2
    assert 'resources: ["jobs"], verbs: ["create"]' in capsys.readouterr().err
    assert cluster.api.created == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"s3_secret": "absent"}, "no secret 'absent'"),
        ({"queue": "absent"}, "no Kueue LocalQueue 'absent'"),
        ({"trial_service_account": "absent"}, "no service account 'absent'"),
        ({"model_cache_claim": "absent"}, "no PersistentVolumeClaim 'absent'"),
        ({"cluster": "require_image_digest: true"}, "has no digest"),
    ],
)
def test_what_the_cluster_lacks_ends_the_run_before_any_pod(
    cluster: Cluster, capsys: pytest.CaptureFixture[str], changes: dict, words: str
) -> None:
    cluster.parameters.update(changes)
    if "cluster" not in changes:
        cluster.parameters["cluster"] = CLUSTER
    with pytest.raises(SystemExit):
        cluster.begin()
    assert words in capsys.readouterr().err
    assert cluster.api.created == []
