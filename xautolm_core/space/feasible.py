"""Refuses configurations that cannot run on this machine, before they cost anything."""

from __future__ import annotations

from xautolm_core.records.configuration import Configuration
from xautolm_core.space.estimate import CostEstimate

TOLERANCE = 1.3
"""Only an estimate of more than so many times the limit is a refusal: estimates err, too."""

LEAST_SHARE = 0.05
"""A trial may shrink its plan to this share of its steps; below it nothing is learnt."""


def longest_schedule_seconds(seconds_allowed: float | None) -> float | None:
    """Return how long a whole schedule may be estimated, so that a trial can shrink it to fit.

    A trial that meets its deadline hands over what it has: it runs out of time only where not even
    the least part of its schedule fits.

    Args:
        seconds_allowed: For training and evaluation; None without a limit.
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
        configuration: For the words.
    """
    what = f"{configuration.model} with method {configuration.method}"
    for kind, needed, available in (
        ("memory", estimate.host_bytes, host_bytes_available),
        ("GPU memory", estimate.gpu_bytes, gpu_bytes_available),
    ):
        if available is not None and needed > TOLERANCE * available:
            return (
                f"{what} needs about {_gibibytes(needed)} of {kind}, "
                f"{_gibibytes(available)} are there"
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
