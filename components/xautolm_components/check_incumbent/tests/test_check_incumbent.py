from __future__ import annotations

import pytest

from xautolm_components.check_incumbent.component import check_incumbent
from xautolm_components.conftest import artifact
from xautolm_components.conftest import read_json
from xautolm_components.conftest import write_data


@pytest.mark.parametrize(("swapped", "retrain"), [(False, False), (True, True)])
def test_a_model_is_worn_where_the_classes_have_turned_round(run, tmp_path, swapped, retrain):
    data = write_data(tmp_path / "moods.csv", rows=200, seed=7, swapped=swapped)
    verdict = artifact(tmp_path / "verdict")
    found = check_incumbent.python_func(
        str(data), run.parameters["registry"], 0.1, 0.05, 50, verdict
    )
    assert found is retrain
    assert read_json(verdict.path)["rows"] == 200


def test_a_task_without_a_model_needs_one(tmp_path):
    data, registry = write_data(tmp_path / "moods.csv"), (tmp_path / "models").as_uri()
    verdict = artifact(tmp_path / "verdict")
    assert check_incumbent.python_func(str(data), registry, 0.1, 0.05, 50, verdict)
