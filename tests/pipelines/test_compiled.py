from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
COMPILED = ROOT / "pipelines" / "xautolm_pipelines" / "compiled"
NAMES = ("xautolm-search", "xautolm-search-rounds", "xautolm-retrain")


def compiled_again(folder: Path, **variables: str) -> dict[str, bytes]:
    script = (
        "from pathlib import Path; from xautolm_pipelines.compiling import compile_all; "
        f"compile_all(Path({str(folder)!r}))"
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith("XAUTOLM_")}
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        cwd=ROOT,
        env={**environment, **variables},
        check=True,
    )
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def documents(name: str) -> list[dict]:
    return list(yaml.safe_load_all((COMPILED / f"{name}.yaml").read_text()))


def test_make_compile_gives_what_is_checked_in(tmp_path):
    kept = {file.name: file.read_bytes() for file in COMPILED.glob("*.yaml")}
    assert sorted(kept) == sorted(f"{name}.yaml" for name in NAMES)
    # Another seed of hashes: nothing may depend on the order of a set.
    assert compiled_again(tmp_path / "a", PYTHONHASHSEED="1") == kept


def test_images_are_parameters_of_the_compilation(tmp_path):
    pinned = f"registry.example/runtime@sha256:{'0' * 64}"
    found = compiled_again(tmp_path, XAUTOLM_IMAGE_RUNTIME=pinned, XAUTOLM_IMAGE_TRIAL="trial:1")
    images = {
        executor["container"]["image"]
        for text in found.values()
        for document in yaml.safe_load_all(text)
        for executor in document.get("deploymentSpec", {}).get("executors", {}).values()
    }
    assert images == {pinned, "trial:1"}


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_installed_when_a_step_starts(name):
    text = (COMPILED / f"{name}.yaml").read_text()
    assert "pip install" not in text
    assert ":latest" not in text


@pytest.mark.parametrize("name", NAMES)
def test_only_meta_features_are_cached(name):
    pipeline = documents(name)[0]
    dags = [pipeline["root"], *(c for c in pipeline["components"].values() if "dag" in c)]
    cached = {
        task_name
        for dag in dags
        for task_name, task in dag.get("dag", {}).get("tasks", {}).items()
        if "executorLabel" in pipeline["components"].get(task["componentRef"]["name"], {})
        and task.get("cachingOptions", {}).get("enableCache")
    }
    assert cached == {"extract-meta-features"}


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_says_what_it_is(name):
    inputs = documents(name)[0]["root"]["inputDefinitions"]["parameters"]
    assert all(fields.get("description") for fields in inputs.values())
    assert not [p for p in inputs if re.search(r"password|token|access_key|webhook_url", p)]


@pytest.mark.parametrize("name", NAMES)
def test_every_step_runs_without_root_and_takes_its_keys_from_a_secret(name):
    platform = documents(name)[1]["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    pipeline = documents(name)[0]["deploymentSpec"]["executors"]
    assert set(platform) == set(pipeline)
    for executor in platform.values():
        assert executor["securityContext"]["runAsNonRoot"] is True
        variables = {
            pair["envVar"] for secret in executor["secretAsEnv"] for pair in secret["keyToEnv"]
        }
        assert {"XAUTOLM_S3_ACCESS_KEY", "XAUTOLM_S3_SECRET_KEY"} <= variables


@pytest.mark.parametrize("name", ["xautolm-search", "xautolm-retrain"])
def test_the_end_is_told_whatever_it_is(name):
    tasks = documents(name)[0]["root"]["dag"]["tasks"]
    assert tasks["notify"]["triggerPolicy"] == {"strategy": "ALL_UPSTREAM_TASKS_COMPLETED"}


def test_the_rounds_tell_their_end_as_the_last_step():
    tasks = documents("xautolm-search-rounds")[0]["root"]["dag"]["tasks"]
    assert tasks["notify-last"]["triggerPolicy"]["strategy"] == "ALL_UPSTREAM_TASKS_COMPLETED"
