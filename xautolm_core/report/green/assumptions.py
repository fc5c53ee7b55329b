"""The user's figures, with sources, that convert joules into carbon, water and money."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel
from pydantic import ConfigDict
from pydantic import Field
from pydantic import ValidationError

from xautolm_core import yaml_document
from xautolm_core.energy.carbon import Hardware
from xautolm_core.energy.codecarbon_tables import codecarbon_table
from xautolm_core.energy.cost import Prices
from xautolm_core.energy.intensity import LARGEST_GRAMS_PER_KWH
from xautolm_core.energy.intensity import Intensity
from xautolm_core.energy.intensity import IntensityTable
from xautolm_core.energy.intensity import read_intensity_file
from xautolm_core.errors import ConfigError
from xautolm_core.validation import first_problem

_HINT = "See docs/energy.md for the settings of a Green AI report"
_BY_HAND = "given by hand"


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Embodied(_Frozen):
    """Embodied carbon of the machine (``TE`` of ISO/IEC 21031).

    Attributes:
        grams: CO2e of manufacture, transport and disposal.
        lifetime_years: How long it is used.
        share: Part of the machine that searches use while they run.
        source: Source of the figures.
    """

    grams: float = Field(ge=0, allow_inf_nan=False)
    lifetime_years: float = Field(gt=0, allow_inf_nan=False)
    share: float = Field(default=1.0, gt=0, le=1)
    source: str = Field(min_length=1)


class Assumptions(_Frozen):
    """The settings of a report. A setting that is missing is unknown, and the report says so.

    Attributes:
        zone: Zone of the power grid, as the table names it.
        table: CSV or JSON file with intensities; CodeCarbon's yearly averages if None.
        location_grams_per_kwh: Average of the grid, in place of a table.
        market_grams_per_kwh: Intensity of contracted energy, in place of the table's figure.
        intensity_source: Source of figures given by hand.
        pue: Power usage effectiveness of the data centre.
        pue_source: Where that is from.
        wue_litres_per_kwh: Water usage effectiveness of the data centre.
        embodied: Embodied carbon of the machine.
        price_per_kwh: Price of energy.
        price_per_gpu_hour: Price of an hour of a GPU.
        currency: Of the prices.
    """

    zone: str | None = Field(default=None, min_length=1)
    table: Path | None = None
    location_grams_per_kwh: float | None = Field(default=None, ge=0, le=LARGEST_GRAMS_PER_KWH)
    market_grams_per_kwh: float | None = Field(default=None, ge=0, le=LARGEST_GRAMS_PER_KWH)
    intensity_source: str = _BY_HAND
    pue: float | None = Field(default=None, ge=1, le=10)
    pue_source: str = _BY_HAND
    wue_litres_per_kwh: float | None = Field(default=None, ge=0, le=100)
    embodied: Embodied | None = None
    price_per_kwh: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    price_per_gpu_hour: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    currency: str = Field(default="USD", pattern=r"^[A-Z]{3}$")


@dataclass(frozen=True)
class Basis:
    """Assumptions with the figures that were looked up in tables.

    Attributes:
        location: Average intensity of the grid; None if the zone is unknown.
        market: Intensity of contracted energy; None if unknown.
        pue: None if unknown: then 1 is used, and the report says so.
        pue_source: Where that is from.
        wue_litres_per_kwh: None if unknown.
        embodied: None if unknown.
        embodied_source: Where that is from.
        prices: None without any price.
    """

    location: Intensity | None = None
    market: Intensity | None = None
    pue: float | None = None
    pue_source: str = _BY_HAND
    wue_litres_per_kwh: float | None = None
    embodied: Hardware | None = None
    embodied_source: str = ""
    prices: Prices | None = None


def read_assumptions(path: Path) -> Assumptions:
    """Return the settings of a YAML file; a relative path of a table starts at the file's folder.

    Raises:
        ConfigError: There is no such file, or a line is wrong; the message names it.
    """
    try:
        document = yaml_document.read(path)
    except FileNotFoundError:
        raise ConfigError(f"There is no file {path}", hint="Give a YAML file") from None
    if not isinstance(document.data, dict):
        raise ConfigError(f"{path} holds no settings", hint=_HINT)
    try:
        found = Assumptions.model_validate(document.data)
    except ValidationError as error:
        first = first_problem(error)
        raise document.error(first.place, _told(first.kind, first.message), hint=_HINT) from error
    if found.table is None:
        return found
    return found.model_copy(update={"table": path.parent / found.table})


def look_up(assumptions: Assumptions) -> Basis:
    """Look up the figures that the settings refer to.

    Raises:
        ConfigError: A zone is not known, a table cannot be read, or settings contradict each other.
        MissingExtraError: The zone needs CodeCarbon's tables, which are not installed.
    """
    _check(assumptions)
    location, market = _intensities(assumptions)
    embodied = assumptions.embodied
    per_kwh, per_gpu_hour = assumptions.price_per_kwh, assumptions.price_per_gpu_hour
    has_prices = per_kwh is not None or per_gpu_hour is not None
    return Basis(
        location=location,
        market=market,
        pue=assumptions.pue,
        pue_source=assumptions.pue_source,
        wue_litres_per_kwh=assumptions.wue_litres_per_kwh,
        embodied=(
            None
            if embodied is None
            else Hardware(embodied.grams, embodied.lifetime_years, embodied.share)
        ),
        embodied_source="" if embodied is None else embodied.source,
        prices=(
            Prices(per_kwh or 0.0, per_gpu_hour or 0.0, assumptions.currency)
            if has_prices
            else None
        ),
    )


def _check(given: Assumptions) -> None:
    by_hand = given.location_grams_per_kwh is not None
    if by_hand and given.table is not None:
        raise ConfigError(
            "a table and grams per kWh by hand are both given", hint="Give one of them"
        )
    if given.table is not None and given.zone is None:
        raise ConfigError(
            f"{given.table} has many zones, and none is given", hint="Give the zone, such as DEU"
        )
    if given.market_grams_per_kwh is not None and not by_hand and given.zone is None:
        raise ConfigError(
            "a market-based figure is given without a location-based one",
            hint="Give the zone, or the grid's average as well: both are reported",
        )


def _intensities(given: Assumptions) -> tuple[Intensity | None, Intensity | None]:
    zone = (given.zone or "").strip()
    if given.location_grams_per_kwh is not None:
        location: Intensity | None = Intensity(
            zone, given.location_grams_per_kwh, given.intensity_source
        )
        market = None
    elif given.zone is not None:
        table = _table(given.table)
        location, market = table.location(given.zone), table.market(given.zone)
        zone = location.zone
    else:
        return None, None
    if given.market_grams_per_kwh is not None:
        market = Intensity(zone, given.market_grams_per_kwh, given.intensity_source)
    return location, market


def _table(path: Path | None) -> IntensityTable:
    return codecarbon_table() if path is None else read_intensity_file(path)


def _told(kind: str, message: str) -> str:
    return "is not a setting of a report" if kind == "extra_forbidden" else message
