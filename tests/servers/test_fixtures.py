"""What happens to the S3 tests where no server can be had."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("minio")

REPOSITORY = Path(__file__).parents[2]
TESTS = [
    "tests/objects/test_s3.py::TestS3Objects::test_prefixes_keep_apart",
    "tests/objects/test_s3_faults.py::test_without_patience_there_is_one_attempt",
]


def _without_a_server(**variables: str) -> subprocess.CompletedProcess[str]:
    """Run two S3 tests where no program of a server is found."""
    known = {name: value for name, value in os.environ.items() if "XAUTOLM" not in name}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *TESTS],
        cwd=REPOSITORY,
        env={**known, "PATH": "", **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def test_without_a_server_the_tests_are_skipped() -> None:
    done = _without_a_server()
    assert done.returncode == 0, done.stdout
    assert "2 skipped" in done.stdout


def test_where_a_server_has_to_be_there_they_fail() -> None:
    done = _without_a_server(XAUTOLM_REQUIRE_S3="1")
    assert done.returncode == 1, done.stdout
    assert "2 errors" in done.stdout
    assert "XAUTOLM_REQUIRE_S3 is set: run make s3-server" in done.stdout
