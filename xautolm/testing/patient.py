"""A launcher whose calls may hang without hanging the test that makes them."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from typing import NamedTuple
from typing import TypeVar

import pytest

from xautolm.extending import Launcher
from xautolm.extending import TrialHandle
from xautolm.extending import TrialResult
from xautolm.extending import TrialSpec

Answer = TypeVar("Answer")


class _Answered(NamedTuple):
    value: Any
    error: BaseException | None


class PatientLauncher:
    """Calls a launcher in a thread of its own, one call at a time, and waits for no call forever.

    All calls are of one thread, as a launcher may count on; that thread ends no process.

    Args:
        launcher: The launcher under test.
        patience_seconds: How long a call may take, beyond the time that it is given.

    Attributes:
        name: Of the launcher, for messages.
        patience_seconds: As given.
    """

    def __init__(self, launcher: Launcher, patience_seconds: float) -> None:
        self.name = type(launcher).__name__
        self.patience_seconds = patience_seconds
        self._launcher = launcher
        self._hangs = ""
        self._calls: queue.SimpleQueue[Callable[[], Any] | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[_Answered] = queue.SimpleQueue()
        threading.Thread(target=self._run, name=f"{self.name} under test", daemon=True).start()

    def submit(self, spec: TrialSpec) -> TrialHandle:
        """Submit a trial."""
        return self._call("submit", lambda: self._launcher.submit(spec))

    def poll(self, handle: TrialHandle) -> TrialResult | None:
        """Return a trial's result, or None while it runs."""
        return self._call("poll", lambda: self._launcher.poll(handle))

    def wait(self, handles: Sequence[TrialHandle], timeout_seconds: float) -> None:
        """Wait until a trial has ended."""
        call = f"wait(..., {timeout_seconds:g})"
        self._call(call, lambda: self._launcher.wait(handles, timeout_seconds), timeout_seconds)

    def cancel(self, handle: TrialHandle, *, grace_seconds: float = 5.0) -> TrialResult:
        """End a trial."""
        return self._call(
            "cancel",
            lambda: self._launcher.cancel(handle, grace_seconds=grace_seconds),
            grace_seconds,
        )

    def begin_cancel(
        self, handles: Sequence[TrialHandle], *, grace_seconds: float = 5.0, pruned: str = ""
    ) -> None:
        """Have trials end, without waiting for them."""
        self._call(
            "begin_cancel",
            lambda: self._launcher.begin_cancel(
                handles, grace_seconds=grace_seconds, pruned=pruned
            ),
        )

    def adopt(self, spec: TrialSpec) -> TrialHandle | None:
        """Return the handle of a trial of an earlier process."""
        return self._call("adopt", lambda: self._launcher.adopt(spec))

    def discard_checkpoint(self, out_folder: Path) -> None:
        """Delete a trial's checkpoint."""
        self._call("discard_checkpoint", lambda: self._launcher.discard_checkpoint(out_folder))

    def close(self) -> None:
        """Close the launcher."""
        self._call("close", self._launcher.close)

    def end(self) -> None:
        """End the thread, unless it hangs."""
        self._calls.put(None)

    def _call(
        self, what: str, function: Callable[[], Answer], given_seconds: float = 0.0
    ) -> Answer:
        if self._hangs:
            pytest.fail(f"{self.name}.{what} was not called: {self._hangs}", pytrace=False)
        limit_seconds = given_seconds + self.patience_seconds
        self._calls.put(function)
        try:
            answered = self._answers.get(timeout=limit_seconds)
        except queue.Empty:
            self._hangs = f"{self.name}.{what} did not return within {limit_seconds:g} s"
            pytest.fail(self._hangs, pytrace=False)
        if answered.error is not None:
            raise answered.error
        value: Answer = answered.value
        return value

    def _run(self) -> None:
        while (function := self._calls.get()) is not None:
            try:
                answer = _Answered(function(), None)
            except BaseException as error:  # noqa: BLE001 - the test gets it, whatever it is
                answer = _Answered(None, error)
            self._answers.put(answer)
