"""Sums over counters and samples of power that survive wraps, faults and odd clocks."""

from __future__ import annotations

import math

from xautolm_core.records import energy as flag

_GAP_PERIODS = 10.0


class CounterSum:
    """Sum of a counter since its first value: ``total``, over ``seconds``.

    An implausible value (lower than before without a known maximum, or higher than any power
    allows) is held back: if the next value continues the old ones, it was a fault and is dropped;
    if it continues the implausible value, the counter was reset; the gap is not counted.

    Args:
        maximum: Value at which the counter wraps to 0, in its unit; None if it never does.
        limit_per_second: Fastest plausible increase; None if unknown.
    """

    def __init__(
        self, *, maximum: float | None = None, limit_per_second: float | None = None
    ) -> None:
        self.total = 0.0
        self.flags: set[str] = set()
        self.seconds = 0.0
        self.last_at: float | None = None
        self._maximum = maximum
        self._limit = limit_per_second
        self._last = 0.0
        self._odd: tuple[float, float] | None = None

    def add(self, now: float, value: float | None) -> float:
        """Add a value; return the increase of the total.

        Args:
            now: Monotonic seconds.
            value: Value of the counter; None if it could not be read.
        """
        if value is None or not math.isfinite(value) or value < 0:
            self.flags.add(flag.DROPPED)
            return 0.0
        if self.last_at is None:
            self.last_at, self._last = now, value
            return 0.0
        if now < self.last_at:
            self.flags.add(flag.CLOCK_BACK)
            self.last_at = now
        seconds = now - self.last_at
        more = self._difference(value, self._last, seconds)
        if more is None:
            return self._hold(now, value)
        if self._odd is not None:
            self.flags.add(flag.DROPPED)
            self._odd = None
        if value < self._last:
            self.flags.add(flag.WRAPPED)
        self._take(now, value, more, seconds)
        return more

    def _hold(self, now: float, value: float) -> float:
        """Keep an implausible value, unless it continues an implausible one before it."""
        if self._odd is not None:
            odd_at, odd = self._odd
            seconds = max(0.0, now - odd_at)
            more = self._difference(value, odd, seconds)
            if more is not None:
                self.flags.add(flag.RESTARTED)
                self._odd = None
                self._take(now, value, more, seconds)
                return more
        self.flags.add(flag.DROPPED)
        self._odd = (now, value)
        return 0.0

    def _difference(self, value: float, before: float, seconds: float) -> float | None:
        more = value - before
        if more < 0 and self._maximum is not None:
            more += self._maximum
        # A clock that was set back gives no time between two values.
        limited = self._limit is not None and seconds > 0
        if more < 0 or (limited and more > (self._limit or 0.0) * (seconds + 1.0)):
            return None
        return more

    def _take(self, now: float, value: float, more: float, seconds: float) -> None:
        self.total += more
        self.seconds += seconds
        self._last, self.last_at = value, now


class PowerIntegral:
    """Energy from samples of power, by the trapezoidal rule: ``total`` joules in ``seconds``.

    Args:
        period_seconds: Expected time between two samples.
    """

    def __init__(self, period_seconds: float) -> None:
        self.total = 0.0
        self.flags: set[str] = set()
        self.seconds = 0.0
        self._period = period_seconds
        self._last: tuple[float, float] | None = None

    def add(self, now: float, watts: float | None) -> float:
        """Add a sample; return the joules since the last one.

        Args:
            now: Monotonic seconds.
            watts: Power; None if it could not be read.
        """
        if watts is None or not math.isfinite(watts) or watts < 0:
            self.flags.add(flag.DROPPED)
            return 0.0
        more = 0.0
        if self._last is not None:
            before, last_watts = self._last
            seconds = now - before
            if seconds < 0:
                self.flags.add(flag.CLOCK_BACK)
            else:
                more = seconds * (watts + last_watts) / 2
                self.seconds += seconds
            if seconds > _GAP_PERIODS * self._period:
                self.flags.add(flag.GAP)
        self._last = (now, watts)
        self.total += more
        return more
