"""Options that name a grid, a data centre, hardware and prices: what energy emits and costs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Annotated

import typer

if TYPE_CHECKING:
    from xautolm_core.energy.carbon import Hardware
    from xautolm_core.energy.cost import Prices
    from xautolm_core.energy.intensity import Intensity

PANEL = "Carbon and money"

ZONE_OPTION = Annotated[
    str | None,
    typer.Option(
        metavar="ZONE",
        help="Whose grid the energy is from, such as DEU: a zone of --intensity-table.",
        rich_help_panel=PANEL,
    ),
]
TABLE_OPTION = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="Table of grams of CO2e a kWh by zone, CSV or JSON (default: CodeCarbon's yearly "
        "averages).",
        rich_help_panel=PANEL,
    ),
]
INTENSITY_OPTION = Annotated[
    float | None,
    typer.Option(
        metavar="GRAMS",
        help="Grams of CO2e a kWh of the grid, instead of a zone (location-based).",
        rich_help_panel=PANEL,
    ),
]
PUE_OPTION = Annotated[
    float | None,
    typer.Option(
        metavar="RATIO",
        help="Energy of the data centre over that of its machines (PUE), such as 1.2.",
        rich_help_panel=PANEL,
    ),
]

_EMBODIED = re.compile(r"(\d+(?:\.\d+)?)\s*(kg|g)(?:CO2e)?\s*/\s*(\d+(?:\.\d+)?)\s*y")
_GRAMS = {"g": 1.0, "kg": 1e3}
_TRIAL_HOURS = "price_per_trial_hour"


@dataclass(frozen=True)
class ZoneOptions:
    """The options that tell an intensity, as they were given.

    Attributes:
        zone: Code or name.
        table: File with the zone's figures.
        grams_per_kwh: The location-based figure itself.
        market_grams_per_kwh: The market-based one.
    """

    zone: str | None = None
    table: str | None = None
    grams_per_kwh: float | None = None
    market_grams_per_kwh: float | None = None


def intensities(given: ZoneOptions) -> tuple[Intensity | None, Intensity | None]:
    """Return the location-based and the market-based intensity; None where it is not known.

    Raises:
        ConfigError: Options contradict each other, or a table does not know the zone.
        MissingExtraError: A zone without a table, and CodeCarbon is not installed.
    """
    from xautolm_core.energy.codecarbon_tables import codecarbon_table
    from xautolm_core.energy.intensity import given_intensity
    from xautolm_core.energy.intensity import read_intensity_file

    _check(given)
    location = market = None
    if given.zone is not None:
        file = given.table
        table = codecarbon_table() if file is None else read_intensity_file(Path(file))
        location, market = table.location(given.zone), table.market(given.zone)
    if given.grams_per_kwh is not None:
        location = given_intensity(given.grams_per_kwh, "--intensity")
    if given.market_grams_per_kwh is not None:
        market = given_intensity(given.market_grams_per_kwh, "--market-intensity")
    return location, market


def parse_embodied(text: str) -> Hardware:
    """Return what making a device emitted and how long it lasts, from such as ``164kg/5y``.

    Raises:
        ConfigError: It tells neither.
    """
    from xautolm_core.energy.carbon import Hardware
    from xautolm_core.errors import ConfigError

    match = _EMBODIED.fullmatch(text.strip())
    if match is None:
        raise ConfigError(
            f"--gpu-embodied: '{text}' is no carbon over years", hint="Write for example 164kg/5y"
        )
    return Hardware(grams=float(match[1]) * _GRAMS[match[2]], lifetime_years=float(match[3]))


def parse_prices(texts: Sequence[str]) -> Prices | None:
    """Return prices of energy and of GPUs; None if none is given.

    Raises:
        ConfigError: One is no price of these, or all are 0.
    """
    from xautolm_core.cli.budgets import PRICE_OPTION
    from xautolm_core.cli.budgets import one_currency
    from xautolm_core.cli.budgets import parse_price
    from xautolm_core.energy.cost import Prices
    from xautolm_core.errors import ConfigError

    found = [parse_price(text) for text in texts]
    currency = one_currency([currency for _, _, currency in found])
    if currency is None:
        return None
    amounts = {field: amount for field, amount, _ in found}
    if _TRIAL_HOURS in amounts:
        raise ConfigError(
            f"{PRICE_OPTION}: hours of trials are not counted here, only GPU hours and kWh",
            hint="Write for example 2.5EUR/gpuh or 0.3EUR/kWh",
        )
    if not any(amounts.values()):
        raise ConfigError(f"{PRICE_OPTION}: all prices are 0", hint="Leave it out, or give one")
    return Prices(
        per_kwh=amounts.get("price_per_kwh", 0.0),
        per_gpu_hour=amounts.get("price_per_gpu_hour", 0.0),
        currency=currency,
    )


def _check(given: ZoneOptions) -> None:
    from xautolm_core.errors import ConfigError

    if given.zone is not None and given.grams_per_kwh is not None:
        raise ConfigError("--zone and --intensity both tell one thing", hint="Give one of them")
    if given.table is None:
        return
    if given.zone is None:
        raise ConfigError("--intensity-table needs a zone", hint="Give --zone, such as DEU")
    if "://" in given.table:
        raise ConfigError(
            f"--intensity-table: {given.table} is no file; the figure of a feed changes by the"
            " hour, and what is counted by it would fall",
            hint="Give a CSV or JSON file with yearly figures",
        )
