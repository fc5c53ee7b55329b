"""Fixtures of the Kubernetes launcher's tests."""

from __future__ import annotations

import json
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.launch.kubernetes.fake_api import FakeApi
from xautolm_core.launch.kubernetes.client import KubernetesApi
from xautolm_core.launch.kubernetes.launcher import KubernetesLauncher
from xautolm_core.launch.kubernetes.settings import KubernetesSettings
from xautolm_core.records.attempt import TrialResult
from xautolm_core.trial.contract import HEARTBEAT_FILE
from xautolm_core.trial.contract import SPEC_FILE
from xautolm_core.trial.contract import TrialSpec
from xautolm_core.whole_files import write_json

SEQUENCES: dict[str, Any] = json.loads((Path(__file__).parent / "sequences.json").read_text())
SETTINGS: dict[str, Any] = {
    "image": "registry.example/trial:1",
    "api_patience_seconds": 20,
    "requests_per_second": 1000,
}


class FolderExchange:
    """An exchange over a folder. What a pod would write is put there with ``tell``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.discarded: list[Path] = []

    def send(self, spec: TrialSpec) -> str:
        write_json(spec.out_folder / SPEC_FILE, spec)
        write_json(self._place(spec) / SPEC_FILE, spec)
        return f"s3://bucket/search/{self._place(spec).name}/spec.json"

    def heartbeat(self, spec: TrialSpec) -> dict[str, Any] | None:
        path = self._place(spec) / HEARTBEAT_FILE
        return dict(json.loads(path.read_text())) if path.exists() else None

    def result(self, spec: TrialSpec) -> TrialResult | None:
        for name in ("kept.json", "told.json"):
            path = self._place(spec) / name
            if path.exists():
                return TrialResult.model_validate_json(path.read_text())
        return None

    def keep(self, spec: TrialSpec, result: TrialResult) -> TrialResult:
        told = self.result(spec)
        if told is not None and told.outcome not in ("cancelled", "preempted", "infra"):
            return told
        write_json(self._place(spec) / "kept.json", result)
        return result

    def discard_checkpoint(self, out_folder: Path) -> None:
        self.discarded.append(out_folder)

    def beat(self, spec: TrialSpec, **heartbeat: Any) -> None:
        write_json(self._place(spec) / HEARTBEAT_FILE, heartbeat)

    def tell(self, spec: TrialSpec, outcome: str, **more: Any) -> None:
        result = TrialResult(
            search_id=spec.search_id,
            trial_number=spec.trial_number,
            attempt=spec.attempt,
            outcome=outcome,
            **more,
        )
        write_json(self._place(spec) / "told.json", result)

    def _place(self, spec: TrialSpec) -> Path:
        return self.folder / f"{spec.trial_number:04d}-{spec.attempt}"


class Notes:
    def __init__(self) -> None:
        self.texts: list[str] = []

    def note(self, text: str, *, warning: bool = False) -> None:
        self.texts.append(text)


def api_at(url: str, *, patience_seconds: float = 20.0) -> KubernetesApi:
    from kubernetes import client

    configuration = client.Configuration()
    configuration.host = url
    configuration.retries = False
    return KubernetesApi(
        client.ApiClient(configuration),
        patience_seconds=patience_seconds,
        requests_per_second=1000,
    )


@pytest.fixture
def fake() -> Iterator[FakeApi]:
    api = FakeApi()
    yield api
    api.stop()


@pytest.fixture
def exchange(tmp_path: Path) -> FolderExchange:
    return FolderExchange(tmp_path / "bucket")


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture
def make_kubernetes(
    fake: FakeApi, exchange: FolderExchange, notes: Notes
) -> Iterator[Callable[..., KubernetesLauncher]]:
    launchers: list[KubernetesLauncher] = []

    def make(**settings: Any) -> KubernetesLauncher:
        launcher = KubernetesLauncher(
            api=api_at(fake.url),
            namespace="trials",
            search_id="test-search",
            settings=KubernetesSettings.model_validate({**SETTINGS, **settings}),
            exchange=exchange,
            notes=notes,
        )
        launchers.append(launcher)
        return launcher

    yield make
    for launcher in launchers:
        launcher.close()
