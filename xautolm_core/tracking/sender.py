"""``python -m xautolm_core.tracking.sender`` sends a search to MLflow, beside the search.

A process of its own: whatever the client or the server does, the search neither waits nor fails. It
reads the run folder and nothing else, so that nothing is queued that could be lost. Its input is
one line, the order; the end of the input is the end of the search. Its output is one line, the
report.
"""

from __future__ import annotations

import contextlib
import os
import select
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from pydantic import BaseModel
from pydantic import ConfigDict

from xautolm_core.errors import XautolmError
from xautolm_core.search.contract import SEARCH_FILE
from xautolm_core.tracking.redaction import redacted
from xautolm_core.tracking.settings import TrackingSettings
from xautolm_core.trial.locking import file_lock

MODULE = "xautolm_core.tracking.sender"
LOCK_FILE = ".mlflow.lock"
INTERVAL_SECONDS = 2.0
LONGEST_PAUSE_SECONDS = 60.0
# A server that did not answer just now is not asked once more at the end.
_STILL_AWAY_SECONDS = 5.0
_NICENESS = 10


class SendOrder(BaseModel):
    """What is to be sent.

    Attributes:
        settings: Where to.
        out_folder: The run folder.
        follow: Whether a search runs there; else what is there is sent once.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    settings: TrackingSettings
    out_folder: Path
    follow: bool


class SendReport(BaseModel):
    """What came of it.

    Attributes:
        is_complete: Whether MLflow has all that the run folder had at the end.
        run_id: The search's own run, if it is known.
        experiment_id: Where that is.
        sent: Runs that something was sent for, by all synchronisations.
        runs: Runs of the search.
        model: ``name/version`` of the registered model.
        note: What the user should know.
        problem: What was in the way.
        hint: How to mend it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    is_complete: bool = False
    run_id: str = ""
    experiment_id: str = ""
    sent: int = 0
    runs: int = 0
    model: str = ""
    note: str = ""
    problem: str = ""
    hint: str = ""


class Sender:
    """Synchronises one run folder with MLflow.

    Args:
        order: What is to be sent.
    """

    def __init__(self, order: SendOrder) -> None:
        self._order = order
        self._report = SendReport()
        self._sent_state: tuple[tuple[str, int], ...] | None = None
        self._fault_at: float | None = None

    def follow(self, stream: IO[bytes]) -> SendReport:
        """Send what a search leaves, until its input ends; return what came of it."""
        pause = INTERVAL_SECONDS
        while not _ended(stream, pause):
            state = self._state()
            if state is None or state == self._sent_state:
                continue
            if self.send(running=True).problem:
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
            else:
                self._sent_state, pause = state, INTERVAL_SECONDS
        if self._state() is None:  # the search has not begun
            return SendReport(is_complete=True)
        if self._is_still_away():
            return self._report
        return self.send(running=False)

    def send(self, *, running: bool) -> SendReport:
        """Send what the run folder has and MLflow has not; return what came of it.

        Args:
            running: Whether the search still runs.
        """
        order = self._order
        try:
            from xautolm_core.tracking.seen_search import read_seen
            from xautolm_core.tracking.server import MlflowServer
            from xautolm_core.tracking.sync import synchronise

            with _alone(order.out_folder):
                seen = read_seen(order.out_folder, running=running)
                found = synchronise(
                    MlflowServer(order.settings), seen, parent_run=order.settings.parent_run
                )
        except XautolmError as error:
            return self._failed(error.problem, error.hint)
        except Exception as error:  # noqa: BLE001 - nobody else is there to say it
            return self._failed(f"{type(error).__name__}: {error}", "")
        self._fault_at = None
        self._report = SendReport(
            is_complete=True,
            run_id=found.run_id,
            experiment_id=found.experiment_id,
            sent=self._report.sent + found.sent,
            runs=found.runs,
            model=found.model,
            note=found.note,
        )
        return self._report

    def _failed(self, problem: str, hint: str) -> SendReport:
        self._fault_at = time.monotonic()
        # A client's error may hold the address as the environment names it.
        shown = redacted(problem, os.environ)
        changes = {"is_complete": False, "problem": shown, "hint": hint}
        self._report = self._report.model_copy(update=changes)
        return self._report

    def _is_still_away(self) -> bool:
        fault_at = self._fault_at
        return fault_at is not None and time.monotonic() - fault_at < _STILL_AWAY_SECONDS

    def _state(self) -> tuple[tuple[str, int], ...] | None:
        """Return what tells whether anything has ended since; None before the search begins."""
        folder = self._order.out_folder
        if not (folder / SEARCH_FILE).is_file():
            return None
        results = sorted((folder / "trials").glob("*/result.json"))
        found = []
        for path in results:
            try:
                found.append((path.parent.name, path.stat().st_mtime_ns))
            except OSError:
                continue
        return tuple(found)


@contextmanager
def _alone(out_folder: Path) -> Iterator[None]:
    """Keep two processes from making the same runs; a folder that cannot be written has but one."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            stack.enter_context(file_lock(out_folder / LOCK_FILE))
        yield


def _ended(stream: IO[bytes], seconds: float) -> bool:
    """Wait for the end of a stream, so many seconds at most; return whether it has come."""
    ready, _, _ = select.select([stream], [], [], seconds)
    return bool(ready) and not os.read(stream.fileno(), 1)


def main() -> int:
    """Carry out the order on standard input; return the exit code."""
    # What the client prints must not stand between report and reader.
    output = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    # Unbuffered: what a buffer holds would be invisible to select.
    stream = open(0, "rb", buffering=0, closefd=False)  # noqa: SIM115 - a descriptor
    line = b""
    while not line.endswith(b"\n") and (part := stream.read(1)):
        line += part
    order = SendOrder.model_validate_json(line)
    os.nice(_NICENESS)
    sender = Sender(order)
    report = sender.follow(stream) if order.follow else sender.send(running=False)
    print(report.model_dump_json(), file=output, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
