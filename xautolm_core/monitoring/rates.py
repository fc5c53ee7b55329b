"""Convert energy and GPU time into grams of CO2e and money, by constant factors.

Every step from the exact totals to grams and money is a multiplication by, or a sum of, numbers of
at least 0: rounding keeps their order, so that counters never fall as long as totals do not.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xautolm_core.energy.carbon import Hardware
from xautolm_core.energy.carbon import embodied_grams
from xautolm_core.energy.carbon import operational_grams
from xautolm_core.energy.cost import Prices
from xautolm_core.energy.cost import cost
from xautolm_core.energy.intensity import Intensity
from xautolm_core.errors import ConfigError
from xautolm_core.monitoring.tally import MILLION

if TYPE_CHECKING:
    from xautolm_core.monitoring.tally import Tally


@dataclass(frozen=True)
class Rates:
    """Factors for the whole life of an exporter; None where unknown.

    Attributes:
        location: Average intensity of the grid.
        market: Intensity of contracted energy.
        pue: Power usage effectiveness of the data centre.
        gpu: One GPU, for the embodied share of the time that trials held it.
        prices: Of energy and of GPUs.
    """

    location: Intensity | None = None
    market: Intensity | None = None
    pue: float | None = None
    gpu: Hardware | None = None
    prices: Prices | None = None

    def __post_init__(self) -> None:
        """Check that the factors fit together.

        Raises:
            ConfigError: A factor is out of range, or embodied carbon is given without an intensity.
        """
        operational_grams(0.0, 0.0, self.power_factor)
        if any(one.at is not None for one in self.methods.values()):
            raise ConfigError(
                "a counter of carbon cannot follow an intensity that changes by the hour",
                hint="Give a yearly figure",
            )
        if self.gpu is not None and not self.methods:
            raise ConfigError(
                "embodied carbon needs the carbon intensity of energy as well, which is not given",
                hint="Give --zone or --grams-per-kwh as well",
            )

    @property
    def power_factor(self) -> float:
        """The PUE; 1 if it is not known."""
        return 1.0 if self.pue is None else self.pue

    @property
    def methods(self) -> dict[str, Intensity]:
        """Intensities by method of the GHG Protocol (Scope 2)."""
        known = {"location": self.location, "market": self.market}
        return {method: one for method, one in known.items() if one is not None}

    def carbon_in_words(self) -> str:
        """Return the sources of the carbon factors."""
        words = [
            f"{method}-based {one.grams_per_kwh:g} g/kWh ({one.origin})"
            for method, one in self.methods.items()
        ]
        return "; ".join([*words, "PUE not known" if self.pue is None else f"PUE {self.pue:g}"])


def carbon_grams(tally: Tally, rates: Rates) -> dict[tuple[str, str, str], float]:
    """Return grams of CO2e by tenant, method and scope; tenants without a reading are absent.

    Embodied carbon is the same by either method, and is listed with each.
    """
    found: dict[tuple[str, str, str], float] = {}
    for method, one in rates.methods.items():
        for tenant, joules in _joules(tally).items():
            grams = operational_grams(joules, one.grams_per_kwh, rates.power_factor)
            found[tenant, method, "operational"] = grams
        if rates.gpu is not None:
            for tenant, seconds in _gpu_seconds(tally).items():
                found[tenant, method, "embodied"] = embodied_grams(rates.gpu, seconds)
    return found


def costs(tally: Tally, rates: Rates) -> dict[tuple[str, str], float]:
    """Return cost by tenant and currency; tenants without any priced reading are absent.

    Energy that was not metered adds nothing.
    """
    prices = rates.prices
    if prices is None:
        return {}
    joules = _joules(tally) if prices.per_kwh else {}
    seconds = _gpu_seconds(tally) if prices.per_gpu_hour else {}
    return {
        (tenant, prices.currency): cost(
            joules.get(tenant, 0.0), seconds.get(tenant, 0.0), prices, pue=rates.power_factor
        )
        for tenant in joules.keys() | seconds.keys()
    }


def _joules(tally: Tally) -> dict[str, float]:
    micros: Counter[str] = Counter()
    for label, more in tally.microjoules.items():
        micros[label.tenant] += more
    return {tenant: total / MILLION for tenant, total in micros.items()}


def _gpu_seconds(tally: Tally) -> dict[str, float]:
    micros: Counter[str] = Counter()
    for (tenant, _), more in tally.gpu_micros.items():
        micros[tenant] += more
    return {tenant: total / MILLION for tenant, total in micros.items()}
