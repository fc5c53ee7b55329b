"""From joules to CO2e, and to a score of software: what is emitted for one unit of work."""

from __future__ import annotations

import math
from dataclasses import dataclass

from xautolm_core.energy.intensity import Intensity
from xautolm_core.errors import ConfigError

JOULES_PER_KWH = 3.6e6
WORLD_AVERAGE_PUE = 1.56
"""What owners told the Uptime Institute in 2024 of their largest data centre, on average; offered,
never assumed."""

_HOURS_PER_YEAR = 8_766.0


@dataclass(frozen=True)
class Hardware:
    """A device and what making it emitted.

    Attributes:
        grams: Of CO2e for making, transport and disposal (``TE`` of ISO/IEC 21031).
        lifetime_years: How long it is used.
        share: The part of it that the work had, in (0, 1].
    """

    grams: float
    lifetime_years: float
    share: float = 1.0

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            ConfigError: One is out of range.
        """
        if not (self.grams >= 0 and self.lifetime_years > 0 and 0 < self.share <= 1):
            raise ConfigError(
                f"Embodied carbon of {self.grams:g} g over {self.lifetime_years:g} years with a"
                f" share of {self.share:g} cannot be",
                hint="Give grams of at least 0, a lifetime beyond 0, a share within (0, 1]",
            )


@dataclass(frozen=True)
class Footprint:
    """What some energy emitted, with everything that it was computed from.

    Attributes:
        joules: Of the machines, as it was read.
        pue: Power usage effectiveness: energy of the data centre over that of its machines.
        pue_applied: Whether ``pue`` was given; otherwise it is 1 and says nothing.
        location_grams: Operational, by the average of the grid.
        location: That average.
        market_grams: Operational, by what was contracted; None if it is not known.
        market: What was contracted.
        embodied_grams: Share of making the hardware; None if nothing is known of it.
        uncertainty: Relative, of the joules alone: tables do not tell theirs.
    """

    joules: float
    pue: float
    pue_applied: bool
    location_grams: float
    location: Intensity
    market_grams: float | None = None
    market: Intensity | None = None
    embodied_grams: float | None = None
    uncertainty: float | None = None


def operational_grams(joules: float, grams_per_kwh: float, pue: float = 1.0) -> float:
    """Return grams of CO2e: ``E * PUE * I`` (GHG Protocol Scope 2; ``O`` of ISO/IEC 21031).

    Args:
        joules: At least 0.
        grams_per_kwh: At least 0.
        pue: At least 1.

    Raises:
        ConfigError: One is out of range.
    """
    if not (math.isfinite(joules) and joules >= 0 and math.isfinite(grams_per_kwh)):
        raise ConfigError(f"{joules:g} J at {grams_per_kwh:g} g/kWh is no carbon")
    if not (math.isfinite(pue) and pue >= 1):
        raise ConfigError(
            f"a PUE of {pue:g} cannot be", hint="Give a number of at least 1, such as 1.2"
        )
    return joules / JOULES_PER_KWH * pue * grams_per_kwh


def embodied_grams(hardware: Hardware, seconds: float) -> float:
    """Return the share of making a device: ``M = TE * time / lifetime * share`` (ISO/IEC 21031).

    Args:
        hardware: The device.
        seconds: How long it was held; at least 0.

    Raises:
        ConfigError: The time is below 0.
    """
    if not (math.isfinite(seconds) and seconds >= 0):
        raise ConfigError(f"{seconds:g} s is no time to hold a device")
    hours = seconds / 3_600
    return hardware.grams * hours / (hardware.lifetime_years * _HOURS_PER_YEAR) * hardware.share


def footprint(
    joules: float,
    *,
    location: Intensity,
    market: Intensity | None = None,
    pue: float | None = None,
    hardware: Hardware | None = None,
    seconds: float = 0.0,
    uncertainty: float | None = None,
) -> Footprint:
    """Return what some energy emitted, by both methods of the GHG Protocol.

    Args:
        joules: As they were read.
        location: Average intensity of the grid.
        market: Intensity of what was contracted; None if unknown.
        pue: Of the data centre; None if unknown, which is told.
        hardware: For the embodied share.
        seconds: How long the hardware was held.
        uncertainty: Relative, of the joules.

    Raises:
        ConfigError: Something is out of range.
    """
    factor = 1.0 if pue is None else pue
    return Footprint(
        joules=joules,
        pue=factor,
        pue_applied=pue is not None,
        location_grams=operational_grams(joules, location.grams_per_kwh, factor),
        location=location,
        market_grams=(
            None if market is None else operational_grams(joules, market.grams_per_kwh, factor)
        ),
        market=market,
        embodied_grams=None if hardware is None else embodied_grams(hardware, seconds),
        uncertainty=uncertainty,
    )


def software_carbon_intensity(
    operational: float, embodied: float | None, functional_units: float
) -> float | None:
    """Return grams of CO2e a functional unit: ``SCI = (E * I + M) / R`` (ISO/IEC 21031:2024).

    Offsets have no place in it, so the location-based figure belongs here. Without the embodied
    part there is no SCI.

    Args:
        operational: ``E * I`` in grams.
        embodied: ``M`` in grams; None if unknown.
        functional_units: ``R``: trials, accepted models, thousands of predictions.

    Returns:
        None if a part is unknown or there was no unit of work.

    Raises:
        ConfigError: There are fewer units than none.
    """
    if functional_units < 0:
        raise ConfigError(f"{functional_units:g} units of work cannot be")
    if embodied is None or not functional_units:
        return None
    return (operational + embodied) / functional_units
