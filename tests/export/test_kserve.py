"""The InferenceService: what KServe's Hugging Face runtime needs, and nothing wrong in it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from tests.export.conftest import LANGUAGE_MODEL
from tests.registry.models import make_record
from xautolm_core.errors import ConfigError
from xautolm_core.export.forms import export_model
from xautolm_core.registry.registry import ModelRegistry

URI = "s3://models/topics"


def manifest(place: Path | str, out: Path, **options) -> dict:
    options.setdefault("storage_uri", URI)
    found = export_model(str(place), "kserve", out=out, **options)
    assert found.path == out
    loaded = yaml.safe_load(out.read_text())
    assert isinstance(loaded, dict)
    return loaded


def test_a_service_of_a_run(make_run, tmp_path: Path) -> None:
    run = make_run(LANGUAGE_MODEL)
    found = manifest(run, tmp_path / "a.yaml", service_account="reader", namespace="team-a")
    assert (found["apiVersion"], found["kind"]) == (
        "serving.kserve.io/v1beta1",
        "InferenceService",
    )
    assert found["metadata"]["name"] == "topics"
    assert found["metadata"]["namespace"] == "team-a"
    annotations = found["metadata"]["annotations"]
    assert json.loads(annotations["xautolm.io/labels"]) == ["sport", "money", "space"]
    assert annotations["xautolm.io/trial"] == str(LANGUAGE_MODEL)
    assert all(isinstance(value, str) for value in annotations.values())
    predictor = found["spec"]["predictor"]
    assert predictor["serviceAccountName"] == "reader"
    model = predictor["model"]
    assert model["modelFormat"] == {"name": "huggingface"}
    assert model["storageUri"] == URI
    assert "--max_model_len=48" in model["args"]
    assert "--task=sequence_classification" in model["args"]
    # As measured: 880 MiB at its peak, in steps of 128 MiB.
    assert model["resources"] == {
        "requests": {"cpu": "1", "memory": "896Mi"},
        "limits": {"cpu": "1", "memory": "1408Mi"},
    }


@pytest.mark.parametrize(("lowers", "flag"), [(True, False), (False, True)])
def test_a_cased_tokenizer_stays_cased(models, tmp_path: Path, lowers: bool, flag: bool) -> None:
    folder = tmp_path / "model"
    shutil.copytree(models["bert"], folder)
    file = folder / "tokenizer.json"
    content = json.loads(file.read_text())
    content["normalizer"] = {"type": "BertNormalizer", "lowercase": lowers}
    file.write_text(json.dumps(content))
    found = manifest(folder, tmp_path / "a.yaml")
    assert ("--disable_lower_case" in found["spec"]["predictor"]["model"]["args"]) is flag


def test_a_model_without_a_run_is_estimated_and_says_so(models, tmp_path: Path) -> None:
    found = manifest(models["bert"], tmp_path / "a.yaml", gpus=1)
    resources = found["spec"]["predictor"]["model"]["resources"]
    assert resources["requests"]["memory"] == "2176Mi"
    assert resources["limits"]["nvidia.com/gpu"] == "1"
    assert "estimated" in found["metadata"]["annotations"]["xautolm.io/resources"]


def test_the_promoted_version_is_served_from_where_its_files_are_put(
    models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = ModelRegistry.open(str(tmp_path / "registry"))
    version = registry.register("topics", models["bert"], make_record())
    registry.promote(version)
    found = manifest(registry.address, tmp_path / "a.yaml", task="topics", cpus="2", memory="3Gi")
    annotations = found["metadata"]["annotations"]
    assert annotations["xautolm.io/version"] == version.version
    assert annotations["xautolm.io/resources"] == "as given"
    assert found["spec"]["predictor"]["model"]["resources"]["limits"] == {
        "cpu": "2",
        "memory": "3Gi",
    }


@pytest.mark.s3
def test_the_files_are_written_to_the_storage(
    s3_server, bucket: str, models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in s3_server.environment().items():
        monkeypatch.setenv(name, value)
    uri = f"s3://{bucket}/served"
    manifest(models["bert"], tmp_path / "a.yaml", storage_uri=uri, upload=True)
    stored = s3_server.objects(bucket, "served")
    assert {info.key for info in stored.list()} == {p.name for p in models["bert"].iterdir()}
    assert stored.get("config.json") == (models["bert"] / "config.json").read_bytes()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"storage_uri": None}, "Give --storage-uri URI"),
        ({"storage_uri": "models/topics"}, "no address that KServe downloads from"),
        ({"storage_uri": "ftp://h/x"}, "no address that KServe downloads from"),
        ({"storage_uri": "pvc://claim/x", "upload": True}, "--upload writes to s3:// alone"),
        ({"name": "Topics"}, "--name: 'Topics'"),
        ({"name": "a" * 51}, "--name"),
        ({"namespace": "a_b"}, "--namespace"),
        ({"service_account": "-a"}, "--service-account"),
        ({"memory": "2 GB"}, "--memory"),
        ({"cpus": "two"}, "--cpus"),
    ],
)
def test_bad_input_is_refused_by_name(models, tmp_path: Path, options: dict, said: str) -> None:
    options = {"storage_uri": URI, **options}
    with pytest.raises(ConfigError) as caught:
        export_model(str(models["bert"]), "kserve", out=tmp_path / "a.yaml", **options)
    assert said in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_pairs_are_refused(models, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="answers to pairs"):
        export_model(str(models["pairs"]), "kserve", out=tmp_path / "a.yaml", storage_uri=URI)


def test_kserves_own_types_take_it(
    make_run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kserve = pytest.importorskip("kserve", reason="the SDK of KServe is not installed")
    from kubernetes.client import ApiClient
    from kubernetes.client import models as known

    for name in dir(kserve):
        if name.startswith("V1"):
            monkeypatch.setattr(known, name, getattr(kserve, name), raising=False)
    found = manifest(make_run(LANGUAGE_MODEL), tmp_path / "a.yaml", service_account="reader")
    answer = SimpleNamespace(data=json.dumps(found))
    typed = ApiClient().deserialize(answer, kserve.V1beta1InferenceService)
    told = ApiClient().sanitize_for_serialization(typed)
    del told["spec"]["predictor"]["model"]["name"]  # the SDK's own: an empty one
    # What a type does not know would be lost on the way.
    assert told == found


def test_its_container_is_one_of_kubernetes(make_run, tmp_path: Path) -> None:
    from kubernetes_validate import validate

    found = manifest(make_run(LANGUAGE_MODEL), tmp_path / "a.yaml", service_account="reader")
    model = found["spec"]["predictor"]["model"]
    container = {"name": "c", "image": "i", "args": model["args"], "resources": model["resources"]}
    spec = {"serviceAccountName": "reader", "containers": [container]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": found["metadata"], "spec": spec}
    validate(pod, "1.36", strict=True)
