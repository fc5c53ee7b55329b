"""Energy readings: joules with their source, quality class and uncertainty."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any
from typing import Literal

from pydantic import Field

from xautolm_core.records.base import Record

Component = Literal["gpu", "cpu", "dram", "other"]
Quality = Literal["A", "B", "C"]

UNCERTAINTY: dict[Quality, float] = {"A": 0.05, "B": 0.15, "C": 0.40}
"""Relative uncertainty by class. A: vendors' +-5 % of energy counters. B: corrected power samples
(arXiv 2312.02741: a GPU's sensor sees a part of the time only). C: models of load and thermal
design power differ from a meter by up to 40 % (arXiv 2509.22092)."""

ATTRIBUTED = "attributed"
"""A share of a device that others used too: MIG, a shared GPU, a shared processor."""
SHORT_WINDOW = "short_window"
"""The window is too short for the counter's resolution."""
WRAPPED = "wrapped"
"""A counter wrapped around at its known maximum; nothing is lost."""
RESTARTED = "restarted"
"""A counter was reset for an unknown reason; the interval is not counted."""
DROPPED = "dropped"
"""Impossible readings (negative, not a number, beyond any power) were left out."""
CLOCK_BACK = "clock_back"
"""The clock was set back; that interval is not counted."""
GAP = "gap"
"""Power was not sampled for a while and is interpolated."""
LOST = "device_lost"
"""The device was lost; only its energy before is counted."""
INCOMPLETE = "incomplete"
"""Less than nine tenths of the window are covered."""

COVERED_SHARE = 0.9
_WINDOWS_OF_RESOLUTION = 20.0
_LOWER: dict[Quality, Quality] = {"A": "B", "B": "C", "C": "C"}


def _class_uncertainty(known: dict[str, Any]) -> float:
    # Of a quality that is none, validation says so itself.
    return UNCERTAINTY.get(known.get("quality", "C"), UNCERTAINTY["C"])


class EnergyReading(Record):
    """Energy of one component over a window; of a trial, over its training and evaluation.

    Attributes:
        component: The component that used it.
        joules: Idle power included. Energy that cannot be metered has no reading.
        source: Name of the meter: ``nvml``, ``rapl``; of a model with its assumptions:
            ``model:cpu-tdp-280w-128t``.
        quality: A: an energy counter of the hardware. B: sampled, or a share of such a counter.
            C: modelled, or a share of what was sampled.
        uncertainty: Relative, half the width of the interval; 0.05 means +-5 %. By default that
            of the class.
        seconds: Length of the window; None where it is not known.
        idle_joules: The part of ``joules`` that would have been used without any load; None if it
            is not known.
        device: UUID of a GPU; None for other components, and in experiences, which are shared.
        flags: Problems of the reading, in alphabetical order (see the constants of this module).
    """

    component: Component
    joules: float = Field(ge=0, allow_inf_nan=False)
    source: str
    quality: Quality
    uncertainty: float = Field(default_factory=_class_uncertainty, ge=0, allow_inf_nan=False)
    seconds: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    idle_joules: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    device: str | None = None
    flags: tuple[str, ...] = ()

    def without_device(self) -> EnergyReading:
        """Return a copy without the UUID of the GPU, which must not be shared."""
        return self if self.device is None else self.model_copy(update={"device": None})


def make_reading(
    component: Component,
    joules: float,
    *,
    source: str,
    quality: Quality,
    seconds: float,
    resolution_seconds: float = 0.0,
    idle_joules: float | None = None,
    device: str | None = None,
    flags: Iterable[str] = (),
) -> EnergyReading | None:
    """Return a reading with its uncertainty; None if nothing was metered.

    A share of a device that several used is of the next lower class. A counter that is updated
    every ``r`` seconds is off by the energy of up to ``r`` seconds, which adds ``r / seconds`` to
    the relative uncertainty; a window of fewer than 20 ``r`` is flagged.

    Args:
        component: The component that used it.
        joules: Energy. 0 means that the counter did not move: nothing was metered.
        source: What was read, as one word.
        quality: Class of the source for an unshared device.
        seconds: Length of the window.
        resolution_seconds: Seconds between two updates of the counter.
        idle_joules: Idle part, if known.
        device: UUID of a GPU.
        flags: What was in the way.
    """
    if not math.isfinite(joules) or joules <= 0 or seconds <= 0:
        return None
    found = set(flags)
    if seconds < _WINDOWS_OF_RESOLUTION * resolution_seconds:
        found.add(SHORT_WINDOW)
    if ATTRIBUTED in found:
        quality = _LOWER[quality]
    return EnergyReading(
        component=component,
        joules=joules,
        source=source,
        quality=quality,
        uncertainty=min(1.0, UNCERTAINTY[quality] + resolution_seconds / seconds),
        seconds=seconds,
        idle_joules=None if idle_joules is None else min(joules, max(0.0, idle_joules)),
        device=device,
        flags=tuple(sorted(found)),
    )


def total(readings: Iterable[EnergyReading]) -> tuple[float, float] | None:
    """Return joules of all readings and their relative uncertainty; None if there are none.

    Errors of one kind of meter are correlated (a model is wrong for all trials alike), so they are
    added up rather than averaged out: ``sum(u_i * J_i) / sum(J_i)``.

    Args:
        readings: Of one component or of several, of one trial or of many.
    """
    found = list(readings)
    joules = sum(one.joules for one in found)
    if not joules:
        return None
    return joules, sum(one.joules * one.uncertainty for one in found) / joules
