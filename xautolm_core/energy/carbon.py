"""Convert joules into CO2e, and into the carbon intensity of software per unit of work."""

from __future__ import annotations

import math
from dataclasses import dataclass

from xautolm_core.energy.intensity import Intensity
from xautolm_core.errors import ConfigError

JOULES_PER_KWH = 3.6e6
WORLD_AVERAGE_PUE = 1.56
"""Average that owners reported to the Uptime Institute in 2024 for their largest data centre;
offered, never assumed."""

_HOURS_PER_YEAR = 8_766.0


@dataclass(frozen=True)
class Hardware:
    """A device with its embodied carbon.

    Attributes:
        grams: CO2e of manufacture, transport and disposal (``TE`` of ISO/IEC 21031).
        lifetime_years: How long it is used.
        share: Part of the device that the work used, in (0, 1].
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
                f" share of {self.share:g} is impossible",
                hint="Give grams of at least 0, a lifetime beyond 0, a share within (0, 1]",
            )


@dataclass(frozen=True)
class Footprint:
    """Carbon of some energy, with everything that it was computed from.

    Attributes:
        joules: Energy of the machines, as metered.
        pue: Power usage effectiveness: energy of the data centre over that of its machines.
        pue_applied: Whether ``pue`` was given; otherwise it is 1 and says nothing.
        location_grams: Operational CO2e by the average of the grid.
        location: That average.
        market_grams: Operational CO2e by contracted energy; None if unknown.
        market: Intensity of contracted energy.
        embodied_grams: Share of the hardware's embodied carbon; None if unknown.
        uncertainty: Relative, of the joules only, as tables do not state theirs.
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
        raise ConfigError(f"{joules:g} J at {grams_per_kwh:g} g/kWh is impossible")
    if not (math.isfinite(pue) and pue >= 1):
        raise ConfigError(
            f"a PUE of {pue:g} is impossible", hint="Give a number of at least 1, such as 1.2"
        )
    return joules / JOULES_PER_KWH * pue * grams_per_kwh


def embodied_grams(hardware: Hardware, seconds: float) -> float:
    """Return embodied carbon in grams: ``M = TE * time / lifetime * share`` (ISO/IEC 21031).

    Args:
        hardware: The device.
        seconds: Time of use; at least 0.

    Raises:
        ConfigError: The time is below 0.
    """
    if not (math.isfinite(seconds) and seconds >= 0):
        raise ConfigError(f"{seconds:g} s is not a time of use")
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
    """Return the carbon of some energy, by both methods of the GHG Protocol.

    Args:
        joules: Energy as metered.
        location: Average intensity of the grid.
        market: Intensity of contracted energy; None if unknown.
        pue: Of the data centre; None if unknown, which the footprint states.
        hardware: For the embodied share.
        seconds: Time for which the hardware was used.
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

    The SCI excludes offsets, so it takes the location-based figure. Without the embodied part there
    is not an SCI.

    Args:
        operational: ``E * I`` in grams.
        embodied: ``M`` in grams; None if unknown.
        functional_units: ``R``: trials, accepted models, thousands of predictions.

    Returns:
        None if a part is unknown or there was no unit of work.

    Raises:
        ConfigError: The number of units is negative.
    """
    if functional_units < 0:
        raise ConfigError(f"{functional_units:g} units of work are impossible")
    if embodied is None or not functional_units:
        return None
    return (operational + embodied) / functional_units
