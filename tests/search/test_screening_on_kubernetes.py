"""A screened search whose trials are Jobs, against an API server over HTTP."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.launch.kubernetes.conftest import SEQUENCES
from tests.launch.kubernetes.conftest import SETTINGS
from tests.launch.kubernetes.conftest import FolderExchange
from tests.launch.kubernetes.conftest import api_at
from tests.launch.kubernetes.fake_api import JOBS
from tests.launch.kubernetes.fake_api import FakeApi
from tests.search.instant import Silent
from tests.search.instant import write_model
from tests.search.test_screening import make_two  # noqa: F401 - a fixture
from tests.search.test_screening import on_all_rows
from tests.search.test_screening import search
from xautolm_core.launch.kubernetes.launcher import KubernetesLauncher
from xautolm_core.launch.kubernetes.names import job_name
from xautolm_core.launch.kubernetes.settings import KubernetesSettings
from xautolm_core.space.screening import is_screening
from xautolm_core.trial.contract import TrialSpec
from xautolm_core.whole_files import write_json

pytest.importorskip("kubernetes")


class Pods(FolderExchange):
    """Ends each trial as soon as it has a Job, with what its configuration comes to."""

    def __init__(self, api: FakeApi, folder: Path) -> None:
        super().__init__(folder)
        self.sent: dict[str, TrialSpec] = {}
        self._api = api
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def send(self, spec: TrialSpec) -> str:
        self.sent[job_name(spec)] = spec
        return super().send(spec)

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        ended: set[str] = set()
        while not self._stop.wait(0.02):
            with self._api.lock:
                new = [name for name in self._api.objects[JOBS] if name not in ended]
                for name in new:
                    spec = self.sent[name]
                    result = on_all_rows(spec)
                    write_model(spec, result)
                    write_json(self._place(spec) / "told.json", result)
                    self._api.play(SEQUENCES["completed"], name)
            ended.update(new)


@pytest.fixture
def fake() -> Iterator[FakeApi]:
    api = FakeApi()
    yield api
    api.stop()


@pytest.mark.parametrize("screening", [True, False])
def test_screening_trials_are_jobs_with_what_trials_of_their_kind_get(
    fake: FakeApi,
    make_two,  # noqa: F811
    tmp_path: Path,
    screening: bool,
) -> None:
    spec, observer = make_two(max_trials=2, screening=screening), Silent()
    pods = Pods(fake, tmp_path / "bucket")
    settings = {**SETTINGS, "resources": {"gpu_count": 1}}
    launcher = KubernetesLauncher(
        api=api_at(fake.url),
        namespace="trials",
        search_id=spec.search_id,
        settings=KubernetesSettings.model_validate(settings),
        exchange=pods,
        notes=observer,
    )
    try:
        with launcher:
            result = search(spec, tmp_path / "run", launcher, observer=observer)
    finally:
        pods.stop()
    screened = [t.number for t in result.trials if is_screening(t.configuration)]
    # The small model's probe on all rows of this small task is its screening.
    assert screened == ([3] if screening else [])
    assert len(result.trials) == 5 + len(screened)
    assert any(note.startswith("Screening: 2 of 2") for note in observer.notes) is screening
    assert fake.objects[JOBS] == {}
    for job in fake.created:
        trial = pods.sent[job["metadata"]["name"]]
        container = job["spec"]["template"]["spec"]["containers"][0]
        has_gpu = "nvidia.com/gpu" in container["resources"]["requests"]
        assert has_gpu == (trial.configuration.method != "tfidf")
        is_screened = is_screening(trial.configuration)
        assert (trial.budget.on_overrun == "stop") == is_screened
        assert (trial.budget.max_validation_rows == 1_000) == is_screened
