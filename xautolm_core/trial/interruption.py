"""SIGTERM asks a trial to end; the trial looks at the flag between two steps."""

from __future__ import annotations

import os
import signal
import time
from types import FrameType

from xautolm_core.trial.failures import Cancelled
from xautolm_core.trial.sigterm import SigtermHandler

TERMINATED_EXIT_CODE = 128 + signal.SIGTERM


class Interruption(SigtermHandler):
    """The flag that SIGTERM raises.

    Attributes:
        asked_at: ``time.monotonic()`` of the first SIGTERM; None before it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.asked_at: float | None = None

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
