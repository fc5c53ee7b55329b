"""The contract of a source of energy readings."""

from __future__ import annotations

from typing import Protocol

from xautolm_core.records.energy import EnergyReading


class Provider(Protocol):
    """One source of energy readings.

    Attributes:
        period_seconds: How often the meter's own thread has to sample it; None if never.
        answers_at_once: Whether it may be sampled by the caller of ``readings``, such as a
            heartbeat: procfs and sysfs answer at once, while a driver or a server may hang.
    """

    period_seconds: float | None
    answers_at_once: bool

    def sample(self, now: float) -> None:
        """Take a sample; the first one begins the window. Raise nothing: set a flag instead.

        Args:
            now: Monotonic seconds.
        """
        ...

    def readings(self) -> tuple[EnergyReading, ...]:
        """Return the energy between the first and the last sample; empty if unknown."""
        ...

    def close(self) -> None:
        """Release resources."""
        ...


def check_provider(provider: Provider) -> Provider:
    """Return a provider after a check that it fulfils the contract.

    Raises:
        AttributeError: It lacks an attribute.
        ValueError: An attribute has an invalid value.
    """
    period = provider.period_seconds
    if period is not None and not 0 < period < float("inf"):
        raise ValueError(f"period_seconds is {period!r}, neither None nor positive")
    if not isinstance(provider.answers_at_once, bool):
        raise ValueError(f"answers_at_once is {provider.answers_at_once!r}, not a bool")
    _ = provider.sample, provider.readings, provider.close
    return provider
