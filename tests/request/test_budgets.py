from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xautolm_core.errors import ConfigError
from xautolm_core.request.budgets import Budget
from xautolm_core.request.budgets import parse_budget
from xautolm_core.request.budgets import spending_limits
from xautolm_core.search.spending import SpendingLimits


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("90", Budget(seconds=90)),
        ("1h30m", Budget(seconds=5_400)),
        ("5MIN", Budget(seconds=300)),
        ("0.5kWh", Budget(energy_kwh=0.5)),
        ("500 Wh", Budget(energy_kwh=0.5)),
        ("2gpuh", Budget(gpu_hours=2)),
        ("2 GPU-h", Budget(gpu_hours=2)),
        ("5EUR", Budget(cost=5, currency="EUR")),
        ("300gCO2e", Budget(carbon_grams=300)),
        ("1.5 kgCO2e", Budget(carbon_grams=1_500)),
        ("1kgco2e,2gpuh", Budget(gpu_hours=2, carbon_grams=1_000)),
        ("30m, 0.5kWh,5.5 USD", Budget(1_800, 0.5, None, 5.5, "USD")),
    ],
)
def test_budgets(text: str, budget: Budget) -> None:
    assert parse_budget(text) == budget


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "0kWh",
        "0gpuh",
        "0EUR",
        "-1kWh",
        "5eur",
        "5 euros",
        "kWh",
        "300CO2e",
        "300gCO2",
        "0gCO2e",
        "1gCO2e,1kgCO2e",
        "1kWh,2kWh",
        "1kW",
        "1m,",
    ],
)
def test_what_is_no_budget_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="--budget"):
        parse_budget(text)


@given(st.floats(0.001, 1e6).map(lambda x: round(x, 3)))
def test_energy_is_the_same_in_all_units(kwh: float) -> None:
    found = parse_budget(f"{kwh:.3f}kWh").energy_kwh
    assert found == pytest.approx(kwh)
    assert parse_budget(f"{kwh * 1_000:.3f}Wh").energy_kwh == pytest.approx(found)


def test_what_is_given_takes_the_place_of_what_was() -> None:
    before = SpendingLimits(energy_kwh=1, cost=2, price_per_kwh=0.3, currency="EUR")
    found = spending_limits(Budget(cost=9, currency="EUR"), [], before, gpus_per_trial=0)
    assert found == before.model_copy(update={"cost": 9})


def test_prices_are_of_gpus_of_trials_and_of_energy() -> None:
    prices = ["2.5EUR/gpuh", "0.3 EUR/kWh", "0.1EUR/h"]
    found = spending_limits(
        Budget(cost=5, currency="EUR"), prices, SpendingLimits(), gpus_per_trial=1
    )
    assert (found.price_per_gpu_hour, found.price_per_kwh, found.price_per_trial_hour) == (
        2.5, 0.3, 0.1,
    )  # fmt: skip
    assert (found.cost, found.currency, found.gpus_per_trial) == (5, "EUR", 1)


@pytest.mark.parametrize(
    ("budget", "prices", "words"),
    [
        (Budget(cost=5, currency="EUR"), ["2USD/gpuh"], "EUR and USD"),
        (Budget(cost=5, currency="EUR"), [], "all prices are 0"),
        (Budget(cost=5, currency="EUR"), ["2EUR/gpuh"], "all prices are 0"),  # there is no GPU
        (Budget(gpu_hours=5), [], "trials hold no GPU"),
        (Budget(), ["2EUR"], "no price"),
        (Budget(), ["2EUR/litre"], "no price"),
    ],
)
def test_what_limits_nothing_is_refused(budget: Budget, prices: list[str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        spending_limits(budget, prices, SpendingLimits(), gpus_per_trial=0)
