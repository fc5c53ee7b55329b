"""Counts trials in a row that the platform did not let start, to end a search that is of no use."""

from __future__ import annotations

from xautolm_core.errors import LaunchError
from xautolm_core.launch.kubernetes.explain import Waiting
from xautolm_core.records.attempt import TrialResult
from xautolm_core.records.outcome import Failure
from xautolm_core.records.outcome import Outcome


class FaultsInRow:
    """Faults since a trial last got as far as its training.

    Args:
        most: Faults in a row after which no further trial is worth a try.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._faults: list[Failure] = []
        self._said = ""

    def count(self, result: TrialResult, waiting: Waiting | None, *, started: bool) -> None:
        """Take a result.

        Args:
            result: The result.
            waiting: What the trial last waited for.
            started: Whether its container ever ran.
        """
        failure = result.failure
        if failure is not None:
            refused = result.outcome is Outcome.INVALID and failure.kind.startswith("Exit")
            if refused or (result.outcome is Outcome.INFRA and not started):
                self._faults.append(failure)
                self._said = "" if waiting is None else waiting.text
                return
        if result.outcome not in (Outcome.CANCELLED, Outcome.PREEMPTED):
            self._faults.clear()

    def check(self) -> None:
        """Check that a further trial is worth a try.

        Raises:
            LaunchError: Too many did not start; the message names the last reason.
        """
        if len(self._faults) < self._most:
            return
        last = self._faults[-1]
        said = f"; the cluster says: {self._said}" if self._said else ""
        raise LaunchError(
            f"{len(self._faults)} trials in a row could not start; the last: {last.kind}:"
            f" {last.message}{said}",
            hint="Fix the cluster or the settings, then continue the search",
        )
