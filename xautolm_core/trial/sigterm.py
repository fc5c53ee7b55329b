"""SIGTERM: a trial looks at a flag between two steps; the process beside it passes it on."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from abc import ABC
from abc import abstractmethod
from collections.abc import Callable
from collections.abc import Iterator
from types import FrameType

from xautolm_core.trial.failures import Cancelled

TERMINATED_EXIT_CODE = 128 + signal.SIGTERM


class SigtermHandler(ABC):
    """Handles SIGTERM from ``install`` to ``restore``."""

    def __init__(self) -> None:
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

    @abstractmethod
    def _handle(self, _signal_number: int, _frame: FrameType | None) -> None:
        """Do what SIGTERM asks for, within the signal handler."""


class Terminated(BaseException):
    """SIGTERM arrived in a block that it may break off."""


class Termination(SigtermHandler):
    """Remembers that SIGTERM arrived.

    Attributes:
        asked: Whether it has.
    """

    def __init__(self) -> None:
        super().__init__()
        self.asked = False
        self._breaks_off = False

    @contextlib.contextmanager
    def breaking_off(self) -> Iterator[None]:
        """Let SIGTERM end the block.

        Raises:
            Terminated: It arrived, in the block or before.
        """
        self._breaks_off = True
        try:
            if self.asked:
                raise Terminated
            yield
        finally:
            self._breaks_off = False

    def _handle(self, _signal_number: int, _frame: FrameType | None) -> None:
        self.asked = True
        if self._breaks_off:
            self._breaks_off = False
            raise Terminated


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
