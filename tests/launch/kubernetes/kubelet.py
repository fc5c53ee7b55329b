"""What runs the containers of a ``FakeApi``: each command is a real process of this machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.launch.kubernetes.fake_api import JOBS
from tests.launch.kubernetes.fake_api import FakeApi


class Kubelet:
    """Starts what Jobs ask for, tells how it ended, and ends what belongs to deleted Jobs.

    Args:
        api: The API server.
        folder: Stands for the pods' disks.
        environment: Variables of all containers, besides those of their manifests.
    """

    def __init__(self, api: FakeApi, folder: Path, environment: dict[str, str]) -> None:
        self.api = api
        self.started: list[str] = []
        self.most_at_once = 0
        self._folder = folder
        self._environment = environment
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._since: dict[str, str] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()
        for process in self._processes.values():
            process.kill()
            process.wait()

    def _run(self) -> None:
        while not self._stop.is_set():
            with self.api.lock:
                jobs = dict(self.api.objects[JOBS])
            for name, job in jobs.items():
                if name not in self._since:
                    self._start(name, job)
            for name, process in list(self._processes.items()):
                if name not in jobs:
                    process.send_signal(signal.SIGTERM)  # a pod gets its grace; so does this
                if process.poll() is not None:
                    del self._processes[name]
                    self._tell_end(name, process.returncode)
            time.sleep(0.05)

    def _start(self, name: str, job: dict[str, Any]) -> None:
        container = job["spec"]["template"]["spec"]["containers"][0]
        command = list(container["command"])
        work = self._folder / name
        work.mkdir(parents=True)
        if "--work" in command:
            command[command.index("--work") + 1] = str(work / "work")
        assert command[0] == "xautolm"
        variables = {v["name"]: v["value"] for v in container["env"]}
        variables.update(HF_HOME=str(work / "hub"), TMPDIR=str(work), HOME=str(work))
        with (work / "log").open("wb") as log:
            self._processes[name] = subprocess.Popen(
                [sys.executable, "-m", "xautolm_core.cli", *command[1:]],
                env={**os.environ, **variables, **self._environment},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self._since[name] = _now()
        self.started.append(name)
        self.most_at_once = max(self.most_at_once, len(self._processes))
        running = {"running": {"startedAt": self._since[name]}}
        self._tell(name, {"pod": 0, "status": _status("Running", running)})

    def _tell_end(self, name: str, code: int) -> None:
        terminated = {
            "reason": "Completed" if code == 0 else "Error",
            "exitCode": code if code >= 0 else 128 - code,
            "startedAt": self._since[name],
            "finishedAt": _now(),
        }
        phase = "Succeeded" if code == 0 else "Failed"
        self.api.logs[f"{name}-0"] = (self._folder / name / "log").read_text(errors="replace")
        self._tell(name, {"pod": 0, "status": _status(phase, {"terminated": terminated})})
        kind = "Complete" if code == 0 else "Failed"
        self._tell(name, {"job": {"conditions": [{"type": kind, "status": "True"}]}})

    def _tell(self, name: str, step: dict[str, Any]) -> None:
        with self.api.lock:
            if name in self.api.objects[JOBS]:
                self.api.play([step], name)


def _status(phase: str, state: dict[str, Any]) -> dict[str, Any]:
    return {"phase": phase, "containerStatuses": [{"name": "trial", "state": state}]}


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
