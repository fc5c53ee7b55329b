"""What the tests of the command line share."""

from __future__ import annotations

import pytest

from tests.cli.running import Call


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    """Call the command in this process."""
    return Call(capsys)
