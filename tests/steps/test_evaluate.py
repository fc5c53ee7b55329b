"""The evaluation step, with the process that answers the rows replaced."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.report.samples import record
from tests.report.samples import search_result
from xautolm_components.conftest import parameters_for
from xautolm_components.conftest import write_data
from xautolm_core.search import asking
from xautolm_core.search.final_test_kinds import TestedModel
from xautolm_core.search.result_file import write_result
from xautolm_core.search.test_report import TestReport
from xautolm_core.steps.evaluate import evaluate
from xautolm_core.steps.fingerprint import fingerprint_task
from xautolm_core.steps.finished import read_finished
from xautolm_core.steps.request import read_request
from xautolm_core.steps.search import copy_result
from xautolm_core.tasks.load import load_task

ROWS = 30


@pytest.fixture
def request_json(tmp_path: Path) -> str:
    data = write_data(tmp_path / "moods.csv")
    return fingerprint_task(parameters_for(data, tmp_path)).request


@pytest.fixture
def finished(tmp_path: Path, request_json: str) -> Path:
    """The folder that the search step has copied: a linear probe beside a language model."""
    task = load_task(read_request(request_json).spec.task)
    records = [
        record(0, f1=0.9, train_seconds=2.0, method="linear_probe"),
        record(1, f1=0.8, train_seconds=9.0),
    ]
    run = tmp_path / "run"
    for name in ("model", "alternative"):
        (run / name).mkdir(parents=True)
        (run / name / "config.json").write_text("{}")
    result = replace(search_result(run, records=records, best=0), test=None)
    write_result(replace(result, task={**result.task, "fingerprint": task.fingerprint}), run)
    copy_result(run, tmp_path / "result")
    return tmp_path / "result"


@pytest.fixture
def answered(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the folders whose models were asked; all of them answer with class 0."""
    asked: list[str] = []

    def answer(model_folder: Path, *_: Any, **__: Any) -> tuple[TestedModel, str]:
        asked.append(model_folder.name)
        report = TestReport(0.5, 0.5, {}, [], ROWS, 0.1)
        return TestedModel(report, np.zeros(ROWS, dtype=np.int64)), ""

    monkeypatch.setattr(asking, "score_on_test", answer)
    return asked


def test_the_alternative_answers_too_and_the_report_compares_both(
    tmp_path: Path, request_json: str, finished: Path, answered: list[str]
) -> None:
    test_file = tmp_path / "out" / "test.json"
    evaluate(request_json, str(finished), str(test_file))
    assert answered == ["model", "alternative"]
    result = read_finished(str(finished), str(test_file))
    assert result.test is not None
    assert result.test.comparison is not None
    assert (result.test.comparison.cheap, result.test.comparison.language_model) == (0, 1)
    assert result.test.comparison.gain == 0


def test_without_an_alternative_the_chosen_model_is_evaluated_alone(
    tmp_path: Path,
    request_json: str,
    finished: Path,
    answered: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    (finished / "alternative" / "config.json").unlink()
    (finished / "alternative").rmdir()
    test_file = tmp_path / "test.json"
    evaluate(request_json, str(finished), str(test_file))
    assert answered == ["model"]
    assert json.loads(test_file.read_text())["comparison"] is None
    assert "it is not compared" in capsys.readouterr().out
