"""The linear baseline, at once for small data and beside the search for large ones."""

from __future__ import annotations

import threading
import time
from dataclasses import asdict
from typing import TYPE_CHECKING

from xautolm_core.search.plan import LARGE_TRAINING_ROWS

if TYPE_CHECKING:
    from xautolm_core.search.contract import BaselineResult
    from xautolm_core.search.setup import SearchSetup


class Baseline:
    """Runs the linear baseline once in a search.

    Small data: before the trials. Large data: after the first trial, in a thread, so that a usable
    model is there first; with one worker no trial is started meanwhile, since the baseline would
    slow it down and time is an objective.

    Args:
        setup: The search.
        enabled: False to leave it out.
    """

    def __init__(self, setup: SearchSetup, *, enabled: bool = True) -> None:
        self._setup = setup
        self._enabled = enabled
        self._thread: threading.Thread | None = None
        self._found: BaselineResult | None = None
        self._error = ""
        self._begin = 0.0
        self._beside_trials = False

    @property
    def is_pending(self) -> bool:
        """Whether it is still to be run."""
        return self._enabled and self._setup.state.baseline is None and not self._error

    @property
    def is_running(self) -> bool:
        """Whether it is running now."""
        return self._thread is not None

    def run_if_small(self) -> None:
        """Run it now if the data are small."""
        if self.is_pending and len(self._setup.task.train) <= LARGE_TRAINING_ROWS:
            self._setup.observer.phase("baseline")
            self._begin = time.monotonic()
            self._run()
            self._keep()

    def start(self) -> None:
        """Start it in a thread if it is still to be run."""
        if self.is_pending and self._thread is None:
            self._setup.observer.phase("baseline", "beside the search")
            self._begin = time.monotonic()
            self._beside_trials = True
            self._thread = threading.Thread(target=self._run, name="baseline", daemon=True)
            self._thread.start()

    def collect(self) -> None:
        """Take its result if it has ended."""
        if self._thread is not None and not self._thread.is_alive():
            self._thread.join()
            self._thread = None
            self._keep()

    def finish(self) -> None:
        """Run it to its end, if that was not done."""
        if not self.is_pending:
            return
        if self._thread is None:
            self._setup.observer.phase("baseline")
            self._begin = time.monotonic()
            self._run()
            self._keep()
            return
        self._charge()  # what is left of it is no longer beside trials
        self._beside_trials = False
        self._thread.join()
        self.collect()

    def _run(self) -> None:
        from xautolm_core.search.baseline import run_linear_baseline

        try:
            self._found = run_linear_baseline(self._setup.task, seed=self._setup.spec.seed)
        except Exception as error:  # noqa: BLE001  a search is worth more than its baseline
            self._error = type(error).__name__

    def _charge(self) -> None:
        """Charge the time since the beginning, which is then not the trials'."""
        now = time.monotonic()
        self._setup.clock.add("baseline", now - self._begin)
        if self._beside_trials:
            self._setup.clock.add("trials", self._begin - now)
        self._begin = now

    def _keep(self) -> None:
        self._charge()
        if self._found is not None:
            self._setup.state.baseline = asdict(self._found)
        else:
            self._setup.note(f"The linear baseline failed ({self._error})", warning=True)
        self._setup.save_state()
