"""The cost of energy and GPUs."""

from __future__ import annotations

import re
from dataclasses import dataclass

from xautolm_core.energy.carbon import JOULES_PER_KWH
from xautolm_core.errors import ConfigError

_CURRENCY = re.compile(r"[A-Z]{3}")
_SECONDS_PER_HOUR = 3_600.0


@dataclass(frozen=True)
class Prices:
    """Prices. A price of 0 means free, or included in the other price.

    Attributes:
        per_kwh: Price of energy.
        per_gpu_hour: Price of one GPU.
        currency: Currency of both, ISO 4217.
    """

    per_kwh: float = 0.0
    per_gpu_hour: float = 0.0
    currency: str = "USD"

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            ConfigError: A price is below 0, or the currency has no code.
        """
        if not (self.per_kwh >= 0 and self.per_gpu_hour >= 0):
            raise ConfigError("a price is below 0", hint="Give prices of at least 0")
        if _CURRENCY.fullmatch(self.currency) is None:
            raise ConfigError(
                f"'{self.currency}' is not a currency", hint="Give a code such as EUR or USD"
            )


def cost(joules: float, gpu_seconds: float, prices: Prices, *, pue: float = 1.0) -> float:
    """Return the cost of energy and GPU time, in the currency of the prices.

    ``joules * PUE * price / kWh + GPU hours * price``. Rented GPUs include their energy: give one
    of the prices only.

    Args:
        joules: Energy as metered, at least 0.
        gpu_seconds: Seconds times GPUs, at least 0.
        prices: The prices.
        pue: At least 1.

    Raises:
        ConfigError: Something is out of range.
    """
    if not (joules >= 0 and gpu_seconds >= 0 and pue >= 1):
        raise ConfigError(
            f"{joules:g} J and {gpu_seconds:g} s of GPU at a PUE of {pue:g} are impossible"
        )
    kwh = joules / JOULES_PER_KWH * pue
    return kwh * prices.per_kwh + gpu_seconds / _SECONDS_PER_HOUR * prices.per_gpu_hour
