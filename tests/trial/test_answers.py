from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.trial.tiny import make_task
from xautolm_core.records.outcome import Outcome
from xautolm_core.tasks.prepared import open_prepared
from xautolm_core.tasks.prepared import write_prepared
from xautolm_core.trial.answers import Answers
from xautolm_core.trial.answers import main
from xautolm_core.trial.contract import TrialSpec
from xautolm_core.trial.predict import load_classifier
from xautolm_core.trial.run import run_trial


def test_a_saved_model_answers_rows_of_other_classes(
    make_spec: Callable[..., TrialSpec], pairs_folder: Path, cache: Path, tmp_path: Path
) -> None:
    spec = make_spec("head")
    assert run_trial(spec).outcome is Outcome.OK
    other = write_prepared(make_task(classes=2, seed=5), cache)
    request = {
        "model_folder": str(spec.out_folder / "model"),
        "task_folder": str(other),
        "out_file": str(tmp_path / "answers.json"),
        "device": "cpu",
    }
    (tmp_path / "request.json").write_text(json.dumps(request))
    assert main([str(tmp_path / "request.json")]) == 0
    answers = Answers.model_validate_json((tmp_path / "answers.json").read_bytes())
    assert answers.labels == ("sport", "money", "space")
    texts = open_prepared(other).test.texts.to_pylist()
    expected = load_classifier(spec.out_folder / "model").predict(texts)
    assert [answers.labels[i] for i in answers.predicted] == [p.label for p in expected]

    request["task_folder"] = str(pairs_folder)
    (tmp_path / "request.json").write_text(json.dumps(request))
    assert main([str(tmp_path / "request.json")]) == 2


def test_a_wrong_request_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "request.json").write_text("{}")
    for arguments in ([], [str(tmp_path / "request.json")], [str(tmp_path / "nowhere.json")]):
        assert main(arguments) == 2
        assert capsys.readouterr().err.count("\n") == 1
