from __future__ import annotations

import json
from pathlib import Path

import pytest

from xautolm_components.conftest import WITH_CHEAP
from xautolm_components.conftest import artifact
from xautolm_components.conftest import parameters_for
from xautolm_components.conftest import read_json
from xautolm_components.conftest import write_data
from xautolm_components.extract_meta_features.component import extract_meta_features
from xautolm_components.fingerprint.component import fingerprint
from xautolm_components.record_experiences.component import record_experiences
from xautolm_components.run_trial.component import run_trial
from xautolm_components.sample_trials.component import sample_trials
from xautolm_core.experience.open import open_store


@pytest.mark.slow
def test_two_rounds_come_to_a_model(own_cache, tmp_path):
    data = write_data(tmp_path / "moods.csv")
    parameters = parameters_for(data, tmp_path, launcher="rounds", space=WITH_CHEAP)
    checked = fingerprint.python_func(**parameters)
    features, result = artifact(tmp_path / "features"), artifact(tmp_path / "result")
    extract_meta_features.python_func(checked.measurement, checked.fingerprint, features)
    assert read_json(features.path)["machine"]["threads"] >= 1
    rounds = []
    for _ in range(3):
        trials = sample_trials.python_func(checked.request, features, "", 2)
        outcomes = [run_trial.python_func(trial) for trial in trials]
        rounds.append(outcomes)
        record_experiences.python_func(checked.request, features, "", outcomes, result)
    assert rounds == [["ok", "ok"], ["ok", "ok"], ["none"]]
    kept = sorted(open_store(parameters["store"]).scan(), key=lambda one: one.trial_number)
    assert [one.configuration.method for one in kept] == ["tfidf", "full", "full", "full"]
    summary = json.loads((Path(result.path) / "summary.json").read_text())
    assert summary["stopped_by"] == "trials"
    models = (Path(result.path) / name for name in ("model", "alternative"))
    assert {path.name for one in models for path in one.glob("*.safetensors")} == {
        "linear.safetensors",
        "model.safetensors",
    }
