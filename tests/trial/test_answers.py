from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.search.generation_rows import generation_task
from tests.trial.tiny import make_task
from xautolm_core.records.outcome import Outcome
from xautolm_core.tasks.prepared import open_prepared
from xautolm_core.tasks.prepared import write_prepared
from xautolm_core.trial import predict
from xautolm_core.trial.answers import Answers
from xautolm_core.trial.answers import GeneratedAnswers
from xautolm_core.trial.answers import main
from xautolm_core.trial.contract import TrialSpec
from xautolm_core.trial.predict import load_classifier
from xautolm_core.trial.rows import generated_rows
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


def test_a_sample_of_prompts_is_answered_and_its_rows_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = write_prepared(generation_task(test_rows=400), tmp_path / "cache")
    asked: list[list[dict[str, str]]] = []

    class Writer:
        def generate(self, conversations: list[list[dict[str, str]]]) -> list[SimpleNamespace]:
            asked.extend(conversations)
            texts = [one[-1]["content"] for one in conversations]
            return [SimpleNamespace(text=t, tokens=3, is_cut=t.endswith("7.")) for t in texts]

    monkeypatch.setattr(predict, "load_generator", lambda *_, **__: Writer(), raising=False)
    out = tmp_path / "answers.json"
    request = {"model_folder": str(tmp_path), "task_folder": str(task), "out_file": str(out)}
    (tmp_path / "request.json").write_text(json.dumps(request))
    assert main([str(tmp_path / "request.json")]) == 0
    answers = GeneratedAnswers.model_validate_json(out.read_bytes())
    assert answers.rows == tuple(generated_rows(400).tolist()) and len(answers.rows) == 300
    assert answers.texts == tuple(f"Write word{2_000 + row}." for row in answers.rows)
    assert [one[0]["role"] for one in asked] == ["user"] * 300
    assert answers.tokens == (3,) * 300
    assert answers.cut == tuple(row % 10 == 7 for row in answers.rows)
