from __future__ import annotations

import pytest

from xautolm_components.conftest import artifact
from xautolm_components.conftest import read_json
from xautolm_components.conftest import write_data
from xautolm_components.evaluate.component import evaluate


def test_the_test_split_is_scored(run):
    test = read_json(run.artifact("test").path)
    assert 0 <= test["macro_f1"] <= 1
    assert sum(map(sum, test["confusion"])) == test["rows"] == 30


def test_other_data_than_those_of_the_search_are_refused(run, tmp_path, capsys):
    changed = write_data(tmp_path / "moods.csv", seed=3)
    request = run.fingerprinted.request.replace(run.parameters["task"], str(changed))
    with pytest.raises(SystemExit) as caught:
        evaluate.python_func(request, run.artifact("result"), artifact(tmp_path / "test"))
    assert caught.value.code == 2
    assert "may hold rows that the model was trained on" in capsys.readouterr().err
