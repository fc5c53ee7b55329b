"""Calls the command, in this process or as a real one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from xautolm_core.cli.main import main


@dataclass(frozen=True)
class Ended:
    """How a call ended."""

    code: int
    out: str
    err: str


class Call:
    """Calls the command in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: str | Path) -> Ended:
        self._capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        captured = self._capsys.readouterr()
        return Ended(code, captured.out, captured.err)


def run_process(
    *arguments: str | Path,
    folder: Path,
    environment: Mapping[str, str] | None = None,
    timeout_seconds: float = 120,
) -> Ended:
    """Run the command as a process in a folder that is also its home."""
    done = subprocess.run(
        [sys.executable, "-m", "xautolm_core.cli", *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "HOME": str(folder), "XDG_DATA_HOME": "", **(environment or {})},
        capture_output=True,
        text=True,
        timeout=timeout_seconds,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)
