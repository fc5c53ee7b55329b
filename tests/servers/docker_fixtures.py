"""The Docker engine and the images that tests run against."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import NoReturn

import pytest

from tests.servers.docker_engine import Engine
from tests.servers.docker_images import REPOSITORY
from tests.servers.docker_images import build
from tests.servers.docker_images import make_base
from tests.servers.docker_images import ready_made
from tests.servers.docker_images import running_engine

_REQUIRED = "XAUTOLM_REQUIRE_DOCKER"
_FIXTURES = {"runtime_image", "trial_image"}
_PREPARING = pytest.StashKey[subprocess.Popen[bytes]]()
DURATIONS: list[str] = []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests of images last: the others give the builds time."""
    items.sort(key=lambda item: item.get_closest_marker("docker") is not None)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Begin to build the images that tests of this session need, if other tests run before."""
    needed = [bool(_FIXTURES & set(getattr(item, "fixturenames", ()))) for item in session.items]
    if session.config.option.collectonly or all(needed) or not any(needed):
        return
    session.config.stash[_PREPARING] = subprocess.Popen(
        [sys.executable, "-m", "tests.servers.docker_images"],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def pytest_sessionfinish(session: pytest.Session) -> None:
    """End what prepares the images; closing its input is what it waits for."""
    preparing = session.config.stash.get(_PREPARING, None)
    if preparing is None:
        return
    assert preparing.stdin is not None
    preparing.stdin.close()
    try:
        preparing.wait(60)
    except subprocess.TimeoutExpired:
        preparing.kill()
        preparing.wait()


def _no_engine(reason: str) -> NoReturn:
    """Skip the test; where an engine has to be there, fail."""
    if os.environ.get(_REQUIRED, "") not in {"", "0"}:
        pytest.fail(f"{reason}, and {_REQUIRED} is set: run make docker-engine", pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def docker_engine() -> Iterator[Engine]:
    """The Docker engine that answers here, or one of this session."""
    with contextlib.ExitStack() as stack:
        try:
            engine = stack.enter_context(running_engine())
        except LookupError as error:
            _no_engine(str(error))
        yield engine


@pytest.fixture(scope="session")
def docker_base_image(docker_engine: Engine) -> str:
    """What the images are built from: XAUTOLM_TEST_BASE_IMAGE, or a base made on this machine."""
    try:
        with _timed("base image"):
            return make_base(docker_engine)
    except LookupError as error:
        _no_engine(str(error))


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
    return ready_made(image) is not None


def _image(image: str, request: pytest.FixtureRequest) -> str:
    engine: Engine = request.getfixturevalue("docker_engine")
    if given := ready_made(image):
        return given
    base: str = request.getfixturevalue("docker_base_image")
    try:
        with _timed(f"{image} image"):
            return build(engine, image, base)
    except RuntimeError as error:
        pytest.fail(str(error), pytrace=False)


@contextlib.contextmanager
def _timed(what: str) -> Iterator[None]:
    """Write down how long something took, for whoever watches how long the tests take."""
    since = time.monotonic()
    yield
    DURATIONS.append(f"{what}: {time.monotonic() - since:.0f} s")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show them at the end of the run."""
    if DURATIONS:
        terminalreporter.write_line("Docker, waited for: " + ", ".join(DURATIONS))
