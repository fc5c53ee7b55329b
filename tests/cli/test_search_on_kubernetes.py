"""``xautolm search --launcher kubernetes`` from a laptop, against an API server over HTTP.

Its pods are real processes of this machine; the laptop falls asleep, and its search is resumed.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.running import run_process
from tests.launch.kubernetes.fake_api import JOBS
from tests.launch.kubernetes.fake_api import FakeApi
from tests.launch.kubernetes.kubelet import Kubelet
from xautolm_components.conftest import WITH_CHEAP
from xautolm_components.conftest import write_data
from xautolm_core.experience.open import open_store
from xautolm_core.objects.open import open_objects

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
pytest.importorskip("torch")
pytest.importorskip("kubernetes")

TRIALS = 3
SETTINGS = """\
image: trial:test
namespace: trials
workspace: {workspace}
resources: {{cpu_request: "1", memory_limit: 4Gi}}
environment: {{OMP_NUM_THREADS: "1", HF_HUB_OFFLINE: "1"}}
"""


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeApi]:
    api = FakeApi()
    api.write_kubeconfig(tmp_path / "kubeconfig")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    monkeypatch.setenv("XAUTOLM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.delenv("POD_NAME", raising=False)
    yield api
    api.stop()


@pytest.fixture
def kubelet(fake: FakeApi, tmp_path: Path) -> Iterator[Kubelet]:
    kubelet = Kubelet(fake, tmp_path / "pods", {"PYTHONPATH": str(Path.cwd())})
    yield kubelet
    kubelet.stop()


def test_a_laptop_that_fell_asleep_finds_its_search_again(
    fake: FakeApi, kubelet: Kubelet, tmp_path: Path
) -> None:
    write_data(tmp_path / "moods.csv")
    (tmp_path / "space.yaml").write_text(WITH_CHEAP)
    workspace = (tmp_path / "work").as_uri()
    (tmp_path / "cluster.yaml").write_text(SETTINGS.format(workspace=workspace))

    def results() -> list[str]:
        keys = [info.key.split("/") for info in open_objects(workspace).list()]
        return sorted(key[2] for key in keys if key[1] == "trials" and key[-1] == "result.json")

    options = ["--launcher", "kubernetes", "--launcher-settings", "cluster.yaml", "--workers", "2"]
    options += ["--space", "space.yaml", "--trials", str(TRIALS - 1), "--store", "store"]
    command = [sys.executable, "-m", "xautolm_core.cli", "search", "moods.csv", *options]
    with (tmp_path / "first.log").open("wb") as log:
        first = subprocess.Popen(
            [*command, "--out", "run"],
            cwd=tmp_path,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait_until(lambda: bool(results()), (tmp_path / "first.log").read_text)
        os.killpg(first.pid, signal.SIGSTOP)
        # Nobody looks; what runs on the cluster comes to its end.
        _wait_until(lambda: len(results()) >= len(kubelet.started) - 1, lambda: "pods do not end")
    finally:
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()

    second = run_process(
        "search", "--resume", "run", "--json", folder=tmp_path, timeout_seconds=400
    )
    assert second.code == 0, second.err
    # One pod measured its machine, once; each trial ran once.
    assert len(set(kubelet.started)) == len(kubelet.started) == TRIALS + 1
    assert results() == [f"{number:04d}-0" for number in range(TRIALS)]
    assert fake.objects[JOBS] == {}
    summary = json.loads(second.out)
    assert summary["trials"] == TRIALS
    assert summary["test"] is not None
    kept = list(open_store(str(tmp_path / "store")).scan())
    assert sorted((e.trial_number, e.attempt) for e in kept) == [(n, 0) for n in range(TRIALS)]
    assert (tmp_path / "run" / "model").is_dir()


def _wait_until(condition: Callable[[], bool], what: Callable[[], str]) -> None:
    deadline = time.monotonic() + 240
    while not condition():
        assert time.monotonic() < deadline, what()
        time.sleep(0.2)
