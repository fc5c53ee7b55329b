"""Saved models, and a finished run whose chosen model is a cheap one."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.report.samples import search_result
from tests.trial.saved_models import save_tfidf
from tests.trial.saved_models import save_untrained
from xautolm_core.search.contract import SEARCH_FILE
from xautolm_core.search.result_file import write_result
from xautolm_core.whole_files import write_json

CHEAP, LANGUAGE_MODEL = 0, 4


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A saved model of each kind."""
    folder = tmp_path_factory.mktemp("models")
    return {
        "tfidf": save_tfidf(folder / "tfidf"),
        "bert": save_untrained(folder / "bert", folder / "cache"),
        "pairs": save_untrained(folder / "pairs", folder / "cache-of-pairs", pairs=True),
    }


@pytest.fixture
def make_run(models: dict[str, Path], tmp_path: Path) -> Callable[..., Path]:
    """Make a run folder whose chosen model is that of a trial."""

    def make(best: int = CHEAP, *, alternative: bool = True) -> Path:
        run = tmp_path / "run"
        run.mkdir()
        result = search_result(run, best=best)
        write_json(run / SEARCH_FILE, result.spec)
        write_result(result, run)
        chosen, other = ("tfidf", "bert") if best == CHEAP else ("bert", "tfidf")
        shutil.copytree(models[chosen], run / "model")
        if alternative:
            shutil.copytree(models[other], run / "alternative")
        return run

    return make
