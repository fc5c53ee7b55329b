"""What the tests of MLflow share: a server, and a search of eight trials with two failures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.search.conftest import data_file  # noqa: F401 - fixtures
from tests.search.conftest import make_spec  # noqa: F401
from tests.search.conftest import own_cache  # noqa: F401
from tests.search.conftest import space_file  # noqa: F401
from tests.tracking.mlflow_server import MlflowProcess
from tests.tracking.mlflow_server import server_python


@pytest.fixture(scope="session")
def mlflow_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowProcess]:
    """A server of this session. Whoever kills it starts it again."""
    pytest.importorskip("mlflow")
    server = MlflowProcess(server_python(), tmp_path_factory.mktemp("mlflow"))
    server.start()
    yield server
    server.kill()


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave none of the variables by which MLflow or a platform is named."""
    import os

    for name in os.environ:
        if name.startswith(("MLFLOW_", "KFP_MLFLOW")) or name == "XAUTOLM_MLFLOW":
            monkeypatch.delenv(name)


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    return tmp_path / "run"
