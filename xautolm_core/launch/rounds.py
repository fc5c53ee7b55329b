"""Trials that other processes run: their specs are stored, and their results read later.

Implements ``Launcher`` for searches in rounds, where a pipeline runs the trials.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from datetime import datetime
from typing import TYPE_CHECKING

from xautolm_core.launch.contract import TrialHandle
from xautolm_core.objects.bundle_fetch import DamagedBundleError
from xautolm_core.records.attempt import TrialResult
from xautolm_core.records.outcome import Failure
from xautolm_core.records.outcome import Outcome
from xautolm_core.trial.files import belongs_to

if TYPE_CHECKING:
    from pathlib import Path

    from xautolm_core.launch.exchange import TrialExchange
    from xautolm_core.trial.contract import TrialSpec


@dataclass
class _Sent:
    """A stored trial, and whether its round is over."""

    spec: TrialSpec
    round_is_over: bool


class RoundLauncher:
    """Stores trials, and reads available results.

    Args:
        exchange: Carries specs and results.
        round_is_over: Whether the trials of the last round have ended: one without a result had a
            fault of its machine.
    """

    def __init__(self, exchange: TrialExchange, *, round_is_over: bool) -> None:
        self._exchange = exchange
        self._round_is_over = round_is_over
        self._sent: dict[str, _Sent] = {}

    def submit(self, spec: TrialSpec) -> TrialHandle:
        """Store the trial for the process that runs it.

        Raises:
            LaunchError: Its folder cannot be written, or its task or model is missing.
            StoreError: The storage cannot be written.
        """
        return self._watch(_Sent(spec, round_is_over=False), self._exchange.send(spec))

    def poll(self, handle: TrialHandle) -> TrialResult | None:
        """Return the result; None if there is none, and the trial's round is not over."""
        sent = self._sent[handle.native_id]
        try:
            result = self._exchange.result(sent.spec)
        except DamagedBundleError as error:
            return self._exchange.keep(sent.spec, _lost(sent.spec, "DamagedModel", error.problem))
        if result is not None and belongs_to(result, sent.spec):
            return result
        if not sent.round_is_over:
            return None
        return self._exchange.keep(sent.spec, _lost(sent.spec, "NoResult", "it has no result"))

    def wait(self, handles: Sequence[TrialHandle], timeout_seconds: float) -> None:
        """Sleep: other processes run the trials, and send no events."""
        time.sleep(timeout_seconds)

    def cancel(self, handle: TrialHandle, *, grace_seconds: float = 5.0) -> TrialResult:
        """Mark a trial as cancelled, so that it is not run any more."""
        sent = self._sent[handle.native_id]
        return self.poll(handle) or self._exchange.keep(
            sent.spec, _lost(sent.spec, "Cancelled", "taken back", Outcome.CANCELLED)
        )

    def begin_cancel(
        self, handles: Sequence[TrialHandle], *, grace_seconds: float = 5.0, pruned: str = ""
    ) -> None:
        """Do nothing: ``cancel`` takes no time."""

    def adopt(self, spec: TrialSpec) -> TrialHandle | None:
        """Return a handle of a trial that an earlier process stored."""
        return self._watch(_Sent(spec, self._round_is_over), self._exchange.address(spec))

    def discard_checkpoint(self, out_folder: Path) -> None:
        """Delete the checkpoint that a trial has uploaded."""
        self._exchange.discard_checkpoint(out_folder)

    def close(self) -> None:
        """Do nothing: the trials are run by other processes."""
        self._sent.clear()

    def address(self, spec: TrialSpec) -> str:
        """Return the address that ``xautolm trial`` takes."""
        return self._exchange.address(spec)

    def _watch(self, sent: _Sent, address: str) -> TrialHandle:
        self._sent[address] = sent
        return TrialHandle.of(sent.spec, address)


def _lost(
    spec: TrialSpec, kind: str, message: str, outcome: Outcome = Outcome.INFRA
) -> TrialResult:
    return TrialResult(
        search_id=spec.search_id,
        trial_number=spec.trial_number,
        attempt=spec.attempt,
        outcome=outcome,
        failure=Failure(kind=kind, message=message),
        ended_at=datetime.now(UTC),
    )
