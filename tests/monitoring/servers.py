"""A real Prometheus, its Alertmanager and a webhook's receiver, on loopback.

The packages are Debian's: ``prometheus prometheus-alertmanager``.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from dataclasses import field
from http.server import BaseHTTPRequestHandler
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

_REQUIRED = "XAUTOLM_REQUIRE_PROMETHEUS"
_START_SECONDS = 60.0

PROMETHEUS = shutil.which("prometheus")
PROMTOOL = shutil.which("promtool")
# Debian calls it differently from everybody else.
ALERTMANAGER = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")


def require(*programs: str | None) -> None:
    """Skip the test where a program is missing; where it has to be there, fail."""
    if all(programs):
        return
    reason = "prometheus and prometheus-alertmanager are not installed"
    if os.environ.get(_REQUIRED, "") not in {"", "0"}:
        pytest.fail(f"{reason}, and {_REQUIRED} is set: run make prometheus", pytrace=False)
    pytest.skip(reason)


def free_port() -> int:
    """Return a port that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


@dataclass(frozen=True)
class Prometheus:
    """A server that scrapes once a second."""

    address: str

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the samples of an expression, as of now."""
        query = urllib.parse.urlencode({"query": expression})
        with urllib.request.urlopen(f"{self.address}/api/v1/query?{query}", timeout=30) as answer:
            found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
        return found

    def value(self, expression: str) -> float:
        """Return the one sample of an expression."""
        (sample,) = self.query(expression)
        return float(sample["value"][1])

    def until(self, expression: str, seconds: float = _START_SECONDS) -> list[dict[str, Any]]:
        """Wait until an expression gives something, and return that."""
        deadline = time.monotonic() + seconds
        while not (found := self.query(expression)):
            assert time.monotonic() < deadline, f"{expression} gives nothing"
            time.sleep(0.2)
        return found


@dataclass
class Webhook:
    """Receives what the Alertmanager sends."""

    address: str
    alerts: list[dict[str, Any]] = field(default_factory=list)

    def until(self, name: str) -> dict[str, Any]:
        """Wait for an alert, and return it."""
        deadline = time.monotonic() + _START_SECONDS
        while True:
            for alert in list(self.alerts):
                if alert["labels"]["alertname"] == name:
                    return alert
            assert time.monotonic() < deadline, f"{name} has not arrived"
            time.sleep(0.1)


@contextmanager
def prometheus(
    folder: Path, targets: Sequence[str], rules: Path, alertmanager: str = ""
) -> Iterator[Prometheus]:
    """Run Prometheus.

    Args:
        folder: For its data.
        targets: ``host:port`` of what it scrapes.
        rules: File of rules.
        alertmanager: ``host:port`` of the Alertmanager, if there is one.
    """
    folder.mkdir()
    alerting = {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]}
    configuration = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "scrape_configs": [
            {"job_name": "xautolm-exporter", "static_configs": [{"targets": list(targets)}]}
        ],
        "rule_files": [str(rules)],
        **({"alerting": alerting} if alertmanager else {}),
    }
    # JSON is YAML.
    (folder / "prometheus.yml").write_text(json.dumps(configuration))
    port = free_port()
    assert PROMETHEUS is not None
    arguments = (
        f"--config.file={folder}/prometheus.yml",
        f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=warn",
    )
    with _running([PROMETHEUS, *arguments], f"http://127.0.0.1:{port}"):
        yield Prometheus(f"http://127.0.0.1:{port}")


@contextmanager
def alertmanager(folder: Path, webhook: str) -> Iterator[str]:
    """Run an Alertmanager that sends everything on at once; give its ``host:port``."""
    folder.mkdir()
    configuration = {
        "route": {"receiver": "hook", "group_wait": "0s", "group_interval": "1s"},
        "receivers": [{"name": "hook", "webhook_configs": [{"url": webhook}]}],
    }
    (folder / "alertmanager.yml").write_text(json.dumps(configuration))
    port = free_port()
    assert ALERTMANAGER is not None
    arguments = (
        f"--config.file={folder}/alertmanager.yml",
        f"--storage.path={folder}/data",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
        "--log.level=warn",
    )
    with _running([ALERTMANAGER, *arguments], f"http://127.0.0.1:{port}"):
        yield f"127.0.0.1:{port}"


@contextmanager
def webhook() -> Iterator[Webhook]:
    """Run a receiver of alerts."""
    found = Webhook("")

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.alerts += json.loads(body)["alerts"]
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    found.address = f"http://127.0.0.1:{server.server_port}/"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def _running(command: list[str], address: str) -> Iterator[None]:
    """Run a server until it is done with; it dies with this process."""
    setpriv = shutil.which("setpriv")
    line = [setpriv, "--pdeathsig", "KILL", *command] if setpriv else command
    with subprocess.Popen(line) as process:
        try:
            deadline = time.monotonic() + _START_SECONDS
            while not _answers(f"{address}/-/ready"):
                assert process.poll() is None, f"{command[0]} has ended"
                assert time.monotonic() < deadline, f"{command[0]} does not answer"
                time.sleep(0.1)
            yield
        finally:
            process.kill()


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
