"""Refuse configurations that cannot run on this machine, before they run."""

from __future__ import annotations

from xautolm_core.records.configuration import Configuration
from xautolm_core.space.estimate import CostEstimate

TOLERANCE = 1.3
"""Factor on a limit above which an estimate is refused, as estimates have errors."""

LEAST_SHARE = 0.05
"""Least share of its steps that a trial may shrink its schedule to."""


def longest_schedule_seconds(seconds_allowed: float | None) -> float | None:
    """Return the longest estimate of a whole schedule that a trial can still shrink to fit.

    A trial that reaches its deadline saves its current model: it runs out of time only where not
    even the least part of its schedule fits.

    Args:
        seconds_allowed: Time for training and evaluation; None without a limit.
    """
    return None if seconds_allowed is None else seconds_allowed / LEAST_SHARE


def infeasibility(
    estimate: CostEstimate,
    *,
    host_bytes_available: int | None,
    gpu_bytes_available: int | None = None,
    seconds_allowed: float | None = None,
    configuration: Configuration,
) -> str | None:
    """Return why a configuration cannot run here, in words, or None if it may.

    Args:
        estimate: Its estimated cost on all training rows.
        host_bytes_available: Host memory that a trial may have; None if unlimited.
        gpu_bytes_available: GPU memory that a trial may have; None without a GPU.
        seconds_allowed: Longest training; None if unlimited.
        configuration: The configuration, for the message.
    """
    what = f"{configuration.model} with method {configuration.method}"
    for kind, needed, available in (
        ("memory", estimate.host_bytes, host_bytes_available),
        ("GPU memory", estimate.gpu_bytes, gpu_bytes_available),
    ):
        if available is not None and needed > TOLERANCE * available:
            return (
                f"{what} needs about {_gibibytes(needed)} of {kind}, "
                f"{_gibibytes(available)} are available"
            )
    if seconds_allowed is not None:
        least = estimate.train_seconds * LEAST_SHARE
        if least > TOLERANCE * seconds_allowed:
            return (
                f"{what} needs about {least:.0f} s for {LEAST_SHARE:.0%} of its steps, "
                f"{seconds_allowed:.0f} s are allowed"
            )
    return None


def _gibibytes(size: int) -> str:
    return f"{size / 2**30:.1f} GiB"
