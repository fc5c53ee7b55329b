from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.registry.models import make_record
from tests.registry.models import write_model
from tests.retrain.moods import write_moods
from xautolm_core.errors import ConfigError
from xautolm_core.errors import DataError
from xautolm_core.registry import kubeflow_registry
from xautolm_core.registry.kubeflow_registry import PublishedVersion
from xautolm_core.registry.registry import ModelRegistry
from xautolm_core.retrain.row_digests import read_seen_rows
from xautolm_core.steps.register import fetch_model
from xautolm_core.steps.register import publish_model
from xautolm_core.steps.register import register_model
from xautolm_core.tasks.load import load_task
from xautolm_core.tasks.source import read_task_spec


@pytest.fixture
def run_copy(moods_run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(moods_run, tmp_path / "run"))


def test_a_finished_search_becomes_a_registered_model(moods_run, moods_file, tmp_path):
    address = str(tmp_path / "registry")
    known = register_model(run_folder=str(moods_run), registry=address, promote=True)
    assert json.loads(json.dumps(known)) == known
    summary = json.loads((moods_run / "summary.json").read_bytes())
    assert known["task"] == "moods"
    assert known["score"] == summary["test"]["macro_f1"]
    assert known["score_on"] == "test"
    assert known["seconds"] == summary["best"]["seconds"]
    assert known["params"] == summary["best"]["configuration"]["parameters"]
    assert known["parent"] is None
    assert known["rows_known"]
    registry = ModelRegistry.open(address)
    model = registry.champion("moods")
    assert model.version == known["version"]
    assert model.record.test.confusion is not None
    assert "torch" in model.record.versions
    task = load_task(read_task_spec(str(moods_file)))
    seen = read_seen_rows(registry.seen_rows(model))
    assert all(seen.contains(split).all() for split in task.splits.values())
    fresh = load_task(read_task_spec(str(write_moods(tmp_path / "new.csv", 300, seed=5))))
    assert not seen.contains(fresh.train).any()
    fetched = registry.fetch(model, tmp_path / "fetched")
    assert (fetched / "README.md").is_file()
    # Nothing of the texts is in the registry but the model itself.
    text = task.train.texts[0].as_py().encode()
    assert not any(text in p.read_bytes() for p in (tmp_path / "registry").rglob("*.*"))

    again = register_model(run_folder=str(moods_run), registry=address, promote=True)
    assert again["version"] == known["version"]
    assert len(registry.versions("moods")) == len(registry.promotions("moods")) == 1


def test_the_data_may_have_moved(run_copy, moods_file, tmp_path):
    spec = json.loads((run_copy / "search.json").read_bytes())
    spec["task"]["data"] = str(tmp_path / "gone.csv")
    (run_copy / "search.json").write_text(json.dumps(spec))
    request = {"run_folder": str(run_copy), "registry": str(tmp_path / "registry")}
    with pytest.raises(DataError, match="does not exist"):
        register_model(**request)
    with pytest.raises(DataError, match=r"not those that the model was trained on\. Give"):
        register_model(**request, data=str(write_moods(tmp_path / "other.csv", 50)))
    assert not (tmp_path / "registry").exists()
    assert register_model(**request, data=str(moods_file))["rows_known"]
    assert not register_model(**request, task_name="b", with_rows=False)["rows_known"]


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("summary.json", None, "cannot be read"),
        ("summary.json", "{", "is not JSON"),
        ("summary.json", '{"best": null}', "has found no model"),
        ("summary.json", '{"best": {"trial": 0}}', "is incomplete"),
        ("model/xautolm.json", None, "cannot be read"),
        ("search.json", None, "holds no search"),
    ],
)
def test_what_is_no_finished_run_is_refused(run_copy, tmp_path, file, content, words):
    if content is None:
        (run_copy / file).unlink()
    else:
        (run_copy / file).write_text(content)
    with pytest.raises(ConfigError, match=words) as caught:
        register_model(run_folder=str(run_copy), registry=str(tmp_path / "registry"))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "registry").exists()


def test_a_registered_model_is_fetched_and_published(tmp_path, monkeypatch):
    registry = ModelRegistry.open(str(tmp_path / "registry"))
    model = registry.register("moods", write_model(tmp_path / "model"), make_record())
    request = {"registry": registry.address, "task_name": "moods"}
    with pytest.raises(ConfigError, match="has no champion"):
        fetch_model(**request, folder=str(tmp_path / "got"))
    registry.promote(model)
    for version in ("", model.version):
        known = fetch_model(**request, folder=str(tmp_path / "got"), version=version)
        assert json.loads(json.dumps(known)) == known
        assert (known["version"], known["joules"]) == (model.version, {"A": 7.0, "B": 15.0})
        assert (tmp_path / "got" / "model.safetensors").is_file()
    (tmp_path / "got" / "thesis.tex").write_text("years of work")
    with pytest.raises(ConfigError, match="more than a model"):
        fetch_model(**request, folder=str(tmp_path / "got"))

    told = []

    class Client:
        def __init__(self, url, *, token):
            told.append((url, token))

        def publish(self, published, *, uri):
            told.append((published.version, uri))
            return PublishedVersion("1", "2", "3")

    monkeypatch.setattr(kubeflow_registry, "KubeflowModelRegistry", Client)
    monkeypatch.setenv("XAUTOLM_MODEL_REGISTRY_TOKEN", "secret")
    ids = publish_model(**request, version=model.version, kubeflow_url="http://h", uri="s3://m")
    assert ids == {"registered_model_id": "1", "model_version_id": "2", "artifact_id": "3"}
    assert told == [("http://h", "secret"), (model.version, "s3://m")]
