"""The pipelines for each backend that they are made for, with kfp as old as it is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.running import Call
from tests.pipelines.environments import RELEASES
from tests.pipelines.environments import python_with_kfp
from xautolm_components.conftest import SPACE
from xautolm_components.conftest import write_data
from xautolm_core.experience.open import open_store
from xautolm_core.registry.registry import ModelRegistry
from xautolm_pipelines.backend import VERSIONS
from xautolm_pipelines.compiling import PIPELINES

pytest.importorskip("kfp")

ROOT = Path(__file__).parents[2]
COMPILE = """
import sys
from pathlib import Path
from xautolm_pipelines.backend import backend_of
from xautolm_pipelines.compiling import compile_all
compile_all(Path(sys.argv[1]), backend_of(sys.argv[2], s3_secret="team-s3"))
"""


def run(python: str | Path, *arguments: str | Path, fails: bool = False, **variables: str) -> str:
    given = {k: v for k, v in os.environ.items() if not k.startswith("XAUTOLM_")}
    paths = [ROOT, ROOT / "pipelines", ROOT / "components"]
    given["PYTHONPATH"] = os.pathsep.join(map(str, paths))
    ended = subprocess.run(
        [python, "-W", "ignore", *arguments],
        cwd=ROOT,
        env={**given, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode != 0) is fails, (ended.stdout + ended.stderr)[-5000:]
    return ended.stdout + ended.stderr


def documents(file: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    spec, platform = yaml.safe_load_all(file.read_text())
    spec.pop("sdkVersion")
    return spec, platform


def secret_names(platform: dict[str, Any]) -> list[dict[str, Any]]:
    executors = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    return [s["secretNameParameter"] for one in executors.values() for s in one["secretAsEnv"]]


@pytest.mark.parametrize("version", VERSIONS)
def test_what_is_compiled_for_a_version(call: Call, tmp_path: Path, version: str) -> None:
    out = tmp_path / "out"
    ended = call(
        "pipeline", "compile", "--out", out, "--kfp-version", version, "--s3-secret", "team-s3"
    )
    assert (ended.code, ended.err) == (0, "")
    assert sorted(path.stem for path in out.iterdir()) == sorted(PIPELINES)
    for name in PIPELINES:
        spec, platform = documents(out / f"{name}.yaml")
        inputs = spec["root"]["inputDefinitions"]["parameters"]
        assert all(one.get("description") for one in inputs.values())
        told = secret_names(platform)
        if version == "2.17":
            assert inputs["s3_secret"]["defaultValue"] == "team-s3"
            assert not [one for one in told if "runtimeValue" in one]
            continue
        assert not {"s3_secret", "webhook_secret"} & set(inputs)
        fixed = {one["runtimeValue"]["constant"] for one in told}
        assert fixed == {"team-s3", "xautolm-webhook"}
        # What trial pods get is the same secret.
        tasks = json.dumps(spec)
        assert '"s3_secret": {"runtimeValue": {"constant": "team-s3"}}' in tasks
    contexts = "securityContext" in (out / "xautolm-search.yaml").read_text()
    assert contexts == (version != "2.15")


@pytest.mark.parametrize(
    ("version", "words"),
    [
        ("2.14", "do not compile for Kubeflow Pipelines 2.14"),
        ("2.99", "do not compile for Kubeflow Pipelines 2.99"),
        ("new", "is no version"),
    ],
)
def test_a_version_that_is_not_known(call: Call, tmp_path: Path, version: str, words: str) -> None:
    ended = call("pipeline", "compile", "--out", tmp_path / "out", "--kfp-version", version)
    assert ended.code == 2
    assert words in ended.err
    assert not (tmp_path / "out").exists()


def test_a_version_that_is_newer_than_kfp(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xautolm_pipelines.backend.version", lambda name: "2.15.2")
    ended = call("pipeline", "compile", "--out", tmp_path / "out", "--kfp-version", "2.16.0")
    assert ended.code == 2
    assert "kfp 2.15.2 is installed" in ended.err and "kfp==2.16.*" in ended.err


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("version", VERSIONS)
def test_a_version_compiles_and_its_backend_knows_all_of_it(tmp_path: Path, version: str) -> None:
    python = python_with_kfp(version)
    told = run(python, "-c", "import kfp; print(kfp.__version__)")
    assert told.split()[0] == RELEASES[version]
    run(python, "-c", COMPILE, tmp_path / "own", version)
    run(sys.executable, "-c", COMPILE, tmp_path / "newest", version)
    files = [tmp_path / kind / f"{name}.yaml" for kind in ("own", "newest") for name in PIPELINES]
    run(python, "-m", "tests.pipelines.strictly", *files)
    for name in PIPELINES:
        own, newest = (documents(tmp_path / kind / f"{name}.yaml") for kind in ("own", "newest"))
        assert own == newest


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("version", "pipeline", "stops_at"),
    [
        # All steps but the last: the local runner of old versions does not hand on a final status.
        ("2.15", "xautolm-search", "'dsl.ExitHandler' is not yet support"),
        ("2.16", "xautolm-search", "'dsl.ExitHandler' is not yet support"),
    ],
)
def test_a_version_runs_a_search_locally(
    tmp_path: Path, version: str, pipeline: str, stops_at: str
) -> None:
    python = python_with_kfp(version)
    for name in ("store", "work", "models", "out"):
        (tmp_path / name).mkdir()
    parameters = {
        "task": str(write_data(tmp_path / "moods.csv")),
        "space": SPACE,
        "store": (tmp_path / "store").as_uri(),
        "workspace": (tmp_path / "work").as_uri(),
        "registry": (tmp_path / "models").as_uri(),
        "limits": {"trials": 1.0},
        **({} if "rounds" in pipeline else {"launcher": "local"}),
    }
    (tmp_path / "parameters.json").write_text(json.dumps(parameters))
    log = run(
        python,
        *("-m", "tests.pipelines.run_locally", pipeline),
        *(tmp_path / "parameters.json", tmp_path / "out"),
        fails=bool(stops_at),
        XAUTOLM_CACHE=str(tmp_path / "cache"),
        XAUTOLM_ROUNDS="1",
        XAUTOLM_TRIALS_PER_ROUND="1",
        HF_HUB_OFFLINE="1",
        OMP_NUM_THREADS="1",
    )
    assert stops_at in log.strip().splitlines()[-1]
    assert len(list(open_store(parameters["store"]).scan())) == 1
    assert ModelRegistry.open(parameters["registry"]).champion("moods") is not None
