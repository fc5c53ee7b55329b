"""The contract of what a meter reads."""

from __future__ import annotations

from typing import Protocol

from xautolm_core.records.energy import EnergyReading


class Provider(Protocol):
    """One source of energy readings.

    Attributes:
        period_seconds: How often the meter's own thread has to sample it; None if never.
        answers_at_once: Whether it may be sampled by whoever asks for readings, such as a
            heartbeat: procfs and sysfs answer, while a driver or a server may hang.
    """

    period_seconds: float | None
    answers_at_once: bool

    def sample(self, now: float) -> None:
        """Look; the first time begins the window. Raises nothing: what cannot be read is a flag.

        Args:
            now: Monotonic seconds.
        """
        ...

    def readings(self) -> tuple[EnergyReading, ...]:
        """Return what was used between the first and the last sample; empty if nothing is known."""
        ...

    def close(self) -> None:
        """Let go of what is held."""
        ...


def check_provider(provider: Provider) -> Provider:
    """Return a provider that has what a meter asks of it.

    Raises:
        AttributeError: It lacks something.
        ValueError: Something of it is no answer.
    """
    period = provider.period_seconds
    if period is not None and not 0 < period < float("inf"):
        raise ValueError(f"period_seconds is {period!r}, and neither None nor positive")
    if not isinstance(provider.answers_at_once, bool):
        raise ValueError(f"answers_at_once is {provider.answers_at_once!r}, and no bool")
    _ = provider.sample, provider.readings, provider.close
    return provider
