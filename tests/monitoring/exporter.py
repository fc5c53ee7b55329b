"""The exporter as a process."""

from __future__ import annotations

import os
import re
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

START_SECONDS = 60.0
Samples = dict[str, dict[tuple[tuple[str, str], ...], float]]


@dataclass
class Exporter:
    """An exporter that answers.

    Attributes:
        process: It.
        address: ``http(s)://host:port``.
        context: To check its certificate with.
    """

    process: subprocess.Popen[str]
    address: str
    context: ssl.SSLContext | None = None

    @property
    def target(self) -> str:
        """What Prometheus calls it."""
        return self.address.partition("://")[2]

    def get(self, path: str, **headers: str) -> tuple[int, str, Mapping[str, str]]:
        """Return status, body and headers of an answer."""
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(self.address + path, headers=names)
        try:
            with urllib.request.urlopen(request, timeout=60, context=self.context) as answer:
                return answer.status, answer.read().decode(), dict(answer.headers)
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode(), dict(error.headers)

    def samples(self) -> Samples:
        """Return what a scrape tells: name to labels to value."""
        status, text, _ = self.get("/metrics")
        assert status == 200
        return samples_of(text_string_to_metric_families(text))

    def refreshed(self) -> Samples:
        """Return what a scrape tells once the store was read anew, from now on."""
        begin, deadline = time.time(), time.monotonic() + START_SECONDS
        name = "xautolm_exporter_last_refresh_timestamp_seconds"
        # The reading that is under way may have begun before: the one after it has not.
        readings: set[float] = set()
        while len(readings) < 2:
            assert time.monotonic() < deadline, "the store is not read"
            found = self.samples()
            readings |= {value for value in found.get(name, {}).values() if value > begin}
            time.sleep(0.05)
        return found

    def stop(self) -> int:
        """End it by SIGTERM, and return its exit code."""
        self.process.terminate()
        return self.process.wait(20)


def samples_of(families: Iterator[Metric]) -> Samples:
    """Return families as plain numbers."""
    found: Samples = {}
    for family in families:
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
    return found


def command(*arguments: str) -> list[str]:
    """Return the command line of ``xautolm``."""
    return [sys.executable, "-m", "xautolm_core.cli", *arguments]


@contextmanager
def exporter(
    store: Path | str,
    *arguments: str,
    ready: bool = True,
    context: ssl.SSLContext | None = None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Exporter]:
    """Run an exporter at a free port, and end it.

    Args:
        store: The store.
        *arguments: Further ones.
        ready: Wait until it has totals.
        context: To check its certificate with.
        environment: Further variables.
    """
    line = command(
        *("exporter", "--store", str(store), "--listen", "127.0.0.1:0", "--interval", "0.2s"),
        *arguments,
    )
    process = subprocess.Popen(
        line, stderr=subprocess.PIPE, text=True, env=os.environ | dict(environment or {})
    )
    try:
        assert process.stderr is not None
        first = process.stderr.readline()
        match = re.search(r"(https?://\S+)/metrics", first)
        assert match is not None, first
        found = Exporter(process, match[1], context)
        deadline = time.monotonic() + START_SECONDS
        while ready and found.get("/readyz")[0] != 200:
            assert time.monotonic() < deadline, found.get("/readyz")
            time.sleep(0.05)
        yield found
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        process.stderr.close()
