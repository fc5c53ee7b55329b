"""The trial of method tfidf, from the spec to the answers of its model."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from safetensors.numpy import load_file
from safetensors.numpy import save_file

from tests.trial.tiny import make_task
from tests.trial.tiny import validation_scores
from xautolm_core.errors import ConfigError
from xautolm_core.records.attempt import TrialResult
from xautolm_core.records.outcome import Outcome
from xautolm_core.registry.registry import model_files
from xautolm_core.tasks.prepared import open_prepared
from xautolm_core.tasks.prepared import write_prepared
from xautolm_core.tasks.spec import TaskType
from xautolm_core.tasks.task import Split
from xautolm_core.tasks.task import Task
from xautolm_core.trial.contract import TrialBudget
from xautolm_core.trial.contract import TrialSpec
from xautolm_core.trial.predict import load_classifier
from xautolm_core.trial.run import run_trial

MakeSpec = Callable[..., TrialSpec]


# These packages are not found, as if they were not installed.
_WITHOUT_TORCH = """
import sys
from importlib.machinery import PathFinder
find = PathFinder.find_spec
def find_spec(name, *arguments):
    hidden = name.partition(".")[0] in ("torch", "transformers", "peft")
    return None if hidden else find(name, *arguments)
PathFinder.find_spec = find_spec
"""


def _task(texts: list[str], labels: list[int], classes: int) -> Task:
    column = pa.chunked_array([pa.array(texts, type=pa.large_string())])
    split = Split(texts=column, text_pairs=None, labels=np.array(labels, dtype=np.int32))
    return Task(
        name="odd",
        type=TaskType.TEXT_CLASSIFICATION,
        fingerprint=f"{hash(tuple(texts)) % 10**12:012d}".ljust(64, "0"),
        labels=tuple(f"class {i}" for i in range(classes)),
        splits={"train": split, "validation": split, "test": split},
    )


def _train(spec: TrialSpec) -> TrialResult:
    result = run_trial(spec)
    assert result.outcome is Outcome.OK, result.failure
    return result


@pytest.mark.parametrize("pairs", [False, True])
def test_the_saved_model_answers_as_it_did_in_the_trial(
    pairs: bool, make_spec: MakeSpec, task_folder: Path, pairs_folder: Path, tmp_path: Path
) -> None:
    folder = pairs_folder if pairs else task_folder
    budget = TrialBudget(max_validation_rows=48, soft_deadline_seconds=60)
    result = _train(make_spec("tfidf", task_folder=folder, measure_latency=True, budget=budget))
    assert result.scores["macro_f1"].value > 0.8
    assert {"load_data", "train", "evaluate", "latency", "save"} == set(result.seconds)
    assert result.progress.rows == 96 and result.device == "cpu" and result.latency_ms
    assert result.energy and result.peak_host_bytes and result.first_step_at
    model_folder = tmp_path / "trial" / "model"
    assert len(model_files(model_folder)) == 3  # what a registry takes, and nothing else
    report = validation_scores(model_folder, folder)
    assert report.macro_f1 == result.scores["macro_f1"].value
    assert report.accuracy == result.scores["accuracy"].value
    split = open_prepared(folder).validation
    classifier = load_classifier(model_folder)
    answers = classifier.predict(
        split.texts.to_pylist(), split.text_pairs.to_pylist() if split.text_pairs else None
    )
    assert all(sum(a.probabilities.values()) == pytest.approx(1) for a in answers)
    right = [a.label == classifier.labels[i] for a, i in zip(answers, split.labels, strict=True)]
    assert np.mean(right) == pytest.approx(report.accuracy)
    with pytest.raises(ConfigError, match="single texts" if not pairs else "pairs of texts"):
        classifier.predict(["a"], None if pairs else ["b"])


def test_trial_evaluation_and_answers_do_without_torch(
    make_spec: MakeSpec, task_folder: Path, tmp_path: Path
) -> None:
    spec = make_spec("tfidf")
    spec.out_folder.mkdir()
    (spec.out_folder / "spec.json").write_text(spec.model_dump_json())
    request = {
        "model_folder": str(spec.out_folder / "model"),
        "task_folder": str(task_folder),
        "split": "validation",
    }
    document = {**request, "out_file": str(tmp_path / "answers.out")}
    (tmp_path / "answers.json").write_text(json.dumps(document))
    code = (
        f"{_WITHOUT_TORCH}"
        "from xautolm_core.trial import run, __main__, answers\n"
        "run.preload()\n"
        f"assert __main__.main([{str(spec.out_folder / 'spec.json')!r}]) == 0\n"
        f"assert answers.main([{str(tmp_path / 'answers.json')!r}]) == 0\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    result = TrialResult.model_validate_json((spec.out_folder / "result.json").read_bytes())
    assert result.outcome is Outcome.OK
    assert len(json.loads((tmp_path / "answers.out").read_text())["predicted"]) == 48


def test_a_language_model_without_torch_ends_infra_with_a_hint(make_spec: MakeSpec) -> None:
    spec = make_spec("full")
    spec.out_folder.mkdir()
    (spec.out_folder / "spec.json").write_text(spec.model_dump_json())
    code = (
        f"{_WITHOUT_TORCH}"
        "from xautolm_core.trial import __main__\n"
        f"sys.exit(__main__.main([{str(spec.out_folder / 'spec.json')!r}]))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0 and "pip install 'xautolm[trial]'" in ended.stderr
    result = TrialResult.model_validate_json((spec.out_folder / "result.json").read_bytes())
    assert result.outcome is Outcome.INFRA and result.failure is not None


@pytest.mark.parametrize(
    ("texts", "labels", "classes"),
    [
        (["!!", "%%%", "§ §", "…"] * 3, [0, 1, 0, 1] * 3, 2),
        (["yes", "no"] * 6, [0, 1] * 6, 2),
        (["a", "b", "c"] * 4, [0, 1, 2] * 4, 5),
        (["one", "two"] * 4, [0, 0] * 4, 3),
        ([f"word{i % 77} and{i % 77}" for i in range(154)], list(range(77)) * 2, 77),
    ],
    ids=["symbols", "one word", "classes without rows", "one class", "77 classes"],
)
def test_odd_data(
    texts: list[str], labels: list[int], classes: int, make_spec: MakeSpec, cache: Path
) -> None:
    folder = write_prepared(_task(texts, labels, classes), cache)
    spec = make_spec("tfidf", task_folder=folder)
    result = _train(spec)
    answers = load_classifier(spec.out_folder / "model").predict(texts)
    right = np.mean([a.label == f"class {i}" for a, i in zip(answers, labels, strict=True)])
    assert right == pytest.approx(result.scores["accuracy"].value)
    # Whatever can be told apart is told apart, and no class without a row is answered.
    assert right == 1.0
    assert {a.label for a in answers} <= {f"class {i}" for i in labels}


def test_texts_without_any_term_get_the_most_frequent_class(
    make_spec: MakeSpec, cache: Path
) -> None:
    folder = write_prepared(_task([" "] * 9, [1, 1, 1, 1, 1, 1, 0, 0, 0], 2), cache)
    spec = make_spec("tfidf", task_folder=folder)
    assert _train(spec).scores["accuracy"].value == pytest.approx(6 / 9)
    assert load_classifier(spec.out_folder / "model").predict(["x"])[0].label == "class 1"


def test_rows_follow_the_deadline(make_spec: MakeSpec, cache: Path) -> None:
    folder = write_prepared(make_task(rows=12_000, held_out=60), cache)
    spec = make_spec(
        "tfidf", task_folder=folder, budget=TrialBudget(soft_deadline_seconds=1.0), save_model=False
    )
    result = _train(spec)
    assert 200 <= result.progress.rows < 12_000
    assert result.time_seconds is not None and result.time_seconds < 3
    half = make_spec(
        "tfidf", task_folder=folder, budget=TrialBudget(data_fraction=0.05), save_model=False
    )
    assert _train(half).progress.rows == 600


def test_it_has_no_hyperparameters(make_spec: MakeSpec) -> None:
    result = run_trial(make_spec("tfidf", {"epochs": 1}))
    assert result.outcome is Outcome.INVALID


def test_sigterm_ends_it(make_spec: MakeSpec, cache: Path) -> None:
    folder = write_prepared(make_task(rows=60_000), cache)
    spec = make_spec("tfidf", task_folder=folder)
    spec.out_folder.mkdir()
    (spec.out_folder / "spec.json").write_text(spec.model_dump_json())
    process = subprocess.Popen(
        [sys.executable, "-m", "xautolm_core.trial", str(spec.out_folder / "spec.json")],
        env={**os.environ, "XAUTOLM_ENERGY": "off"},
    )
    try:
        while not (spec.out_folder / "heartbeat.json").is_file():
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=20)
    finally:
        process.kill()
    result = TrialResult.model_validate_json((spec.out_folder / "result.json").read_bytes())
    assert result.outcome is Outcome.CANCELLED
    assert not list(spec.out_folder.glob("*model*"))


def _without(name: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        (folder / name).unlink()

    return damage


def _write(name: str, content: Any) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        (folder / name).write_text(content if isinstance(content, str) else json.dumps(content))

    return damage


def _array(name: str, change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        arrays = load_file(folder / "linear.safetensors")
        arrays[name] = np.ascontiguousarray(change(arrays[name]))
        save_file(arrays, folder / "linear.safetensors")

    return damage


@pytest.mark.parametrize(
    "damage",
    [
        _without("linear.safetensors"),
        _without("vocabulary.json"),
        _without("xautolm.json"),
        _write("linear.safetensors", "torn"),
        _write("vocabulary.json", "[1, 2"),
        _write("vocabulary.json", []),
        _write("vocabulary.json", {"parts": [{"analyzer": "word", "terms": "abc"}]}),
        _write("vocabulary.json", {"parts": [{"analyzer": "word", "terms": ["a", "a"]}]}),
        _write("vocabulary.json", {"parts": [{"analyzer": "os.system", "terms": ["a"]}]}),
        _write("vocabulary.json", {"parts": [{"analyzer": "word", "terms": ["a"]}]}),
        _array("tfidf.idf", lambda a: a[:-1]),
        _array("tfidf.idf", lambda a: a * np.nan),
        _array("tfidf.coefficients", lambda a: a.T),
        _array("tfidf.coefficients", lambda a: a.astype(np.float64)),
        _array("tfidf.intercepts", lambda a: a[:1]),
    ],
)
def test_damaged_folders_are_one_line_with_a_hint(
    damage: Callable[[Path], None], make_spec: MakeSpec
) -> None:
    spec = make_spec("tfidf")
    _train(spec)
    damage(spec.out_folder / "model")
    with pytest.raises(ConfigError) as error:
        load_classifier(spec.out_folder / "model")
    assert error.value.hint and "\n" not in str(error.value)
