"""The interface that carries specs and results between the launcher and the pods."""

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
        """Return the trial's last heartbeat; None if there is none yet."""
        ...

    def result(self, spec: TrialSpec) -> TrialResult | None:
        """Return the result of this very attempt, its model fetched; None if there is none."""
        ...

    def keep(self, spec: TrialSpec, result: TrialResult) -> TrialResult:
        """Store the launcher's findings, unless the pod reported more; return the valid result.

        A restarted launcher finds the same.
        """
        ...

    def discard_checkpoint(self, out_folder: Path) -> None:
        """Delete what a trial has sent for its continuation; ``out_folder`` is the trial's."""
        ...
