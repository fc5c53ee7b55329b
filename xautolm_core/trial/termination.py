"""SIGTERM as the process beside a trial takes it: it breaks off a download, and is passed on."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable
from collections.abc import Iterator
from types import FrameType


class Terminated(BaseException):
    """SIGTERM arrived in a block that it may break off."""


class Termination:
    """Remembers that SIGTERM arrived.

    Attributes:
        asked: Whether it has.
    """

    def __init__(self) -> None:
        self.asked = False
        self._breaks_off = False
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
