"""What a search may use up, as people write it: ``30m``, ``0.5kWh``, ``2gpuh``, ``300gCO2e``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from xautolm_core.energy.intensity import Intensity
from xautolm_core.errors import ConfigError
from xautolm_core.request.quantities import parse_duration
from xautolm_core.search.spending import SpendingLimits
from xautolm_core.validation import first_problem

BUDGET_OPTION = "--budget"
PRICE_OPTION = "--price"

_AMOUNT = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z-]+|[a-z]+co2e)", re.IGNORECASE)
_PRICE = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Z]{3})\s*/\s*([A-Za-z-]+)")
_KWH = {"kwh": 1.0, "wh": 1e-3, "mwh": 1e3, "kj": 1 / 3_600, "mj": 1 / 3.6}
_GRAMS = {"gco2e": 1.0, "kgco2e": 1e3}
_GPU_HOURS = ("gpuh", "gpu-h", "gpuhours", "gpu-hours")
_PRICED = {
    **dict.fromkeys(("gpuh", "gpu-h"), "price_per_gpu_hour"),
    "h": "price_per_trial_hour",
    "kwh": "price_per_kwh",
}
_CURRENCY = re.compile(r"[A-Z]{3}")
_LIMITS = ("gpu_hours", "energy_kwh", "cost", "carbon_grams")
_MENDS = {
    "cost": f"Say what it costs, such as {PRICE_OPTION} 2.5EUR/gpuh",
    "carbon": "Say what a kWh emits: --zone DEU, or --grams-per-kwh 380",
    "pue": "Give a number of at least 1, such as --pue 1.2",
}


@dataclass(frozen=True)
class Budget:
    """What a search may use up; None where it is not limited.

    Attributes:
        seconds: Wall-clock, everything included.
        energy_kwh: Energy of the trials.
        gpu_hours: Hours of GPUs.
        cost: Money.
        currency: Of the cost, ISO 4217.
        carbon_grams: CO2e of the trials' energy.
    """

    seconds: float | None = None
    energy_kwh: float | None = None
    gpu_hours: float | None = None
    cost: float | None = None
    currency: str | None = None
    carbon_grams: float | None = None


@dataclass(frozen=True)
class Grid:
    """What energy of a place emits.

    Attributes:
        intensity: Of its grid; None if it is not given.
        pue: Of its data centre; None if it is not given.
    """

    intensity: Intensity | None = None
    pue: float | None = None


def parse_budget(text: str) -> Budget:
    """Return the limits of a list such as ``30m`` or ``0.5kWh,2gpuh,5EUR,300gCO2e``; each once.

    A unit that is one of time is one of time: ``5MIN`` is no money.

    Raises:
        ConfigError: A part is no limit, limits to nothing, or a kind comes twice.
    """
    found = Budget()
    for part in text.split(",") if text.strip() else [text]:
        one = _part(part.strip())
        for name, value in vars(one).items():
            if value is None:
                continue
            if getattr(found, name) is not None:
                raise ConfigError(f"{BUDGET_OPTION}: '{text}' limits {name} twice")
            found = replace(found, **{name: value})
    return found


def spending_limits(
    budget: Budget,
    prices: Sequence[str],
    before: SpendingLimits,
    *,
    gpus_per_trial: int,
    grid: Grid | None = None,
) -> SpendingLimits:
    """Return the limits of a search: those that it had, and what is given anew in their place.

    Args:
        budget: What it may use up.
        prices: Such as ``2.5EUR/gpuh``, ``0.3EUR/kWh``, ``0.1EUR/h``.
        before: What it had.
        gpus_per_trial: GPUs that a trial holds here.
        grid: What their energy emits, if that is given anew.

    Raises:
        ConfigError: A price is none, currencies differ, or a limit limits nothing.
    """
    fields = before.model_dump()
    currencies = [budget.currency] if budget.currency else []
    for text in prices:
        field, price, currency = parse_price(text)
        fields[field] = price
        currencies.append(currency)
    paid_in = one_currency(currencies)
    if paid_in is not None:
        fields["currency"] = paid_in
    given = {name: getattr(budget, name) for name in _LIMITS} | _grid_fields(grid or Grid())
    fields |= {name: value for name, value in given.items() if value is not None}
    fields["gpus_per_trial"] = gpus_per_trial
    try:
        return SpendingLimits.model_validate(fields)
    except ValidationError as error:
        problem = str(first_problem(error))
        hint = next((mend for word, mend in _MENDS.items() if problem.startswith(word)), "")
        raise ConfigError(f"{BUDGET_OPTION}: {problem}", hint=hint) from error


def _grid_fields(grid: Grid) -> dict[str, Any]:
    one = grid.intensity
    return {
        "pue": grid.pue,
        "grams_per_kwh": None if one is None else one.grams_per_kwh,
        "intensity_source": None if one is None else one.origin,
    }


def one_currency(currencies: Sequence[str]) -> str | None:
    """Return the currency that all are; None if there are none.

    Raises:
        ConfigError: They differ.
    """
    if len(set(currencies)) > 1:
        raise ConfigError(
            f"{PRICE_OPTION}: {' and '.join(sorted(set(currencies)))} do not compare",
            hint="Give cost and prices in one currency",
        )
    return currencies[0] if currencies else None


def parse_price(text: str) -> tuple[str, float, str]:
    """Return the field of ``SpendingLimits`` that a price sets, the amount and the currency.

    Args:
        text: Such as ``0.3EUR/kWh``.

    Raises:
        ConfigError: It is none.
    """
    match = _PRICE.fullmatch(text.strip())
    if match is None or match[3].lower() not in _PRICED:
        raise ConfigError(
            f"{PRICE_OPTION}: '{text}' is no price",
            hint="Write for example 2.5EUR/gpuh, 0.3EUR/kWh or 0.1EUR/h (of a trial)",
        )
    return _PRICED[match[3].lower()], float(match[1]), match[2]


def _part(text: str) -> Budget:
    match = _AMOUNT.fullmatch(text)
    amount, unit = (float(match[1]), match[2]) if match else (0.0, "")
    if unit.lower() in _KWH:
        return Budget(energy_kwh=_positive(amount, text) * _KWH[unit.lower()])
    if unit.lower() in _GRAMS:
        return Budget(carbon_grams=_positive(amount, text) * _GRAMS[unit.lower()])
    if unit.lower() in _GPU_HOURS:
        return Budget(gpu_hours=_positive(amount, text))
    try:
        return Budget(seconds=parse_duration(text, BUDGET_OPTION))
    except ConfigError as error:
        if _CURRENCY.fullmatch(unit):
            return Budget(cost=_positive(amount, text), currency=unit)
        if "no time to spend" in error.problem:
            raise
        raise ConfigError(
            f"{BUDGET_OPTION}: '{text}' is no budget",
            hint="Write for example 10m, 1h30m, 0.5kWh, 2gpuh, 5EUR or 300gCO2e",
        ) from None


def _positive(amount: float, text: str) -> float:
    if amount <= 0:
        raise ConfigError(f"{BUDGET_OPTION}: '{text}' is nothing to spend", hint="Give more than 0")
    return amount
