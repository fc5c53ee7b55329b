"""Yearly carbon intensities of countries from the data files of CodeCarbon.

CodeCarbon is not imported, as that would search for meters and locations.
"""

from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from xautolm_core.energy.intensity import IntensityTable
from xautolm_core.energy.intensity import ZoneFigures
from xautolm_core.errors import ConfigError
from xautolm_core.errors import MissingExtraError

WORLD = "WORLD"
"""The zone of the world's average."""

_MIX = "global_energy_mix.json"
_SOURCES = "carbon_intensity_per_source.json"
_PURPOSE = "The table of carbon intensities"


def codecarbon_table(folder: Path | None = None) -> IntensityTable:
    """Return the intensities of countries (ISO 3166 codes of three letters) and of the world.

    They are location-based: averages of the generation in a country within a year.

    Args:
        folder: Folder of the files; that of the installed package if None.

    Raises:
        MissingExtraError: CodeCarbon is not installed.
        ConfigError: Its files have another format; give a file of your own.
    """
    name = "codecarbon"
    if folder is None:
        found = find_spec("codecarbon")
        if found is None or found.origin is None:
            raise MissingExtraError("carbon", _PURPOSE)
        folder = Path(found.origin).parent / "data" / "private_infra"
        try:
            name = f"codecarbon {version('codecarbon')}"
        except PackageNotFoundError:
            raise MissingExtraError("carbon", _PURPOSE) from None
    try:
        mix = json.loads((folder / _MIX).read_bytes())
        world = json.loads((folder / _SOURCES).read_bytes())["world_average"]
        zones = {
            code: ZoneFigures(
                name=str(row["country_name"]),
                year=int(row["year"]),
                location=float(row["carbon_intensity"]),
            )
            for code, row in mix.items()
            if row.get("carbon_intensity") is not None
        }
        zones[WORLD] = ZoneFigures(name="World", year=2019, location=float(world))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(
            f"The tables of {name} cannot be read ({type(error).__name__})",
            hint="Give a file of your own",
        ) from error
    return IntensityTable(name, zones)
