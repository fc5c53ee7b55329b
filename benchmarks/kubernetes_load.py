"""The cost of 200 trials in flight: memory of the controller, and requests to the API server.

Run as ``python -m benchmarks.kubernetes_load [--trials N] [--seconds S]`` from the root of the
repository. The API server is the tests' fake, in a process of its own: its requests are counted
there.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

import psutil

from tests.launch.kubernetes.conftest import SEQUENCES
from tests.launch.kubernetes.conftest import FolderExchange
from tests.launch.kubernetes.fake_api import JOBS
from tests.launch.kubernetes.fake_api import FakeApi
from xautolm_core.launch.kubernetes.client import KubernetesApi
from xautolm_core.launch.kubernetes.launcher import KubernetesLauncher
from xautolm_core.launch.kubernetes.settings import KubernetesSettings
from xautolm_core.records.configuration import Configuration
from xautolm_core.space.model import ModelReference
from xautolm_core.trial.contract import TrialSpec

_LIMIT_BYTES = 400_000_000
_LIMIT_PER_SECOND = 5.0


def serve() -> None:
    """Run the fake: every Job's pod runs at once and completes after a while, without a result."""
    fake = FakeApi()
    print(fake.port, flush=True)
    started: set[str] = set()
    while True:
        with fake.lock:
            names = [name for name in fake.objects[JOBS] if name not in started]
        for name in names:
            started.add(name)
            fake.play(SEQUENCES["completed"][:1], name)
        fake.logs["counts"] = json.dumps(dict(fake.requests))
        time.sleep(0.2)


def spec_of(number: int, folder: Path) -> TrialSpec:
    """Return the spec of a trial that nobody runs."""
    return TrialSpec(
        search_id="load",
        trial_number=number,
        task_folder=folder / "task",
        out_folder=folder / "trials" / f"{number:04d}-0",
        cache_folder=folder / "cache",
        configuration=Configuration(branch="none", model="none", method="full", parameters={}),
        model=ModelReference(id="none"),
        seed=0,
    )


def requests_of(port: int) -> int:
    """Return how many requests the fake has had from the launcher."""
    url = f"http://127.0.0.1:{port}/api/v1/namespaces/trials/pods/counts/log"
    with urllib.request.urlopen(url) as answer:
        return sum(json.loads(answer.read() or b"{}").values())


def main(trials: int, seconds: float) -> int:
    """Measure, print, and return 1 if a limit is exceeded."""
    server = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.kubernetes_load", "serve"], stdout=subprocess.PIPE
    )
    try:
        assert server.stdout is not None
        return measure(int(server.stdout.readline()), trials, seconds)
    finally:
        server.kill()
        server.wait()


def measure(port: int, trials: int, seconds: float) -> int:
    """Submit trials to the fake at a port, watch them for a while, and print the cost."""
    from kubernetes import client

    configuration = client.Configuration()
    configuration.host = f"http://127.0.0.1:{port}"
    configuration.retries = False
    settings = KubernetesSettings(image="trial:1")
    api = KubernetesApi(
        client.ApiClient(configuration),
        patience_seconds=60,
        requests_per_second=settings.requests_per_second,
    )
    began, process, peak_bytes = time.monotonic(), psutil.Process(), 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        launcher = KubernetesLauncher(
            api=api,
            namespace="trials",
            search_id="load",
            settings=settings,
            exchange=FolderExchange(folder / "bucket"),
        )
        handles = [launcher.submit(spec_of(number, folder)) for number in range(trials)]
        submitted_seconds = time.monotonic() - began
        while time.monotonic() - began < submitted_seconds + seconds:
            launcher.wait(handles, 1.0)
            peak_bytes = max(peak_bytes, process.memory_info().rss)
        cpu = process.cpu_times()
        rate = requests_of(port) / (time.monotonic() - began)
        launcher.close()
    print(f"trials in flight        {trials}, submitted in {submitted_seconds:.0f} s")
    print(f"memory of controller    {peak_bytes / 1e6:.0f} MB")
    print(f"API requests a second   {rate:.2f}")
    print(
        f"CPU seconds             {cpu.user + cpu.system:.1f}, threads {threading.active_count()}"
    )
    return int(peak_bytes > _LIMIT_BYTES or rate > _LIMIT_PER_SECOND)


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        serve()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=200, help="trials in flight")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long they are watched")
    arguments = parser.parse_args()
    sys.exit(main(arguments.trials, arguments.seconds))
