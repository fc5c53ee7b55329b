"""SIGTERM asks a trial to end; the trial looks at the flag between two steps."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable
from types import FrameType

from xautolm_core.trial.failures import Cancelled

TERMINATED_EXIT_CODE = 128 + signal.SIGTERM


class Interruption:
    """The flag that SIGTERM raises.

    Attributes:
        asked_at: ``time.monotonic()`` of the first SIGTERM; None before it.
    """

    def __init__(self) -> None:
        self.asked_at: float | None = None
        self._before: signal.Handlers | int | Callable[[int, FrameType | None], object] | None = (
            signal.SIG_DFL
        )

    def install(self) -> None:
        """Handle SIGTERM from now on; only the main thread may, elsewhere nothing happens."""
        with contextlib.suppress(ValueError):
            self._before = signal.signal(signal.SIGTERM, self._handle)

    def restore(self) -> None:
        """Handle SIGTERM as before."""
        with contextlib.suppress(ValueError):
            signal.signal(signal.SIGTERM, self._before)

    def check(self) -> None:
        """Raise if the trial was asked to end.

        Raises:
            Cancelled: SIGTERM has arrived.
        """
        if self.asked_at is not None:
            raise Cancelled("Ended by SIGTERM")

    def _handle(self, _signal_number: int, _frame: FrameType | None) -> None:
        if self.asked_at is not None:
            os._exit(TERMINATED_EXIT_CODE)
        self.asked_at = time.monotonic()
