from __future__ import annotations

import pytest

from xautolm_components.conftest import artifact
from xautolm_components.conftest import read_json
from xautolm_components.extract_meta_features.component import extract_meta_features


def test_task_and_machine_are_measured(run):
    found = read_json(run.artifact("features").path)
    assert found["task"]["extractor"] == "text-classification"
    assert found["system"]["values"]["logical_cores"] >= 1
    assert found["machine"] is None


def test_data_that_have_changed_since_are_refused(run, tmp_path, capsys):
    with pytest.raises(SystemExit) as caught:
        extract_meta_features.python_func(
            run.fingerprinted.measurement, "another", artifact(tmp_path / "features")
        )
    assert caught.value.code == 2
    assert "have changed since this run began" in capsys.readouterr().err
