"""A model's life with real searches: first, kept, degraded, replaced."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.registry.models import make_record
from tests.retrain.moods import search_moods
from tests.retrain.moods import write_moods
from tests.trial.tiny import tiny_model
from xautolm_core.errors import ConfigError
from xautolm_core.errors import DataError
from xautolm_core.errors import LaunchError
from xautolm_core.records.configuration import Configuration
from xautolm_core.records.outcome import Outcome
from xautolm_core.registry.record import SplitScores
from xautolm_core.registry.registry import ModelRegistry
from xautolm_core.retrain.row_digests import digest_rows
from xautolm_core.steps.register import fetch_model
from xautolm_core.steps.register import register_model
from xautolm_core.steps.retrain import check_incumbent
from xautolm_core.steps.retrain import compare_models
from xautolm_core.steps.retrain import split_fresh
from xautolm_core.tasks.load import load_task
from xautolm_core.tasks.prepared import write_prepared
from xautolm_core.tasks.source import read_task_spec
from xautolm_core.trial.contract import TrialSpec
from xautolm_core.trial.predict import load_classifier
from xautolm_core.trial.run import run_trial

NAME = "moods"


def split(data: Path, folder: Path, **options) -> dict:
    return split_fresh(
        data=str(data),
        task_name=NAME,
        search_folder=str(folder / "search"),
        fresh_folder=str(folder / "fresh"),
        fraction=0.3,
        **options,
    )


@pytest.mark.slow
@pytest.mark.timeout(1_200)
def test_from_the_first_model_to_its_successor(tmp_path):
    registry, seed = str(tmp_path / "registry"), 0

    def retrain(data: Path, name: str) -> tuple[dict, dict]:
        nonlocal seed
        seed += 1
        folder = tmp_path / name
        parts = split(data, folder, registry=registry)
        run = search_moods(Path(parts["task_file"]), folder, seed=seed, trials=1)
        known = register_model(run_folder=str(run), registry=registry)
        decision = compare_models(
            registry=registry,
            task_name=NAME,
            version=known["version"],
            fresh_folder=parts["fresh_folder"],
        )
        assert json.loads(json.dumps(decision)) == decision
        return known, decision

    def check(data: Path) -> dict:
        verdict = check_incumbent(data=str(data), task_name=NAME, registry=registry)
        assert json.loads(json.dumps(verdict)) == verdict
        return verdict

    first_data = write_moods(tmp_path / "one.csv", 400)
    assert check(first_data)["standing"] == "no_champion"
    first, decision = retrain(first_data, "first")
    assert (decision["outcome"], decision["promoted"]) == ("first", True)

    # The same data: only those set aside are fresh.
    same = check(first_data)
    assert (same["standing"], same["champion"]) == ("good_enough", first["version"])
    assert 90 <= same["rows"] <= 150
    later = check(write_moods(tmp_path / "two.csv", 300, seed=1))
    assert (later["retrain"], later["rows"]) == (False, 300)

    # Another model of the same data is no reason to change.
    second, decision = retrain(first_data, "second")
    assert (decision["outcome"], decision["promoted"]) == ("not_better", False)
    assert decision["rows"] == same["rows"]
    assert second["parent"] == first["version"]

    # What was good is now called bad.
    drifted = write_moods(tmp_path / "three.csv", 400, seed=2, swapped=True)
    degraded = check(drifted)
    assert (degraded["standing"], degraded["retrain"]) == ("degraded", True)
    assert degraded["degradation"]["drop"] > 0.3
    third, decision = retrain(drifted, "third")
    assert (decision["outcome"], decision["promoted"]) == ("better", True)
    assert decision["test"]["p_value"] <= 0.01
    assert decision["champion"] == first["version"]

    opened = ModelRegistry.open(registry)
    assert opened.champion(NAME).version == third["version"]
    assert [p.replaces for p in opened.promotions(NAME)] == [None, first["version"]]
    again = compare_models(
        registry=registry,
        task_name=NAME,
        version=third["version"],
        fresh_folder=str(tmp_path / "third" / "fresh"),
    )
    assert (again["outcome"], again["promoted"], again["is_champion"]) == (
        "same_model",
        False,
        True,
    )


@pytest.fixture
def registered(moods_run, tmp_path) -> tuple[str, dict]:
    registry = str(tmp_path / "registry")
    return registry, register_model(run_folder=str(moods_run), registry=registry, promote=True)


def test_other_classes_need_another_model(registered, tmp_path):
    registry, _ = registered
    data = write_moods(tmp_path / "new.csv", 120, seed=3)
    data.write_text(data.read_text().replace(",bad", ",awful"))
    verdict = check_incumbent(data=str(data), task_name=NAME, registry=registry)
    assert (verdict["standing"], verdict["retrain"]) == ("other_task", True)
    assert "'awful'" in verdict["reason"]


def test_the_data_of_a_classifier_may_look_like_questions(registered, tmp_path):
    registry, _ = registered
    data = tmp_path / "new.jsonl"
    rows = [
        {"question": f"Is {i} even?", "context": f"yes or no: {i}", "answer": ["yes", "no"][i % 2]}
        for i in range(60)
    ]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    verdict = check_incumbent(data=str(data), task_name=NAME, registry=registry)
    assert verdict["standing"] == "other_task"
    with pytest.raises(DataError, match="for text-classification alone"):
        check_incumbent(data=str(data), task_name="another", registry=registry)


def test_too_few_fresh_rows_tell_nothing(registered, moods_file, tmp_path):
    registry, _ = registered
    verdict = check_incumbent(data=str(moods_file), task_name=NAME, registry=registry)
    assert (verdict["standing"], verdict["retrain"], verdict["rows"]) == ("too_few_rows", False, 0)
    parts = split(moods_file, tmp_path, registry=registry)
    assert parts["fresh"] == 0 < parts["set_aside"]


def test_rows_that_a_model_has_seen_prove_nothing(registered, moods_run, moods_file, tmp_path):
    """Also where the rows were set aside without asking what the champion has seen."""
    registry, champion = registered
    other = Path(shutil.copytree(moods_run, tmp_path / "run"))
    (other / "model" / "README.md").write_text("# Another model")
    challenger = register_model(run_folder=str(other), registry=registry)
    assert challenger["version"] != champion["version"]
    parts = split(moods_file, tmp_path)
    assert parts["fresh"] > 90
    request = {"registry": registry, "task_name": NAME, "version": challenger["version"]}
    decision = compare_models(**request, fresh_folder=parts["fresh_folder"])
    assert (decision["outcome"], decision["rows"]) == ("too_few_rows", 0)

    # Two models that answer the same.
    fresh = split(write_moods(tmp_path / "new.csv", 200, seed=4), tmp_path / "new")
    decision = compare_models(**request, fresh_folder=fresh["fresh_folder"])
    assert (decision["outcome"], decision["test"]["p_value"]) == ("not_better", 1.0)

    under_b = {"registry": registry, "task_name": "b"}
    without = register_model(**under_b, run_folder=str(other), with_rows=False)
    assert register_model(**under_b, run_folder=str(moods_run), promote=True)["rows_known"]
    with pytest.raises(ConfigError, match=r"has seen are unknown.*Register the model again"):
        compare_models(**under_b, version=without["version"], fresh_folder=fresh["fresh_folder"])


def test_a_champion_of_meanwhile_is_not_overruled(registered, moods_run, tmp_path, monkeypatch):
    from xautolm_core.retrain import comparison
    from xautolm_core.retrain.decision import ComparisonOutcome
    from xautolm_core.retrain.decision import Decision

    registry, champion = registered
    other = Path(shutil.copytree(moods_run, tmp_path / "run"))
    versions = []
    for number in range(2):
        (other / "model" / "README.md").write_text(f"# Model {number}")
        versions.append(register_model(run_folder=str(other), registry=registry)["version"])
    opened = ModelRegistry.open(registry)

    def meanwhile(*arguments, **named):
        opened.promote(opened.version(NAME, versions[0]))
        return Decision(ComparisonOutcome.BETTER, "better", versions[1], champion["version"])

    monkeypatch.setattr(comparison, "_measure", meanwhile)
    fresh = split(write_moods(tmp_path / "new.csv", 100, seed=4), tmp_path / "new")
    decision = compare_models(
        registry=registry,
        task_name=NAME,
        version=versions[1],
        fresh_folder=fresh["fresh_folder"],
    )
    assert (decision["outcome"], decision["promoted"]) == ("champion_changed", False)
    assert opened.champion(NAME).version == versions[0]


def test_a_model_that_cannot_answer_is_told(registered, tmp_path):
    registry, _ = registered
    data = write_moods(tmp_path / "new.csv", 120, seed=3)
    request = {"data": str(data), "task_name": NAME, "registry": registry}
    with pytest.raises(LaunchError, match=r"could not be run: it took longer than"):
        check_incumbent(**request, limit_seconds=0.05)


def test_bad_input_is_one_line(registered, tmp_path):
    registry, known = registered
    request = {"registry": registry, "task_name": NAME, "version": known["version"]}
    calls = [
        (lambda: compare_models(**request, fresh_folder="nowhere"), DataError),
        (lambda: compare_models(**request, fresh_folder="nowhere", alpha=2.0), ConfigError),
        (lambda: compare_models(**request, fresh_folder="nowhere", measure="loss"), ConfigError),
        (lambda: compare_models(**{**request, "version": "../x"}, fresh_folder=""), ConfigError),
        (lambda: check_incumbent(data="nowhere.csv", registry=registry), DataError),
        (lambda: check_incumbent(data="x", registry=registry, tolerance=-1.0), ConfigError),
    ]
    for call, kind in calls:
        with pytest.raises(kind) as caught:
            call()
        assert "\n" not in str(caught.value)
        assert caught.value.hint


def _register(method: str, data: str, folder: Path, registry: str) -> str:
    """Train a model on data and register it, as a search does in the end; return its version."""
    task = load_task(read_task_spec(data, name=NAME))
    model = None if method == "tfidf" else tiny_model()
    parameters = {"epochs": 6, "batch_size": 8, "max_length": 32, "learning_rate": 5e-3}
    configuration = Configuration(
        branch=method,
        model=None if model is None else model.id,
        method=method,
        parameters=parameters if model else {},
    )
    spec = TrialSpec(
        search_id=folder.name,
        trial_number=0,
        task_folder=write_prepared(task, folder),
        out_folder=folder / "trial",
        cache_folder=folder / "cache",
        configuration=configuration,
        model=model,
        seed=0,
        device="cpu",
    )
    result = run_trial(spec)
    assert result.outcome is Outcome.OK, result.failure
    record = make_record(
        task_fingerprint=task.fingerprint,
        labels=task.labels,
        search_id=folder.name,
        configuration=configuration.model_dump(mode="json"),
        validation=SplitScores(
            macro_f1=result.scores["macro_f1"].value,
            accuracy=result.scores["accuracy"].value,
            rows=len(task.validation),
        ),
        test=None,
    )
    seen = digest_rows(task.splits.values()).to_bytes()
    opened = ModelRegistry.open(registry)
    return opened.register(NAME, folder / "trial" / "model", record, seen_rows=seen).version


@pytest.mark.slow
@pytest.mark.parametrize(("champion", "challenger"), [("tfidf", "full"), ("full", "tfidf")])
def test_a_cheap_model_and_a_language_model_succeed_each_other(tmp_path, champion, challenger):
    pytest.importorskip("torch")
    registry = str(tmp_path / "registry")

    def compare(version: str, fresh: str) -> dict:
        return compare_models(
            registry=registry, task_name=NAME, version=version, fresh_folder=fresh
        )

    data = write_moods(tmp_path / "one.csv", 300)
    first = _register(champion, str(data), tmp_path / "first", registry)
    assert compare(first, split(data, tmp_path / "first")["fresh_folder"])["outcome"] == "first"
    # What was good is now called bad.
    drifted = write_moods(tmp_path / "two.csv", 400, seed=1, swapped=True)
    degraded = check_incumbent(data=str(drifted), task_name=NAME, registry=registry)
    assert (degraded["standing"], degraded["champion"]) == ("degraded", first)
    parts = split(drifted, tmp_path / "second", registry=registry)
    second = _register(challenger, parts["task_file"], tmp_path / "second", registry)
    decision = compare(second, parts["fresh_folder"])
    assert (decision["outcome"], decision["is_champion"]) == ("better", True)
    assert decision["test"]["gain"] > 0.5
    known = fetch_model(registry=registry, task_name=NAME, folder=str(tmp_path / "champion"))
    assert (known["method"], known["base_model"] is None) == (challenger, challenger == "tfidf")
    answers = load_classifier(tmp_path / "champion").predict(["happy bright warm", "grim dull sad"])
    assert [answer.label for answer in answers] == ["bad", "good"]
