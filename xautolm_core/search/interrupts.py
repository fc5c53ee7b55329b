"""Ctrl-C and SIGTERM: the first one finishes a search cleanly, the second one at once."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from types import TracebackType
from typing import Any


class Interrupts:
    """Counts interrupts within its context (in the main thread; elsewhere it does nothing).

    Before ``graceful`` is set an interrupt raises ``KeyboardInterrupt`` at once, as there is
    nothing to finish yet.

    Attributes:
        count: Interrupts so far.
        graceful: Whether they are only counted.
    """

    def __init__(self) -> None:
        self.count = 0
        self.graceful = False
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interrupts:
        """Install the handlers."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Restore the earlier handlers."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous.clear()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.count += 1
        if not self.graceful:
            raise KeyboardInterrupt
