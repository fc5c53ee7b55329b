"""The assumptions of a report, from a file and from options."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

from xautolm_core.errors import ConfigError
from xautolm_core.validation import first_problem

if TYPE_CHECKING:
    from xautolm_core.report.green.assumptions import Basis

ASSUMPTIONS_VARIABLE = "XAUTOLM_ASSUMPTIONS"
_FIELDS = ("price_per_kwh", "price_per_gpu_hour")


def basis_of(
    path: Path | None,
    *,
    zone: str | None = None,
    intensities: Path | None = None,
    grams_per_kwh: float | None = None,
    pue: float | None = None,
    prices: Sequence[str] = (),
) -> Basis:
    """Return the factors that convert joules into grams and money; options override the file.

    Args:
        path: YAML file; that of ``$XAUTOLM_ASSUMPTIONS`` if None.
        zone: Zone of the power grid.
        intensities: Table of carbon intensities.
        grams_per_kwh: In place of a table.
        pue: Power usage effectiveness of the data centre.
        prices: Prices such as ``0.3EUR/kWh``.

    Raises:
        ConfigError: A file or an option is wrong.
    """
    from pydantic import ValidationError

    from xautolm_core.report.green.assumptions import Assumptions
    from xautolm_core.report.green.assumptions import look_up
    from xautolm_core.report.green.assumptions import read_assumptions

    named = os.environ.get(ASSUMPTIONS_VARIABLE)
    file = path if path is not None else Path(named) if named else None
    values: dict[str, Any] = {} if file is None else read_assumptions(file).model_dump()
    if zone is not None or grams_per_kwh is not None or intensities is not None:
        # Another zone: the file's figures for its own zone do not apply.
        fresh = ("location_grams_per_kwh", "market_grams_per_kwh", "intensity_source")
        values = {name: value for name, value in values.items() if name not in fresh}
    if grams_per_kwh is not None:
        values |= {"location_grams_per_kwh": grams_per_kwh, "table": None}
    given = {"zone": zone, "table": intensities, "pue": pue}
    values |= {name: value for name, value in given.items() if value is not None}
    values |= _priced(prices)
    try:
        assumptions = Assumptions.model_validate(values)
    except ValidationError as error:
        raise ConfigError(str(first_problem(error)), hint="See --help for the options") from error
    return look_up(assumptions)


def _priced(prices: Sequence[str]) -> dict[str, Any]:
    from xautolm_core.request.budgets import one_currency
    from xautolm_core.request.budgets import parse_price

    parsed = [parse_price(text) for text in prices]
    for text, (field, _, _) in zip(prices, parsed, strict=True):
        if field not in _FIELDS:
            raise ConfigError(
                f"--price: '{text}' cannot be used here", hint="Give it by kWh or by gpuh"
            )
    currency = one_currency([one for _, _, one in parsed])
    found: dict[str, Any] = {field: price for field, price, _ in parsed}
    return found if currency is None else found | {"currency": currency}
