"""Which model is exported, and what is said where a form does not fit it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.export.conftest import CHEAP
from tests.export.conftest import LANGUAGE_MODEL
from tests.registry.models import make_record
from xautolm_core.errors import ConfigError
from xautolm_core.export.forms import FORMS
from xautolm_core.export.forms import export_model
from xautolm_core.export.found_model import opened_model
from xautolm_core.registry.registry import ModelRegistry


def test_a_run_is_its_chosen_model(make_run) -> None:
    run = make_run()
    with opened_model(str(run)) as found:
        assert found.folder == run / "model"
        assert found.trial is not None and found.trial.number == CHEAP
        assert found.macro_f1 == 0.8790  # on the test split, where it met that
    with opened_model(str(run / "alternative")) as found:
        assert found.trial is not None and found.trial.number == LANGUAGE_MODEL
        assert found.macro_f1 == 0.8877


def test_the_model_of_a_trial_is_found_by_its_folder(make_run, models) -> None:
    run = make_run()
    folder = run / "trials" / "0002-0" / "model"
    shutil.copytree(models["bert"], folder)
    with opened_model(str(folder)) as found:
        assert found.trial is not None and found.trial.number == 2


def test_a_model_without_its_run_is_taken_as_it_is(models) -> None:
    with opened_model(str(models["bert"])) as found:
        assert (found.result, found.trial, found.macro_f1) == (None, None, None)


def test_a_registered_version_is_fetched(models, tmp_path: Path) -> None:
    registry = ModelRegistry.open(str(tmp_path / "registry"))
    version = registry.register("topics", models["bert"], make_record())
    with (
        pytest.raises(ConfigError, match="no champion"),
        opened_model(registry.address, task="topics"),
    ):
        pass
    registry.promote(version)
    with opened_model(registry.address, task="topics") as found:
        assert found.registered is not None
        assert found.registered.version == version.version
        assert found.card.labels == ("sport", "money", "space")
        place = found.folder
    assert not place.exists()


@pytest.mark.parametrize("form", ["onnx", "kserve"])
def test_a_cheap_winner_names_the_best_language_model_on_the_front(make_run, form: str) -> None:
    run = make_run()
    with pytest.raises(ConfigError) as caught:
        export_model(str(run), form, out=run.parent / "out")
    said = str(caught.value)
    assert "method 'tfidf'" in said
    assert f"language model on the front is trial {LANGUAGE_MODEL} (full" in said
    assert f"xautolm export {run}/alternative --to {form}" in said
    assert not (run.parent / "out").exists()


def test_where_it_was_not_kept_that_is_said(make_run) -> None:
    run = make_run(alternative=False)
    with pytest.raises(ConfigError, match="was not kept: search with --keep-models all"):
        export_model(str(run), "onnx", out=run.parent / "out")


def test_bad_input_is_one_sentence(make_run, models, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.write_text("mine")
    for place, form, more, said in (
        (tmp_path, "onnx", {}, "neither a run nor a model"),
        (models["bert"], "pickle", {}, f"Known are {', '.join(FORMS)}"),
        (models["bert"], "onnx", {"out": taken}, "is there already"),
        (models["bert"], "onnx", {"out": tmp_path / "no" / "where"}, "There is no folder"),
        (models["bert"], "onnx", {"version": "1"}, "Name it with --task"),
        (models["bert"], "onnx", {"memory": "2Gi"}, "--memory means nothing for onnx"),
        (models["bert"], "mlflow", {"storage_uri": "s3://b"}, "--storage-uri means nothing"),
    ):
        with pytest.raises(ConfigError) as caught:
            export_model(str(place), form, **{"out": tmp_path / "out", **more})
        assert said in str(caught.value)
    assert taken.read_text() == "mine"
    assert not (tmp_path / "out").exists()
