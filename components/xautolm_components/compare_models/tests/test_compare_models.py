from __future__ import annotations

import pytest

from xautolm_components.compare_models.component import compare_models
from xautolm_components.conftest import artifact
from xautolm_components.conftest import read_json
from xautolm_components.conftest import write_data
from xautolm_components.split_fresh.component import split_fresh


@pytest.mark.slow
def test_a_model_against_itself_promotes_nothing(run, tmp_path):
    data = write_data(tmp_path / "moods.csv", rows=300, seed=8)
    registry, workspace = run.parameters["registry"], (tmp_path / "work").as_uri()
    divided = split_fresh.python_func(str(data), registry, workspace, "run-9", 0.25)
    model, decision = run.artifact("model"), artifact(tmp_path / "decision")
    model.metadata = dict(run.metadata)
    compare_models.python_func(registry, model, divided.fresh, 0.01, 0.0, decision)
    assert read_json(decision.path)["promoted"] is False
