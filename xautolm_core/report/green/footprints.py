"""From joules of a report to grams, litres and money, for all of it and for a unit of work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xautolm_core.energy.carbon import JOULES_PER_KWH
from xautolm_core.energy.carbon import Footprint
from xautolm_core.energy.carbon import footprint
from xautolm_core.energy.carbon import software_carbon_intensity
from xautolm_core.energy.cost import cost
from xautolm_core.report.green.assumptions import Basis
from xautolm_core.report.green.attempts import Attempt
from xautolm_core.report.green.sums import energy_of


@dataclass(frozen=True)
class UnitFigures:
    """What one unit of work took.

    Attributes:
        unit: What it is.
        count: How many there are in the report.
        joules: Of one; None if nothing was read, or there is none.
        operational_grams: Of one, location-based; None if the place is unknown.
        sci_grams: ``((E * I) + M) / R`` of ISO/IEC 21031:2024; None without the embodied part.
    """

    unit: str
    count: int
    joules: float | None
    operational_grams: float | None
    sci_grams: float | None


@dataclass(frozen=True)
class GreenFootprint:
    """What some attempts emitted and cost.

    Attributes:
        carbon: None if nothing was read or the place is unknown.
        water_litres: None likewise, or without WUE.
        cost: None without prices; without readings, only if nothing but time has a price.
        machine_seconds: For which machines were held: what the embodied part is of.
        gpu_seconds: For which GPUs were held.
        units: By functional unit.
    """

    carbon: Footprint | None
    water_litres: float | None
    cost: float | None
    machine_seconds: float
    gpu_seconds: float
    units: Sequence[UnitFigures]


def footprint_of(attempts: Sequence[Attempt], basis: Basis, *, models: int) -> GreenFootprint:
    """Return what attempts emitted and cost.

    Args:
        attempts: All of a report.
        basis: What joules are turned into grams with.
        models: How many searches chose a model.
    """
    energy = energy_of(attempts)
    machine_seconds = sum(attempt.machine_seconds for attempt in attempts)
    gpu_seconds = sum(attempt.gpu_seconds for attempt in attempts)
    pue = basis.pue or 1.0
    carbon = None
    if energy is not None and basis.location is not None:
        carbon = footprint(
            energy.joules,
            location=basis.location,
            market=basis.market,
            pue=basis.pue,
            hardware=basis.embodied,
            seconds=machine_seconds,
            uncertainty=energy.uncertainty,
        )
    kwh = None if energy is None else energy.joules / JOULES_PER_KWH
    wue = basis.wue_litres_per_kwh
    evaluated = sum(attempt.is_evaluated for attempt in attempts)
    joules = None if energy is None else energy.joules
    return GreenFootprint(
        carbon=carbon,
        water_litres=None if kwh is None or wue is None else kwh * wue,
        cost=_cost(joules, gpu_seconds, basis, pue),
        machine_seconds=machine_seconds,
        gpu_seconds=gpu_seconds,
        units=[
            _unit("evaluated pipeline", evaluated, joules, carbon),
            _unit("chosen model", models, joules, carbon),
        ],
    )


def _unit(unit: str, count: int, joules: float | None, carbon: Footprint | None) -> UnitFigures:
    if not count:
        return UnitFigures(unit, 0, None, None, None)
    return UnitFigures(
        unit,
        count,
        None if joules is None else joules / count,
        None if carbon is None else carbon.location_grams / count,
        None
        if carbon is None
        else software_carbon_intensity(carbon.location_grams, carbon.embodied_grams, count),
    )


def _cost(joules: float | None, gpu_seconds: float, basis: Basis, pue: float) -> float | None:
    prices = basis.prices
    if prices is None or (joules is None and prices.per_kwh > 0):
        return None
    return cost(joules or 0.0, gpu_seconds, prices, pue=pue)
