"""Trials that somebody else runs: written down for them, and looked up afterwards.

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
    """A trial, and whether its round is over."""

    spec: TrialSpec
    round_is_over: bool


class RoundLauncher:
    """Sends trials, and takes results that are there.

    Args:
        exchange: Carries specs and results.
        round_is_over: Nobody runs trials of the last round any more: one without a result has met
            a fault of its machine.
    """

    def __init__(self, exchange: TrialExchange, *, round_is_over: bool) -> None:
        self._exchange = exchange
        self._round_is_over = round_is_over
        self._sent: dict[str, _Sent] = {}

    def submit(self, spec: TrialSpec) -> TrialHandle:
        """Write the trial down for whoever runs it.

        Raises:
            LaunchError: Its folder cannot be written, or its task or model is not there.
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
        return self._exchange.keep(sent.spec, _lost(sent.spec, "NoResult", "it told no result"))

    def wait(self, handles: Sequence[TrialHandle], timeout_seconds: float) -> None:
        """Wait: others run the trials, and this process has nothing to hear of them."""
        time.sleep(timeout_seconds)

    def cancel(self, handle: TrialHandle, *, grace_seconds: float = 5.0) -> TrialResult:
        """Take a trial back; whoever comes to run it finds it over."""
        sent = self._sent[handle.native_id]
        return self.poll(handle) or self._exchange.keep(
            sent.spec, _lost(sent.spec, "Cancelled", "taken back", Outcome.CANCELLED)
        )

    def begin_cancel(
        self, handles: Sequence[TrialHandle], *, grace_seconds: float = 5.0, pruned: str = ""
    ) -> None:
        """Do nothing: taking a trial back needs no time, and nobody watches it as it runs."""

    def adopt(self, spec: TrialSpec) -> TrialHandle | None:
        """Return a handle of a trial that an earlier process wrote down."""
        return self._watch(_Sent(spec, self._round_is_over), self._exchange.address(spec))

    def discard_checkpoint(self, out_folder: Path) -> None:
        """Delete what a trial has sent for its continuation."""
        self._exchange.discard_checkpoint(out_folder)

    def close(self) -> None:
        """Leave the trials to those who run them."""
        self._sent.clear()

    def address(self, spec: TrialSpec) -> str:
        """Return what ``xautolm trial`` takes."""
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
