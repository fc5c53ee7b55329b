from __future__ import annotations

from pathlib import Path

from xautolm_components.conftest import artifact
from xautolm_components.register_model.component import register_model
from xautolm_core.registry.registry import ModelRegistry
from xautolm_core.trial.predict import load_classifier


def test_the_first_model_of_a_task_is_put_in_use_and_predicts(run, tmp_path):
    registry = ModelRegistry.open(run.parameters["registry"])
    champion = registry.champion("moods")
    assert champion.version == run.metadata["version"]
    registry.fetch(champion, tmp_path / "model")
    assert load_classifier(tmp_path / "model").labels == ("bad", "good")


def test_the_artifact_says_what_it_is(run):
    assert run.metadata["task"] == "moods"
    assert run.metadata["score_on"] == "test"
    assert run.metadata["params"]["batch_size"]
    assert (Path(run.artifact("model").path) / "model.safetensors").is_file()


def test_a_step_that_is_repeated_registers_nothing_new(run, tmp_path):
    model = artifact(tmp_path / "model")
    registry = run.parameters["registry"]
    result, test = run.artifact("result"), run.artifact("test")
    register_model.python_func(run.fingerprinted.request, result, test, registry, model)
    assert model.metadata["version"] == run.metadata["version"]
    assert len(ModelRegistry.open(registry).versions("moods")) == 1
