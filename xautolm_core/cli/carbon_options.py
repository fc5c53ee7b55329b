"""The options for carbon intensity and prices that several commands share."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Annotated

import typer

if TYPE_CHECKING:
    from xautolm_core.energy.carbon import Hardware

PANEL = "Carbon and money"

ZONE_OPTION = Annotated[
    str | None,
    typer.Option(metavar="ZONE", help="Zone of the grid, such as DEU.", rich_help_panel=PANEL),
]
INTENSITIES_OPTION = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Carbon intensities (CSV or JSON); by default CodeCarbon's yearly averages.",
        rich_help_panel=PANEL,
    ),
]
GRAMS_OPTION = Annotated[
    float | None,
    typer.Option(
        metavar="GRAMS", help="CO2e a kWh of the grid, without a table.", rich_help_panel=PANEL
    ),
]
PUE_OPTION = Annotated[
    float | None,
    typer.Option(
        metavar="RATIO",
        help="Energy of the data centre over that of its machines, such as 1.2.",
        rich_help_panel=PANEL,
    ),
]

_EMBODIED = re.compile(r"(\d+(?:\.\d+)?)\s*(kg|g)(?:CO2e)?\s*/\s*(\d+(?:\.\d+)?)\s*y")
_GRAMS = {"g": 1.0, "kg": 1e3}


def parse_embodied(text: str) -> Hardware:
    """Return what making a device emitted and how long it lasts, from such as ``164kg/5y``.

    Raises:
        ConfigError: The text has another form.
    """
    from xautolm_core.energy.carbon import Hardware
    from xautolm_core.errors import ConfigError

    match = _EMBODIED.fullmatch(text.strip())
    if match is None:
        raise ConfigError(
            f"--gpu-embodied: '{text}' is not carbon over years", hint="Write for example 164kg/5y"
        )
    return Hardware(grams=float(match[1]) * _GRAMS[match[2]], lifetime_years=float(match[3]))


def refuse_feed(intensities: Path | None) -> None:
    """Refuse the address of a feed where a table is expected.

    Raises:
        ConfigError: It is the address of a feed.
    """
    from xautolm_core.errors import ConfigError

    if intensities is not None and intensities.parts[0] in ("http:", "https:"):
        raise ConfigError(
            "--intensities: the figure of a feed changes by the hour, and a counter by it would"
            " fall",
            hint="Give a CSV or JSON file with yearly figures",
        )
