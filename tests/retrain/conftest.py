"""Real runs that the tests of retraining share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.retrain.moods import search_moods
from tests.retrain.moods import write_moods


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory):
    """Keep histories out of the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XAUTOLM_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.delenv("XAUTOLM_ROW_KEY", raising=False)
        yield


@pytest.fixture(scope="session")
def moods_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_moods(tmp_path_factory.mktemp("moods") / "moods.csv", 400)


@pytest.fixture(scope="session")
def moods_run(moods_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of a real search."""
    pytest.importorskip("torch")
    return search_moods(moods_file, tmp_path_factory.mktemp("search"))
