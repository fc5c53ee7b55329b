"""Trials sent through an object storage: real trials, in real processes that are really killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.launch.remote_samples import Run
from tests.servers.fixtures import S3Server
from xautolm_core.launch import processes
from xautolm_core.launch.exchange import TrialExchange
from xautolm_core.objects.folder import FolderObjects
from xautolm_core.records.configuration import Configuration
from xautolm_core.records.outcome import Outcome
from xautolm_core.trial.contract import TrialBudget
from xautolm_core.trial.contract import TrialSpec
from xautolm_core.trial.predict import load_classifier
from xautolm_core.trial.remote_contract import result_key

REPOSITORY = Path(__file__).parents[2]
FOREVER = {"epochs": 100_000, "max_length": 32, "learning_rate": 1e-3}


def training_forever() -> Configuration:
    return Configuration(branch="b", model="tiny", method="full", parameters=FOREVER)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path / "run")


@pytest.fixture
def storage(tmp_path: Path) -> FolderObjects:
    return FolderObjects(tmp_path / "objects")


@pytest.fixture
def exchange(storage: FolderObjects) -> TrialExchange:
    return TrialExchange(storage, str(storage.root))


Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts ``run_remote`` in a process, as a pod's first."""
    started: list[subprocess.Popen[str]] = []

    def begin(address: str, **options: Any) -> subprocess.Popen[str]:
        program = (
            "import sys; from pathlib import Path\n"
            "from xautolm_core.trial.remote import run_remote\n"
            f"sys.exit(run_remote(sys.argv[1], Path(sys.argv[2]), **{options!r}))\n"
        )
        process = subprocess.Popen(
            [sys.executable, "-c", program, address, str(tmp_path / "pod")],
            cwd=REPOSITORY,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        processes.kill_all([process.pid])
        process.communicate()


def wait_for(condition: Callable[[], Any], seconds: float = 90.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def wait_for_steps(exchange: TrialExchange, spec: TrialSpec, steps: int = 5) -> None:
    wait_for(lambda: (exchange.heartbeat(spec) or {}).get("step", 0) >= steps)


def command(address: str, folder: Path, *more: str, **environment: str) -> Any:
    return subprocess.run(
        [sys.executable, "-m", "xautolm_core.cli", "trial", address, "--work", str(folder), *more],
        cwd=REPOSITORY,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )


@pytest.mark.slow
@pytest.mark.parametrize("method", ["tfidf", "linear_probe_tfidf"])
def test_a_cheap_trial_goes_and_comes_back_whole(
    method: str, run: Run, exchange: TrialExchange, tmp_path: Path
) -> None:
    model = None if method == "tfidf" else run.spec(0).model
    parameters = {} if model is None else {"max_length": 32}
    configuration = Configuration(
        branch=method, model=model and model.id, method=method, parameters=parameters
    )
    spec = TrialSpec.model_validate(
        {**dict(run.spec(2)), "configuration": configuration, "model": model}
    )
    done = command(exchange.send(spec), tmp_path / "pod")
    assert done.returncode == 0, done.stderr
    result = exchange.result(spec)
    assert result is not None and result.outcome is Outcome.OK, result
    assert load_classifier(spec.out_folder / "model").predict(["a goal"])


@pytest.mark.slow
def test_a_trial_from_its_launcher_and_back(
    run: Run, exchange: TrialExchange, storage: FolderObjects, tmp_path: Path
) -> None:
    spec = run.spec(2)
    address = exchange.send(spec)
    done = command(address, tmp_path / "pod")
    assert done.returncode == 0, done.stderr
    result = exchange.result(spec)
    assert result is not None and result.outcome is Outcome.OK, result
    assert result.progress.steps > 0 and result.scores["macro_f1"].value > 0
    assert {"download", "train", "evaluate", "save"} <= set(result.seconds)
    from xautolm_core.trial.predict import load_classifier

    assert result.model_folder is not None
    classifier = load_classifier(spec.out_folder / result.model_folder)
    assert len(classifier.predict(["goal match", "bank profit"], None, batch_size=2)) == 2
    # All of it stayed below the work folder, and nothing of the launcher's was touched.
    assert sorted(p.name for p in (tmp_path / "pod").iterdir()) == ["cache", "tasks", "trials"]
    told = storage.get(result_key(spec))
    again = command(address, tmp_path / "another-pod")
    assert (again.returncode, storage.get(result_key(spec))) == (0, told)
    assert "over already" in again.stderr
    assert not (tmp_path / "another-pod").exists()


@pytest.mark.s3
@pytest.mark.slow
def test_a_trial_through_s3(
    run: Run, s3_server: S3Server, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = s3_server.environment()
    endpoint = environment.pop("XAUTOLM_S3_ENDPOINT")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    exchange = TrialExchange.open(f"s3://{bucket}/team/searches/s?endpoint={endpoint}")
    spec = run.spec()
    address = exchange.send(spec)
    assert exchange.send(spec) == address
    assert s3_server.secret_key not in address
    done = command(address, tmp_path / "pod")
    assert done.returncode == 0, done.stderr
    result = exchange.result(spec)
    assert result is not None and result.outcome is Outcome.OK, result
    assert (spec.out_folder / "model" / "config.json").is_file()
    assert exchange.heartbeat(spec) is not None
    assert exchange.restore(tmp_path / "new")
    assert (tmp_path / "new/trials/0000-0/model/config.json").is_file()
    wrong = command(address, tmp_path / "pod", XAUTOLM_S3_SECRET_KEY="wrong")
    assert wrong.returncode == 3
    assert wrong.stderr.startswith("error: ") and wrong.stderr.count("\n") == 1


def test_a_failure_of_the_configuration_is_a_result(
    run: Run, exchange: TrialExchange, tmp_path: Path
) -> None:
    wrong = training_forever().model_copy(update={"parameters": {"epochs": -1}})
    spec = run.spec(configuration=wrong)
    done = command(exchange.send(spec), tmp_path / "pod")
    assert done.returncode == 0, done.stderr
    result = exchange.result(spec)
    assert result is not None and result.outcome is Outcome.INVALID
    assert result.model_folder is None


@pytest.mark.slow
def test_sigterm_is_passed_on(run: Run, exchange: TrialExchange, start: Start) -> None:
    spec = run.spec(configuration=training_forever(), heartbeat_seconds=0.2)
    process = start(exchange.send(spec), heartbeat_seconds=0.2)
    wait_for_steps(exchange, spec)
    process.send_signal(signal.SIGTERM)
    asked = time.monotonic()
    assert process.wait(60) == 0
    assert time.monotonic() - asked < 10
    result = exchange.result(spec)
    assert result is not None and result.outcome is Outcome.CANCELLED
    assert result.progress.steps >= 5
    # It was broken off: the same attempt may be run once more, by a pod that replaces this one.
    again = start(exchange.address(spec), heartbeat_seconds=0.2)
    wait_for(lambda: (exchange.heartbeat(spec) or {}).get("phase") == "download")
    wait_for_steps(exchange, spec)
    assert again.poll() is None


def test_sigterm_breaks_off_a_download(
    run: Run, exchange: TrialExchange, storage: FolderObjects, start: Start, tmp_path: Path
) -> None:
    spec = run.spec()
    address = exchange.send(spec)
    key = next(i.key for i in storage.list("tasks/") if "/parts/" in i.key)
    (storage.root / key).unlink()
    os.mkfifo(storage.root / key)  # a read that never ends
    process = start(address)
    wait_for(lambda: list((tmp_path / "pod" / "tasks").glob(".*/*")))
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
    result = exchange.result(spec)
    assert result is not None and result.outcome is Outcome.CANCELLED
    assert not list((tmp_path / "pod" / "tasks").iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL])
def test_a_trial_that_is_killed_has_a_result(
    run: Run, exchange: TrialExchange, start: Start, number: signal.Signals
) -> None:
    spec = run.spec(configuration=training_forever(), heartbeat_seconds=0.2)
    process = start(exchange.send(spec), heartbeat_seconds=0.2)
    wait_for_steps(exchange, spec)
    [child] = processes.children(process.pid)
    os.kill(child, number)
    assert process.wait(60) == 0
    result = exchange.result(spec)
    assert result is not None and result.outcome is Outcome.INFRA
    assert result.failure is not None and result.failure.kind == number.name
    assert result.progress.steps >= 5 and result.seconds["train"] > 0
    assert {one.component for one in result.energy} >= {"cpu"}


@pytest.mark.slow
def test_the_wall_limit_holds_for_a_trial_that_does_not_answer(
    run: Run, exchange: TrialExchange, start: Start
) -> None:
    spec = run.spec(
        configuration=training_forever(),
        heartbeat_seconds=0.2,
        budget=TrialBudget(wall_limit_seconds=15),
    )
    process = start(exchange.send(spec), heartbeat_seconds=0.2, grace_seconds=0.5)
    wait_for_steps(exchange, spec, 1)
    [child] = processes.children(process.pid)
    os.kill(child, signal.SIGSTOP)
    assert process.wait(90) == 0
    result = exchange.result(spec)
    assert result is not None and result.outcome is Outcome.TIMEOUT
    assert not processes.is_running(child)


def test_a_damaged_task_is_told_on_one_line(
    run: Run, exchange: TrialExchange, storage: FolderObjects, tmp_path: Path
) -> None:
    spec = run.spec()
    address = exchange.send(spec)
    key = next(i.key for i in storage.list("tasks/") if "/parts/" in i.key)
    storage.put(key, storage.get(key)[:-1] + b"?")
    done = command(address, tmp_path / "pod")
    assert done.returncode == 3
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert "digest" in done.stderr and "tasks/" in done.stderr
    assert exchange.result(spec) is None
    assert not list((tmp_path / "pod" / "tasks").iterdir())


def test_what_is_no_trial_is_told_on_one_line(tmp_path: Path) -> None:
    for address, code in (
        ("s3://bucket/prefix", 2),
        ("nonsense", 2),
        (f"{tmp_path}/trials/0000-0/spec.json", 2),
        ("ftp://host/trials/0000-0/spec.json", 2),
    ):
        done = command(address, tmp_path / "pod")
        assert (done.returncode, done.stderr.count("\n")) == (code, 1), done.stderr
        assert done.stderr.startswith("error: ")


def test_a_work_folder_that_cannot_be_written_is_told(
    run: Run, exchange: TrialExchange, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    done = command(exchange.send(run.spec()), tmp_path / "file" / "pod")
    assert done.returncode == 2
    assert "--work" in done.stderr and done.stderr.count("\n") == 1
