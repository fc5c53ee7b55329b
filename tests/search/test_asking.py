from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.registry.models import make_record
from tests.trial.tiny import make_task
from xautolm_core.errors import LaunchError
from xautolm_core.records.configuration import Configuration
from xautolm_core.records.outcome import Outcome
from xautolm_core.registry.description import describe_model
from xautolm_core.registry.registry import ModelRegistry
from xautolm_core.search.asking import Asking
from xautolm_core.search.asking import ask_model
from xautolm_core.search.asking import score_on_test
from xautolm_core.tasks.prepared import write_prepared
from xautolm_core.trial.contract import TrialSpec
from xautolm_core.trial.predict import load_classifier
from xautolm_core.trial.run import run_trial

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


def test_an_interrupt_ends_it_at_once(tmp_path):
    code = "import time; time.sleep(60)"
    asking = Asking(threads=1, give_up=lambda: True, command=(sys.executable, "-c", code))
    since = time.monotonic()
    with pytest.raises(LaunchError, match="interrupted"):
        ask_model(tmp_path, tmp_path, tmp_path / "work", asking, rows=3)
    assert time.monotonic() - since < 10


def test_answers_on_the_test_split_are_scored(tmp_path):
    task = make_task(classes=2)
    truth = task.test.labels.tolist()
    code = WRITE.replace("['a', 'b']", str(list(task.labels))).replace("[0, 1, 1]", str(truth))
    asking = Asking(threads=1, command=(sys.executable, "-c", code))
    tested, problem = score_on_test(tmp_path, tmp_path, tmp_path / "work", asking, task=task)
    assert problem == ""
    assert (tested.report.macro_f1, tested.report.rows) == (1.0, len(truth))
    assert tested.answers.tolist() == truth
    assert list((tmp_path / "work").iterdir()) == []
    other = replace(task, labels=("x", "y"))
    tested, problem = score_on_test(tmp_path, tmp_path, tmp_path / "work", asking, task=other)
    assert (tested, problem) == (None, "it was trained on a task with other classes")


def test_old_answers_are_never_taken_for_new_ones(tmp_path):
    ask(tmp_path, WRITE)
    with pytest.raises(LaunchError):
        ask(tmp_path, "pass")


def test_a_model_of_tfidf_is_registered_and_asked_as_any_other(tmp_path):
    task_folder = write_prepared(make_task(), tmp_path)
    spec = TrialSpec(
        search_id="s",
        trial_number=0,
        task_folder=task_folder,
        out_folder=tmp_path / "trial",
        cache_folder=tmp_path / "cache",
        configuration=Configuration(branch="tfidf", method="tfidf", parameters={}),
        seed=1,
    )
    assert run_trial(spec).outcome is Outcome.OK
    registry = ModelRegistry.open(str(tmp_path / "registry"))
    configuration = spec.configuration.model_dump(mode="json")
    record = make_record(configuration=configuration)
    registered = registry.register("topics", tmp_path / "trial" / "model", record)
    assert describe_model(registered)["base_model"] is None
    folder = registry.fetch(registered, tmp_path / "fetched")
    asking = Asking(threads=1, limit_seconds=60)
    answers = ask_model(folder, task_folder, tmp_path / "work", asking, rows=48)
    texts = make_task().test.texts.to_pylist()
    expected = [p.label for p in load_classifier(folder).predict(texts)]
    assert [answers.labels[i] for i in answers.predicted] == expected
