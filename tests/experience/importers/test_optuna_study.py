"""Optuna studies, in real storages."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
from pathlib import Path

import optuna
import pytest

from xautolm_core.errors import ConfigError
from xautolm_core.experience.importers.imported import Imported
from xautolm_core.experience.importers.optuna_study import import_optuna
from xautolm_core.experience.scrub import scrub_experience
from xautolm_core.records.outcome import Outcome


def _fill(study: optuna.Study) -> None:
    """Two complete trials, a pruned one, a failed one, a running one and a waiting one."""
    space = {
        "model": optuna.distributions.CategoricalDistribution(["org/a", "org/b"]),
        "method": optuna.distributions.CategoricalDistribution(["full", "lora"]),
        "learning_rate": optuna.distributions.FloatDistribution(1e-6, 1e-3, log=True),
        "epochs": optuna.distributions.IntDistribution(1, 10),
        "lora_init": optuna.distributions.CategoricalDistribution([None, "gaussian"]),
    }
    for number, state in enumerate(("COMPLETE", "COMPLETE", "PRUNED", "FAIL")):
        trial = study.ask(space)
        trial.set_user_attr("cause", "oom_gpu" if state == "FAIL" else "ok")
        found = optuna.trial.TrialState[state]
        study.tell(trial, 0.5 + number / 10 if state == "COMPLETE" else None, state=found)
    study.ask(space)
    study.enqueue_trial({"epochs": 3})


@pytest.fixture(scope="module", params=["sqlite", "journal"])
def storage_file(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A storage with one study, its name not free of blanks."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    path = tmp_path_factory.mktemp("storage") / f"a study.{request.param}"
    if request.param == "sqlite":
        storage: optuna.storages.BaseStorage = optuna.storages.RDBStorage(f"sqlite:///{path}")
    else:
        backend = optuna.storages.journal.JournalFileBackend(str(path))
        storage = optuna.storages.JournalStorage(backend)
    sampler = optuna.samplers.RandomSampler(seed=0)
    study = optuna.create_study(
        storage=storage, study_name="night", direction="maximize", sampler=sampler
    )
    _fill(study)
    return path


@pytest.fixture
def study_file(storage_file: Path, tmp_path: Path) -> Path:
    """The same, for one test alone."""
    return shutil.copy(storage_file, tmp_path / storage_file.name)


def _import(path: Path, address: str = "", **options: object) -> Imported:
    options = {"task_name": "reviews", "scores": ("macro_f1",)} | options
    imported = import_optuna(address or f"optuna://{path}", **options)  # type: ignore[arg-type]
    assert imported.account.is_balanced
    return imported


def test_texts_and_absent_parameters_stay_what_they_are(tmp_path: Path) -> None:
    """What a trial did not ask for was not active; what stands as a text is one."""
    backend = optuna.storages.journal.JournalFileBackend(str(tmp_path / "journal"))
    study = optuna.create_study(storage=optuna.storages.JournalStorage(backend), study_name="n")
    choice = optuna.distributions.CategoricalDistribution
    space = {"model": choice(["m"]), "method": choice(["full"]), "size": choice(["8", "16"])}
    study.tell(study.ask(space), 0.5)
    study.tell(study.ask({**space, "bias": choice(["none", None])}), 0.6)
    found = _import(tmp_path / "journal", f"optuna://{tmp_path}/journal#n").experiences
    assert set(found[0].configuration.parameters) == {"size"}
    assert found[0].configuration.parameters["size"] in ("8", "16")
    assert found[1].configuration.parameters["bias"] in ("none", None)


def test_a_study(study_file: Path) -> None:
    before = hashlib.sha256(study_file.read_bytes()).hexdigest()
    imported = _import(study_file)
    outcomes = [e.outcome for e in imported.experiences]
    assert outcomes == [Outcome.OK, Outcome.OK, Outcome.PRUNED, Outcome.INVALID]
    first = imported.experiences[0]
    assert first.scores["macro_f1"].value == 0.5
    assert (first.task_name, first.task_type) == ("reviews", "text-classification")
    assert first.configuration.model in {"org/a", "org/b"}
    assert set(first.configuration.parameters) == {"learning_rate", "epochs", "lora_init"}
    assert first.seconds["train"] >= 0
    assert first.origin == "import:optuna"
    assert [e.trial_number for e in imported.experiences] == [0, 1, 2, 3]
    assert imported.account.records == {"RUNNING: not finished": 1, "WAITING: not finished": 1}
    assert hashlib.sha256(study_file.read_bytes()).hexdigest() == before
    assert [p.name for p in study_file.parent.iterdir()] == [study_file.name]


def test_times_of_a_journal_are_exact_and_of_a_database_assumed(study_file: Path) -> None:
    imported = _import(study_file)
    is_database = study_file.suffix == ".sqlite"
    assert any("taken as UTC" in what for what in imported.account.changes) == is_database
    assert all(e.ended_at.utcoffset() is not None for e in imported.experiences)


def test_all_forms_of_the_address(study_file: Path) -> None:
    ids = [e.id for e in _import(study_file).experiences]
    assert [e.id for e in _import(study_file, f"optuna://{study_file}#night").experiences] == ids
    address = f"optuna://sqlite:///{study_file}"
    assert [e.id for e in _import(study_file, address).experiences] == ids


def test_a_map_says_more_than_the_states(study_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "map.yaml"
    path.write_text(
        "outcome: {column: state, values: {COMPLETE: ok, PRUNED: pruned, FAIL: oom_gpu}}\n"
        "branch: {constant: encoder}\n"
        "parameters: {rate: params.learning_rate}\n",
        encoding="utf-8",
    )
    imported = _import(study_file, column_map=path)
    assert imported.experiences[3].outcome is Outcome.OOM_GPU
    assert set(imported.experiences[0].configuration.parameters) == {"rate", "epochs", "lora_init"}
    assert imported.experiences[0].configuration.branch == "encoder"
    assert not any("FAIL is taken" in warning for warning in imported.account.warnings)


def test_what_is_missing_is_told(study_file: Path) -> None:
    with pytest.raises(ConfigError, match="--task NAME"):
        _import(study_file, task_name="")
    with pytest.raises(ConfigError, match=r"There is no study 'day'.*night"):
        _import(study_file, f"optuna://{study_file}#day")
    with pytest.raises(ConfigError, match="given 2 times, the study has 1"):
        _import(study_file, scores=("a", "b"))
    warnings = _import(study_file, scores=()).account.warnings
    assert any("values.0 has no name" in warning for warning in warnings)


def test_a_study_without_models_needs_a_map(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    backend = optuna.storages.journal.JournalFileBackend(str(path))
    study = optuna.create_study(storage=optuna.storages.JournalStorage(backend), study_name="x")
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)
    with pytest.raises(ConfigError, match="given for model, method"):
        _import(path)


def test_storages_that_are_none(tmp_path: Path) -> None:
    text = tmp_path / "text.db"
    text.write_text("hello\nworld\n", encoding="utf-8")
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as connection:
        connection.execute("create table t (x)")
    cut = tmp_path / "cut.journal"
    cut.write_text(json.dumps({"op_code": 99}) + "\n", encoding="utf-8")
    for path in (text, other, cut, tmp_path, tmp_path / "absent"):
        with pytest.raises(ConfigError) as caught:
            _import(path)
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "absent").exists()


def test_a_broken_database_is_one_error(study_file: Path) -> None:
    data = bytearray(study_file.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096) if len(data) > 4096 else b""
    data[200:2000] = b"\xff" * 1800
    study_file.write_bytes(data)
    with pytest.raises(ConfigError) as caught:
        _import(study_file)
    assert len(str(caught.value)) < 500


def test_passwords_and_pickles_stay_out(tmp_path: Path) -> None:
    for address in (
        "optuna://redis://jane:secret-word@localhost/0",
        "optuna://postgresql://jane:secret-word@localhost:1/x",
        "optuna://mysql+pymysql://jane:secret-word@localhost:1/x?password=secret-word",
    ):
        with pytest.raises(ConfigError) as caught:
            _import(tmp_path, address)
        assert "secret-word" not in str(caught.value)
        assert caught.value.__cause__ is None


def test_two_studies_of_one_name_have_ids_of_their_own(tmp_path: Path) -> None:
    ids = set()
    for folder in ("a", "b"):
        path = tmp_path / folder
        backend = optuna.storages.journal.JournalFileBackend(str(path))
        storage = optuna.storages.JournalStorage(backend)
        _fill(optuna.create_study(storage=storage, study_name="night", direction="maximize"))
        ids |= {e.id for e in _import(path).experiences}
    assert len(ids) == 8


def test_what_comes_in_is_what_the_store_would_write(study_file: Path) -> None:
    experiences = _import(study_file).experiences
    assert [scrub_experience(e) for e in experiences] == list(experiences)
