"""A fake server, a tiny compiled pipeline, and clients of the one for the other."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.running import Call
from tests.pipelines.fake_kfp import FakeKfp
from xautolm_pipelines.client import PipelinesClient
from xautolm_pipelines.client import connect
from xautolm_pipelines.connection import Connection


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    return Call(capsys)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pipeline with a parameter of each type, compiled by kfp."""
    pytest.importorskip("kfp")
    from tests.pipelines.tiny_pipeline import compile_tiny

    return compile_tiny(tmp_path_factory.mktemp("compiled") / "tiny.yaml")


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep the tests from the servers and tokens of whoever runs them."""
    for name in ("HOST", "NAMESPACE", "TOKEN", "TOKEN_FILE", "UI", "CA_FILE"):
        monkeypatch.delenv(f"XAUTOLM_KFP_{name}", raising=False)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv("KF_PIPELINES_SA_TOKEN_PATH", str(tmp_path / "none"))


@pytest.fixture
def fake() -> Iterator[FakeKfp]:
    pytest.importorskip("kfp")
    api = FakeKfp()
    yield api
    api.stop()


@pytest.fixture
def make_client() -> Callable[..., PipelinesClient]:
    def make(fake: FakeKfp, **settings) -> PipelinesClient:
        connection = Connection(
            endpoint=fake.url, timeout_seconds=5, patience_seconds=0.4, **settings
        )
        return connect(connection)

    return make


@pytest.fixture
def client(fake: FakeKfp, make_client: Callable[..., PipelinesClient]) -> PipelinesClient:
    return make_client(fake)
