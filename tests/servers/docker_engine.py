"""A Docker engine: the one that answers here, or a ``dockerd`` that is started for these tests.

The engine of the tests has no bridge and writes no firewall rule: containers have the host's
network or none, and nothing of it is left on the machine but its folder, which keeps images and
build cache for the next run. Sessions that run at once share it; the kernel tells when the last one
is gone.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from typing import IO

START_SECONDS = 60.0
KEPT_BUILD_CACHE = "8gb"

# Starts the engine, waits until no session holds the lock any more, however it ended, and stops it.
_WATCHER = """
users=$1; log=$2; shift 2
"$@" >"$log" 2>&1 & engine=$!
exec 9>>"$users"; flock --exclusive 9
kill $engine; wait $engine
"""

RESTRICTED = (
    "--read-only",
    *("--tmpfs", "/tmp:mode=1777"),
    *("--cap-drop", "ALL"),
    *("--security-opt", "no-new-privileges"),
    *("--user", "1234567:0"),
)
"""A container as a strict cluster runs it: a user id that no image knows, a read-only root."""


@dataclass(frozen=True)
class Engine:
    """A Docker engine that answers.

    Attributes:
        variables: What a client needs in its environment besides its own.
    """

    variables: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a client of this engine."""
        return {**os.environ, **self.variables}

    def docker(
        self, *arguments: str, timeout_seconds: float = 60.0
    ) -> subprocess.CompletedProcess[str]:
        """Run a command of the client; its exit code is for the caller to read."""
        return subprocess.run(
            ["docker", *arguments],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_seconds,
        )

    def run(
        self, image: str, *command: str, options: Sequence[str] = (), timeout_seconds: float = 120.0
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in a new container, which is gone afterwards."""
        name = f"xautolm-test-{uuid.uuid4().hex[:12]}"
        begin = ("run", "--rm", "--name", name)
        try:
            return self.docker(*begin, *options, image, *command, timeout_seconds=timeout_seconds)
        except subprocess.TimeoutExpired:
            self.docker("rm", "--force", name)
            raise

    def answers(self) -> bool:
        """Whether there is an engine at all."""
        try:
            return self.docker("info", timeout_seconds=20).returncode == 0
        except (OSError, subprocess.TimeoutExpired):
            return False

    def has_image(self, name: str) -> bool:
        """Whether the engine has an image."""
        return self.docker("image", "inspect", name).returncode == 0


def cache_folder() -> Path:
    """Return the folder that keeps the engine's images between runs."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = base / "xautolm-tests" / "docker"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


class OwnEngine:
    """The engine of the tests. Needs root, ``dockerd`` and ``flock``."""

    def __init__(self) -> None:
        self.folder = cache_folder()
        self._socket = self.folder / "docker.sock"
        self._using: IO[str] | None = None
        self._watcher: subprocess.Popen[bytes] | None = None
        self.engine = Engine({"DOCKER_HOST": f"unix://{self._socket}"})

    @staticmethod
    def why_not() -> str | None:
        """Return why it cannot be started here; None if it can."""
        missing = [name for name in ("dockerd", "flock") if shutil.which(name) is None]
        if missing:
            return f"{missing[0]} is not installed"
        return None if os.geteuid() == 0 else "no engine answers, and only root can start one"

    def start(self) -> Engine:
        """Start it, or join the other sessions that use it.

        Raises:
            RuntimeError: It does not come up.
        """
        with (self.folder / "starting.lock").open("a") as starting:
            fcntl.flock(starting, fcntl.LOCK_EX)
            # Where another session's engine is being stopped, this waits for its end.
            self._using = (self.folder / "users.lock").open("a")
            fcntl.flock(self._using, fcntl.LOCK_SH)
            if not self.engine.answers():
                self._begin()
        return self.engine

    def stop(self) -> None:
        """Leave it; it ends with the last session that uses it."""
        if self._watcher is not None:
            self.engine.docker("image", "prune", "--force")
            keep = ("--keep-storage", KEPT_BUILD_CACHE)
            self.engine.docker("builder", "prune", "--force", *keep, timeout_seconds=300)
        if self._using is not None:
            self._using.close()
        if self._watcher is not None:
            try:
                self._watcher.wait(30)
            except subprocess.TimeoutExpired:
                print("the Docker engine has other users still", file=sys.stderr)

    def _begin(self) -> None:
        log = self.folder / "dockerd.log"
        for stale in (self._socket, self.folder / "docker.pid"):
            stale.unlink(missing_ok=True)
        command = [
            "dockerd",
            *("--host", f"unix://{self._socket}"),
            *("--data-root", str(self.folder / "data")),
            *("--exec-root", str(self.folder / "exec")),
            *("--pidfile", str(self.folder / "docker.pid")),
            *("--bridge", "none", "--iptables=false", "--ip-forward=false"),
            *("--shutdown-timeout", "5"),
        ]
        users = str(self.folder / "users.lock")
        self._watcher = subprocess.Popen(
            ["sh", "-c", _WATCHER, "sh", users, str(log), *command],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        deadline = time.monotonic() + START_SECONDS
        while not self.engine.answers():
            if time.monotonic() > deadline:
                tail = log.read_text(errors="replace")[-2000:]
                self.stop()
                raise RuntimeError(f"dockerd did not come up: {tail}")
            time.sleep(0.5)
        # Of a session that was killed.
        self.engine.docker("container", "prune", "--force")
