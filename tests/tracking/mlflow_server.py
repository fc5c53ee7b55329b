"""A real MLflow server on SQLite, in an environment of its own: it may be killed and started."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from importlib.metadata import version
from pathlib import Path
from typing import NoReturn

import pytest

_PYTHON = "XAUTOLM_TEST_MLFLOW_PYTHON"
_REQUIRED = "XAUTOLM_REQUIRE_MLFLOW"
_START_SECONDS = 240.0
_INSTALL_SECONDS = 1_200.0


class MlflowProcess:
    """A tracking server with its database and its artifacts in a folder.

    Args:
        python: Interpreter of an environment with MLflow.
        folder: Where it keeps everything.

    Attributes:
        uri: Its address, the same after each start.
    """

    def __init__(self, python: Path, folder: Path) -> None:
        self._python = python
        self._folder = folder
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self.uri = f"http://127.0.0.1:{self._port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        kept = {n: v for n, v in os.environ.items() if not n.startswith(("PYTHON", "MLFLOW"))}
        with (self._folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    self._python,
                    *("-m", "mlflow", "server", "--host", "127.0.0.1", "--workers", "1"),
                    *("--port", str(self._port)),
                    *("--backend-store-uri", f"sqlite:///{self._folder}/mlflow.db"),
                    *("--artifacts-destination", str(self._folder / "artifacts")),
                ],
                env={**kept, "MLFLOW_DISABLE_TELEMETRY": "true"},
                cwd=self._folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        limit = time.monotonic() + _START_SECONDS
        while time.monotonic() < limit:
            with contextlib.suppress(OSError):
                if urllib.request.urlopen(f"{self.uri}/health", timeout=5).status == 200:
                    return
            if self._process.poll() is not None:
                break
            time.sleep(0.1)
        self.kill()
        pytest.fail((self._folder / "server.log").read_text()[-2_000:], pytrace=False)

    def kill(self) -> None:
        """Kill it and all its workers, at once."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None


def server_python() -> Path:
    """Return an interpreter that has MLflow; its environment is made where there is none yet."""
    if os.environ.get(_PYTHON):
        return Path(os.environ[_PYTHON])
    wanted = version("mlflow-skinny")
    place = Path.home() / ".cache" / "xautolm-tests" / f"mlflow-{wanted}"
    python = place / "bin" / "python"
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = place / "installed"
        if not done.exists():
            shutil.rmtree(place, ignore_errors=True)
            try:
                _run(sys.executable, "-m", "venv", place)
                _run(python, "-m", "pip", "install", "--quiet", f"mlflow=={wanted}")
            except (OSError, subprocess.SubprocessError) as error:
                _no_server(f"MLflow cannot be installed for its server ({type(error).__name__})")
            done.touch()
    return python


def _run(*command: str | Path) -> None:
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run(command, env=kept, check=True, timeout=_INSTALL_SECONDS, capture_output=True)


def _no_server(reason: str) -> NoReturn:
    if os.environ.get(_REQUIRED, "") not in {"", "0"}:
        pytest.fail(f"{reason}, and {_REQUIRED} is set", pytrace=False)
    pytest.skip(reason)
