"""A small thread that writes the heartbeat, and ends a trial that cannot end itself in time."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from types import TracebackType

from xautolm_core.outcomes import Outcome
from xautolm_core.records.attempt import TrialResult
from xautolm_core.records.failure import Failure
from xautolm_core.trial.contract import HEARTBEAT_FILE
from xautolm_core.trial.contract import RESULT_FILE
from xautolm_core.trial.interruption import TERMINATED_EXIT_CODE
from xautolm_core.trial.interruption import Interruption
from xautolm_core.trial.state import TrialState
from xautolm_core.whole_files import write_json

# SIGTERM is noticed between two steps. A single long call (one huge step, a large file) must not
# make the launcher wait: after this many seconds the thread writes the result and ends the process.
CANCEL_GRACE_SECONDS = 1.5
_LOOK_SECONDS = 0.2


class ResultWriter:
    """Writes the result exactly once, whichever thread comes first."""

    def __init__(self, state: TrialState) -> None:
        self._path = state.spec.out_folder / RESULT_FILE
        self._lock = threading.Lock()
        self._written: TrialResult | None = None

    def write(self, result: TrialResult) -> TrialResult:
        """Write the result, unless there is one already; return the one that stands."""
        with self._lock:
            if self._written is None:
                write_json(self._path, result)
                self._written = result
            return self._written


class Heartbeat:
    """Writes ``heartbeat.json`` while it is entered.

    Every ``spec.heartbeat_seconds``, and right after an evaluation.
    """

    def __init__(self, state: TrialState, interruption: Interruption, writer: ResultWriter) -> None:
        self._state = state
        self._interruption = interruption
        self._writer = writer
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def __enter__(self) -> Heartbeat:
        """Start."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop, with one last heartbeat."""
        self._stop.set()
        self._thread.join(timeout=5)
        self._beat()

    def _run(self) -> None:
        next_beat, told_evaluations = 0.0, 0
        while True:
            now, evaluations = time.monotonic(), len(self._state.evaluations)
            if now >= next_beat or evaluations > told_evaluations:
                self._beat()
                next_beat = now + self._state.spec.heartbeat_seconds
                told_evaluations = evaluations
            if self._stop.wait(min(_LOOK_SECONDS, self._state.spec.heartbeat_seconds)):
                return
            asked_at = self._interruption.asked_at
            if asked_at is not None and time.monotonic() - asked_at > CANCEL_GRACE_SECONDS:
                self._end_process()

    def _beat(self) -> None:
        # A full disk must not end a trial; its result will tell.
        with contextlib.suppress(OSError):
            path = self._state.spec.out_folder / HEARTBEAT_FILE
            write_json(path, self._state.heartbeat(), durable=False)

    def _end_process(self) -> None:
        failure = Failure(kind="Cancelled", message="Ended by SIGTERM within a long operation")
        with contextlib.suppress(OSError):
            self._writer.write(self._state.result(Outcome.CANCELLED, failure))
        os._exit(TERMINATED_EXIT_CODE)
