"""What happens to the image tests where no engine can be had, and what a local base is told."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.servers.docker_base import pip_configuration

REPOSITORY = Path(__file__).parents[2]
TEST = "tests/images/test_contents.py::test_labels"


def _without_an_engine(**variables: str) -> subprocess.CompletedProcess[str]:
    """Run an image test where no program of Docker is found."""
    known = {name: value for name, value in os.environ.items() if "XAUTOLM" not in name}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", TEST],
        cwd=REPOSITORY,
        env={**known, "PATH": "", **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def test_without_an_engine_the_tests_are_skipped() -> None:
    done = _without_an_engine()
    assert done.returncode == 0, done.stdout
    assert "2 skipped" in done.stdout


def test_where_an_engine_has_to_be_there_they_fail() -> None:
    done = _without_an_engine(XAUTOLM_REQUIRE_DOCKER="1")
    assert done.returncode == 1, done.stdout
    assert "2 errors" in done.stdout
    assert "XAUTOLM_REQUIRE_DOCKER is set: run make docker-engine" in done.stdout


def test_a_base_is_told_what_means_something_in_it() -> None:
    settings = {
        "index-url": "https://index.example/simple",
        "extra-index-url": "file:///here/simple https://more.example/simple",
        "find-links": "/here/wheels",
        "constraint": "/here/constraints.txt",
    }
    lines = pip_configuration(settings).splitlines()
    assert "index-url = https://index.example/simple" in lines
    assert "extra-index-url = https://more.example/simple" in lines
    assert not any("here" in line for line in lines)
