"""SIGTERM as the process beside a trial takes it: it breaks off a download, and is passed on."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from types import FrameType

from xautolm_core.trial.sigterm import SigtermHandler


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
