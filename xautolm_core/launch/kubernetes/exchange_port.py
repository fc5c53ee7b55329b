"""What the launcher needs of whatever carries specs and results between it and the pods."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from typing import Protocol

from xautolm_core.records.attempt import TrialResult
from xautolm_core.trial.contract import TrialSpec


class Exchange(Protocol):
    """Specs go out, heartbeats and results come in. Used by one thread at a time."""

    def send(self, spec: TrialSpec) -> str:
        """Write all that the trial needs to run elsewhere, its local spec file included.

        Returns:
            The address that ``xautolm trial`` takes.
        """
        ...

    def heartbeat(self, spec: TrialSpec) -> Mapping[str, Any] | None:
        """Return what the trial last told; None if nothing yet."""
        ...

    def result(self, spec: TrialSpec) -> TrialResult | None:
        """Return the result of this very attempt, its model fetched; None if there is none."""
        ...

    def keep(self, spec: TrialSpec, result: TrialResult) -> TrialResult:
        """Store what the launcher found, unless the pod told more; return the result that stands.

        A restarted launcher finds the same.
        """
        ...

    def discard_checkpoint(self, out_folder: Path) -> None:
        """Delete what a trial has sent for its continuation; ``out_folder`` is the trial's."""
        ...
