"""An energy meter of somebody else: a plug that says that it passes 100 watts."""

from __future__ import annotations

from xautolm.extending import EnergyReading
from xautolm.extending import MeterInputs
from xautolm.extending import make_reading

WATTS = 100.0


class Plug:
    """Reads the plug."""

    period_seconds = None
    answers_at_once = True

    def __init__(self) -> None:
        self._first: float | None = None
        self._last = 0.0

    def sample(self, now: float) -> None:
        """Note the time."""
        self._first = now if self._first is None else self._first
        self._last = now

    def readings(self) -> tuple[EnergyReading, ...]:
        """Return what passed."""
        seconds = 0.0 if self._first is None else self._last - self._first
        found = make_reading(
            "other", WATTS * seconds, source="acme:plug", quality="B", seconds=seconds
        )
        return () if found is None else (found,)

    def close(self) -> None:
        """Do nothing."""


def plug(inputs: MeterInputs) -> list[Plug]:
    """Return the plug."""
    return [Plug()]
