"""Methods that do not fit an architecture are refused before anything runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.space.folders import TINY_BERT
from tests.space.folders import write_model
from xautolm_core.errors import SpaceError
from xautolm_core.records.methods import MODEL_METHODS
from xautolm_core.space import hub
from xautolm_core.space.classifiers import CLASSIFIERS
from xautolm_core.space.classifiers import misfit
from xautolm_core.space.definition import parse_definition
from xautolm_core.space.load import resolve
from xautolm_core.space.sources import ModelSources

SPACE = """\
schema: 1
name: mine
models:
  some: [org/bert, org/{other}]
branches:
  some-full:
    method: full
    models: some
    parameters: {{learning_rate: [5e-5]}}
  some-lora:
    method: lora
    models: some
    parameters: {{learning_rate: [5e-4]}}
starts:
  - {{branch: some-lora, model: org/{other}, parameters: {{learning_rate: 5e-4}}}}
  - {{branch: some-full, model: org/{other}, parameters: {{learning_rate: 5e-5}}}}
"""


@pytest.fixture(autouse=True)
def _no_sources_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XAUTOLM_MODELS", "XAUTOLM_MODELS_S3"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(hub, "cached_folder", lambda model, revision: None)


def _sources(tmp_path: Path, other: str) -> ModelSources:
    write_model(tmp_path / "org" / "bert")
    write_model(tmp_path / "org" / other, {**TINY_BERT, "model_type": other})
    return ModelSources(folders=[tmp_path], offline=True)


def test_a_pair_that_does_not_fit_leaves_its_branch_alone(tmp_path: Path) -> None:
    sources = _sources(tmp_path, "squeezebert")
    space = resolve(parse_definition(SPACE.format(other="squeezebert"), "x.yaml"), sources)
    choices = {branch.name: branch.model.choices for branch in space.branches}
    assert choices == {
        "some-full": ("org/bert", "org/squeezebert"),
        "some-lora": ("org/bert",),
    }
    assert [start.method for start in space.starts] == ["full"]
    (warning,) = space.warnings
    assert warning.startswith("Left out of branch some-lora: org/squeezebert: squeezebert has")


def test_a_model_that_fits_no_method_leaves_the_space(tmp_path: Path) -> None:
    sources = _sources(tmp_path, "tapas")
    space = resolve(parse_definition(SPACE.format(other="tapas"), "x.yaml"), sources)
    assert list(space.models) == ["org/bert"]
    assert space.starts == ()
    (warning,) = space.warnings
    assert "tables" in warning
    alone = SPACE.replace("[org/bert, org/{other}]", "[org/{other}]").format(other="tapas")
    with pytest.raises(SpaceError, match="tables"):
        resolve(parse_definition(alone, "x.yaml"), sources)


def test_most_pairs_fit() -> None:
    unfit = [(a, m) for a in CLASSIFIERS for m in MODEL_METHODS if misfit(a, m)]
    assert 0 < len(unfit) < 0.2 * len(CLASSIFIERS) * len(MODEL_METHODS)
    assert misfit("bert", "lora") is None
