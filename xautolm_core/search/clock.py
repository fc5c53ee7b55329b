"""The time that a search has used, over all its processes, in total and by phase."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator


class Clock:
    """A stopwatch that continues the time of earlier processes.

    Args:
        used_seconds: Used before.
        phase_seconds: Seconds by phase before.
    """

    def __init__(
        self, used_seconds: float = 0.0, phase_seconds: dict[str, float] | None = None
    ) -> None:
        self._used = used_seconds
        self._begin = time.monotonic()
        self.phase_seconds = dict(phase_seconds or {})

    def go_on_from(self, used_seconds: float, phase_seconds: dict[str, float]) -> None:
        """Add the time of earlier processes."""
        self._used += used_seconds
        for name, seconds in phase_seconds.items():
            self.phase_seconds[name] = self.phase_seconds.get(name, 0.0) + seconds

    @property
    def elapsed_seconds(self) -> float:
        """Wall-clock seconds used so far."""
        return self._used + time.monotonic() - self._begin

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Charge the time inside to a phase."""
        begin = time.monotonic()
        try:
            yield
        finally:
            self.add(name, time.monotonic() - begin)

    def add(self, name: str, seconds: float) -> None:
        """Charge seconds to a phase."""
        self.phase_seconds[name] = self.phase_seconds.get(name, 0.0) + seconds
