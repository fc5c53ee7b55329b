"""Bounds how often something is done, on average, and lets short bursts through."""

from __future__ import annotations

import threading
import time


class Pace:
    """A bucket of permits that fills at a constant rate. Safe to use from many threads.

    Args:
        per_second: Permits a second; the average that is never exceeded over a long time.
        burst: Permits that may be saved up.
        stop: Set it to end all waiting.
    """

    def __init__(self, per_second: float, burst: int, stop: threading.Event) -> None:
        self._per_second = per_second
        self._burst = float(burst)
        self._stop = stop
        self._lock = threading.Lock()
        self._permits = float(burst)
        self._counted_at = time.monotonic()

    def take(self, *, may_wait: bool = True) -> None:
        """Take a permit; wait for it, or owe it and go on.

        Args:
            may_wait: Whether to wait. What is owed is waited for by whoever comes next.
        """
        with self._lock:
            now = time.monotonic()
            gained = (now - self._counted_at) * self._per_second
            self._permits = min(self._burst, self._permits + gained) - 1.0
            self._counted_at = now
            wait_seconds = -self._permits / self._per_second
        if may_wait and wait_seconds > 0:
            self._stop.wait(wait_seconds)
