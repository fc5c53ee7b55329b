"""A search on a cluster, from its request to its result, whatever the cluster is."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from xautolm_core.objects.open import open_objects
from xautolm_core.steps.fingerprint import Fingerprinted
from xautolm_core.steps.fingerprint import fingerprint_task
from xautolm_core.steps.meta_features import extract_meta_features
from xautolm_core.steps.request import read_request


class ClusterSearch:
    """Runs the steps of this process, and the controller as a process of its own.

    Args:
        parameters: Of the fingerprint step.
        folder: Where files go.
    """

    def __init__(self, parameters: dict[str, Any], folder: Path) -> None:
        self.parameters, self.folder = parameters, folder

    @property
    def features(self) -> Path:
        return self.folder / "features.json"

    def begin(self) -> Fingerprinted:
        found = fingerprint_task(self.parameters)
        extract_meta_features(found.measurement, found.fingerprint, str(self.features))
        (self.folder / "request.json").write_text(found.request)
        return found

    def controller(self, name: str) -> subprocess.Popen[bytes]:
        """Start the search step, on a disk of its own."""
        with (self.folder / f"{name}.log").open("wb") as log:
            return subprocess.Popen(
                [
                    *(sys.executable, "-m", "tests.steps.controller"),
                    *(self.folder / "request.json", self.features, self.folder / name),
                ],
                cwd=Path(__file__).parents[2],
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()

    def results(self) -> list[str]:
        """Return the attempts of which the bucket has a result."""
        request = read_request((self.folder / "request.json").read_text())
        keys = [info.key for info in open_objects(request.exchange_address).list("trials/")]
        return sorted(key.split("/")[1] for key in keys if key.endswith("/result.json"))

    def wait_until(self, condition: Callable[[], bool], what: str, seconds: float = 240) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, what
            time.sleep(0.2)
