"""Grams and money from exact totals."""

from __future__ import annotations

from collections import Counter
from datetime import UTC
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xautolm_core.energy.carbon import Hardware
from xautolm_core.energy.cost import Prices
from xautolm_core.energy.intensity import Intensity
from xautolm_core.errors import ConfigError
from xautolm_core.experience.accounting import JoulesLabel
from xautolm_core.monitoring.families import families_of
from xautolm_core.monitoring.rates import Rates
from xautolm_core.monitoring.rates import carbon_grams
from xautolm_core.monitoring.rates import costs
from xautolm_core.monitoring.reading import StoreReading
from xautolm_core.monitoring.store_totals import StoreTotals
from xautolm_core.monitoring.tally import Tally

GRID = Intensity("DEU", 400.0, "grids.csv", 2024)
GREEN = Intensity("DEU", 50.0, "grids.csv", 2024)
GPU = Hardware(grams=8_766.0, lifetime_years=1)
"""One gram an hour."""
KWH = 3_600_000 * 1_000_000
HOUR = 3_600 * 1_000_000


def _tally() -> Tally:
    return Tally(
        gpu_micros=Counter({("a", "H100"): 2 * HOUR, ("a", "T4"): HOUR}),
        microjoules=Counter(
            {
                JoulesLabel("a", "gpu", "ok", "nvml", "A"): KWH,
                JoulesLabel("a", "cpu", "oom_gpu", "rapl", "A"): KWH // 2,
                JoulesLabel("b", "cpu", "ok", "rapl", "A"): 2 * KWH,
            }
        ),
    )


def test_grams_by_method_and_scope() -> None:
    found = carbon_grams(_tally(), Rates(GRID, GREEN, pue=1.5, gpu=GPU))
    assert found == pytest.approx(
        {
            ("a", "location", "operational"): 900,
            ("a", "market", "operational"): 112.5,
            ("b", "location", "operational"): 1_200,
            ("b", "market", "operational"): 150,
            ("a", "location", "embodied"): 3,
            ("a", "market", "embodied"): 3,
        }
    )


def test_money_of_energy_and_of_gpus() -> None:
    prices = Prices(per_kwh=0.3, per_gpu_hour=2, currency="EUR")
    assert costs(_tally(), Rates(pue=2, prices=prices)) == pytest.approx(
        {("a", "EUR"): 6.9, ("b", "EUR"): 1.2}
    )
    # Nothing was read of b that costs: nothing is told, which is not 0.
    by_gpu = Rates(prices=Prices(per_gpu_hour=2, currency="EUR"))
    assert costs(_tally(), by_gpu) == {("a", "EUR"): 6}


def _names(rates: Rates) -> set[str]:
    totals = StoreTotals(_tally(), Counter(), 0, None, None, 0)
    return {family.name for family in families_of(StoreReading(store=totals, rates=rates))}


def test_without_a_factor_a_family_is_absent() -> None:
    asked = {"xautolm_carbon_grams", "xautolm_cost"}
    assert not asked & _names(Rates(pue=1.2))
    assert asked & _names(Rates(market=GREEN)) == {"xautolm_carbon_grams"}
    assert asked & _names(Rates(prices=Prices(per_kwh=1))) == {"xautolm_cost"}


def test_where_factors_are_from_is_told() -> None:
    assert Rates(GRID, GREEN, pue=1.2).carbon_in_words() == (
        "location-based 400 g/kWh (grids.csv DEU 2024); "
        "market-based 50 g/kWh (grids.csv DEU 2024); PUE 1.2"
    )
    assert Rates(GRID).carbon_in_words().endswith("PUE not known")


@given(
    st.lists(st.integers(0, 10**19), min_size=2, max_size=2).map(sorted),
    st.lists(st.integers(0, 10**15), min_size=2, max_size=2).map(sorted),
    st.floats(0, 2_000),
    st.floats(1, 3),
    st.floats(0, 100),
    st.floats(0.01, 100),
)
def test_more_energy_and_time_are_never_fewer_grams_and_less_money(
    micros: list[int], gpu: list[int], grams: float, pue: float, kwh: float, hour: float
) -> None:
    label = JoulesLabel("a", "gpu", "ok", "nvml", "A")
    rates = Rates(
        Intensity("", grams, "t"), pue=pue, gpu=GPU, prices=Prices(kwh, hour, currency="EUR")
    )
    before, after = (
        Tally(gpu_micros=Counter({("a", "T4"): g}), microjoules=Counter({label: m}))
        for m, g in zip(micros, gpu, strict=True)
    )
    for value in (carbon_grams, costs):
        old, new = value(before, rates), value(after, rates)
        assert new.keys() == old.keys()
        assert all(new[key] >= old[key] for key in old)  # type: ignore[index]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda: Rates(GRID, pue=0.9), "PUE of 0.9"),
        (lambda: Rates(gpu=GPU), "--zone or --grams-per-kwh"),
        (
            lambda: Rates(Intensity("DE", 1, "feed", at=datetime(2026, 1, 1, tzinfo=UTC))),
            "changes by the hour",
        ),
    ],
)
def test_rates_that_cannot_be(wrong: object, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        wrong()  # type: ignore[operator]
    assert words in f"{caught.value.problem} {caught.value.hint}"
