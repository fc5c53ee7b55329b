from __future__ import annotations

import sys
from pathlib import Path

import pytest

from xautolm_core.errors import LaunchError
from xautolm_core.retrain.answering import Asking
from xautolm_core.retrain.answering import ask_model

WRITE = (
    "import json, sys; request = json.load(open(sys.argv[1])); "
    "open(request['out_file'], 'w').write(json.dumps("
    "{'labels': ['a', 'b'], 'predicted': [0, 1, 1], 'seconds': 0.1}))"
)


def ask(folder: Path, code: str, *, rows: int = 3, limit: float = 60.0):
    asking = Asking(threads=1, limit_seconds=limit, command=(sys.executable, "-c", code))
    return ask_model(folder / "model", folder / "task", folder / "work", asking, rows=rows)


def test_answers_are_read(tmp_path):
    answers = ask(tmp_path, WRITE)
    assert (answers.labels, answers.predicted) == (("a", "b"), (0, 1, 1))


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("raise SystemExit(3)", "exit code 3"),
        ("pass", "cannot be read"),
        (WRITE.replace("[0, 1, 1]", "[0, 1]"), "do not belong"),
        (WRITE.replace("[0, 1, 1]", "[0, 1, 2]"), "do not belong"),
        (WRITE.replace("[0, 1, 1]", "[0, 1, -1]"), "cannot be read"),
        (WRITE.replace("'a', 'b'", ""), "do not belong"),
        ("import time; time.sleep(60)", "longer than"),
    ],
)
def test_what_goes_wrong_is_said(tmp_path, code, words):
    with pytest.raises(LaunchError, match=words):
        ask(tmp_path, code, limit=0.5 if "sleep" in code else 60.0)


def test_only_its_own_words_are_passed_on(tmp_path):
    code = (
        "import sys; print('a text of the task', file=sys.stderr); "
        "print('xautolm: no memory left', file=sys.stderr); sys.exit(2)"
    )
    with pytest.raises(LaunchError, match=r"exit code 2.*: no memory left") as caught:
        ask(tmp_path, code)
    assert "a text of the task" not in str(caught.value)


def test_old_answers_are_never_taken_for_new_ones(tmp_path):
    ask(tmp_path, WRITE)
    with pytest.raises(LaunchError):
        ask(tmp_path, "pass")
