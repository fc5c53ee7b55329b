from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import pytest

from xautolm_core.search.final import evaluate_on_test

ANSWER = {
    "macro_f1": 0.5,
    "accuracy": 0.6,
    "per_class": {"a": {"f1": 0.5}},
    "confusion": [[1, 0], [0, 1]],
    "rows": 2,
    "seconds": 0.1,
    "predicted": [1, 0],
}
WRITE = (
    "import json, sys; request = json.load(open(sys.argv[1])); "
    f"open(request['out_file'], 'w').write(json.dumps({ANSWER!r}))"
)


def evaluate(tmp_path: Path, code: str, *, limit: float | None = 30.0, give_up=lambda: False):
    return evaluate_on_test(
        model_folder=tmp_path / "model",
        task_folder=tmp_path / "task",
        work_folder=tmp_path,
        threads=1,
        limit_seconds=limit,
        give_up=give_up,
        command=(sys.executable, "-c", code),
    )


def test_the_answer_is_read(tmp_path):
    found, problem = evaluate(tmp_path, WRITE)
    assert problem == ""
    assert found is not None
    assert (found.report.macro_f1, found.report.rows) == (0.5, 2)
    assert found.answers.tolist() == [1, 0]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("raise SystemExit(3)", "exit code 3"),
        ("pass", "cannot be read"),
        (WRITE.replace("'macro_f1': 0.5", "'macro_f1': None"), "cannot be read"),
    ],
)
def test_what_goes_wrong_is_said(tmp_path, code, words):
    found, problem = evaluate(tmp_path, code)
    assert found is None
    assert words in problem
    request = json.loads((tmp_path / "test-request.json").read_text())
    assert request["split"] == "test"


def test_an_old_answer_is_never_taken_for_a_new_one(tmp_path):
    evaluate(tmp_path, WRITE)
    assert evaluate(tmp_path, "pass")[0] is None


def test_it_ends_at_its_limit_and_on_an_interrupt(tmp_path):
    begin = time.monotonic()
    sleep = "import time; time.sleep(60)"
    assert "longer than" in evaluate(tmp_path, sleep, limit=0.3)[1]
    assert "interrupted" in evaluate(tmp_path, sleep, give_up=lambda: True)[1]
    assert time.monotonic() - begin < 10
