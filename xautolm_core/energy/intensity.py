"""Carbon intensity of grids: tables by zone, each with its name and year."""

from __future__ import annotations

import csv
import difflib
import io
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from xautolm_core.errors import ConfigError

LARGEST_GRAMS_PER_KWH = 2_000.0
"""Upper bound of a grid: the dirtiest lignite plants emit about 1,300 g CO2e per kWh."""

_COLUMNS = ("zone", "name", "year", "location", "market")
_HINT = "Write a CSV file with the columns zone,year,location and, if known, name,market"


@dataclass(frozen=True)
class Intensity:
    """The carbon intensity of a zone.

    Attributes:
        zone: Code of the zone, such as ``DEU``.
        grams_per_kwh: Grams of CO2e per kWh.
        table: Name of the source.
        year: Year of the figure; None if unknown.
        at: Hour of a feed's figure (UTC); None for a yearly one.
        is_stale: Whether a newer figure is due and could not be fetched.
    """

    zone: str
    grams_per_kwh: float
    table: str
    year: int | None = None
    at: datetime | None = None
    is_stale: bool = False

    @property
    def origin(self) -> str:
        """Table, zone and year, as far as they are known."""
        return " ".join(str(word) for word in (self.table, self.zone, self.year) if word)


@dataclass(frozen=True)
class ZoneFigures:
    """A zone's row of a table: grams of CO2e per kWh.

    Attributes:
        name: Name of the zone for people.
        year: Of the figures; None if unknown.
        location: Average of the grid (GHG Protocol Scope 2, location-based).
        market: Of contracted energy, or the residual mix (market-based); None if unknown. It is
            never copied from ``location``, which would hide that it is unknown.
    """

    name: str
    year: int | None
    location: float
    market: float | None = None


class IntensityTable:
    """Zones and their figures.

    Args:
        name: Of the table, with its version or file.
        zones: Zone code to its figures.
    """

    def __init__(self, name: str, zones: Mapping[str, ZoneFigures]) -> None:
        self.name = name
        self._zones = {code.upper(): figures for code, figures in zones.items()}

    def __len__(self) -> int:
        """Return the number of zones."""
        return len(self._zones)

    def location(self, zone: str) -> Intensity:
        """Return the location-based intensity of a zone.

        Raises:
            ConfigError: The table does not know the zone.
        """
        code, figures = self._find(zone)
        return Intensity(code, figures.location, self.name, figures.year)

    def market(self, zone: str) -> Intensity | None:
        """Return the market-based intensity of a zone; None if the table has none.

        Raises:
            ConfigError: The table does not know the zone.
        """
        code, figures = self._find(zone)
        if figures.market is None:
            return None
        return Intensity(code, figures.market, self.name, figures.year)

    def _find(self, zone: str) -> tuple[str, ZoneFigures]:
        wanted = zone.strip()
        if (figures := self._zones.get(wanted.upper())) is not None:
            return wanted.upper(), figures
        by_name = {figures.name.lower(): code for code, figures in self._zones.items()}
        if (code := by_name.get(wanted.lower())) is not None:
            return code, self._zones[code]
        raise ConfigError(
            f"{self.name} has no zone '{zone}'", hint=self._suggestion(wanted, by_name)
        )

    def _suggestion(self, wanted: str, by_name: Mapping[str, str]) -> str:
        near = [by_name[n] for n in difflib.get_close_matches(wanted.lower(), by_name, 3, 0.7)]
        near += difflib.get_close_matches(wanted.upper(), self._zones, 3, 0.6)
        found = list(dict.fromkeys(near))[:3]
        if not found:
            return f"It has {len(self)} zones, such as {', '.join(sorted(self._zones)[:3])}"
        return f"Did you mean {' or '.join(f'{c} ({self._zones[c].name})' for c in found)}?"


def read_intensity_file(path: Path) -> IntensityTable:
    """Return the table of a file: CSV with a header, or a JSON list of objects.

    Columns: ``zone``, ``location`` (grams of CO2e a kWh), ``year`` and, if known, ``market`` and
    ``name``.

    Args:
        path: The file, ``.csv`` or ``.json``.

    Raises:
        ConfigError: It cannot be read, or a row is wrong; the message names it.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        rows = json.loads(text) if path.suffix.lower() == ".json" else _csv_rows(text)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read as a table: {error}", hint=_HINT) from error
    if not isinstance(rows, list) or not rows:
        raise ConfigError(f"{path} has no rows", hint=_HINT)
    zones: dict[str, ZoneFigures] = {}
    # A CSV file's first row is its header.
    for number, row in enumerate(rows, start=1 if path.suffix.lower() == ".json" else 2):
        place = f"{path}, row {number}"
        if not isinstance(row, Mapping) or not str(row.get("zone") or "").strip():
            raise ConfigError(f"{place} has no zone", hint=_HINT)
        code = str(row["zone"]).strip().upper()
        if code in zones:
            raise ConfigError(f"{place}: the zone {code} comes twice", hint="Keep one of them")
        location = _grams(row.get("location"), f"{place}, location")
        if location is None:
            raise ConfigError(f"{place}: {code} has no location-based figure", hint=_HINT)
        zones[code] = ZoneFigures(
            name=str(row.get("name") or code).strip(),
            year=_year(row.get("year"), place),
            location=location,
            market=_grams(row.get("market"), f"{place}, market"),
        )
    return IntensityTable(path.name, zones)


def _csv_rows(text: str) -> list[dict[str, str]]:
    reader = csv.DictReader(io.StringIO(text))
    unknown = sorted(set(reader.fieldnames or ()) - set(_COLUMNS))
    if unknown:
        raise ValueError(f"there is no column '{unknown[0]}'")
    return list(reader)


def _grams(value: Any, place: str) -> float | None:
    if value is None or str(value).strip() == "":
        return None
    try:
        grams = float(value)
    except (TypeError, ValueError):
        grams = math.nan
    if not 0 <= grams <= LARGEST_GRAMS_PER_KWH:
        raise ConfigError(
            f"{place}: '{value}' is not a carbon intensity",
            hint=f"Give grams of CO2e a kWh, from 0 to {LARGEST_GRAMS_PER_KWH:.0f}",
        )
    return grams


def _year(value: Any, place: str) -> int | None:
    text = str(value or "").strip()
    if not text:
        return None
    if not text.isdigit() or not 1990 <= int(text) <= 2100:
        raise ConfigError(f"{place}: '{value}' is not a year", hint="Write for example 2025")
    return int(text)
