"""Takes SIGTERM for a while, and gives it back."""

from __future__ import annotations

import contextlib
import signal
from abc import ABC
from abc import abstractmethod
from collections.abc import Callable
from types import FrameType


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
