from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xautolm_core.energy.carbon import Hardware
from xautolm_core.energy.carbon import embodied_grams
from xautolm_core.energy.carbon import footprint
from xautolm_core.energy.carbon import operational_grams
from xautolm_core.energy.carbon import software_carbon_intensity
from xautolm_core.energy.cost import Prices
from xautolm_core.energy.cost import cost
from xautolm_core.energy.intensity import Intensity
from xautolm_core.errors import ConfigError

GRID = Intensity("DEU", 400, "t", 2024)
JOULES = st.floats(0, 1e9)


def test_a_kilowatt_hour_emits_the_intensity() -> None:
    found = footprint(3.6e6, location=GRID, market=Intensity("DEU", 0, "contract"), pue=1.5)
    assert found.location_grams == pytest.approx(600)
    assert found.market_grams == 0  # a contract without emissions is known to have none
    assert found.pue_applied and found.location.table == "t"


def test_what_is_not_known_is_told() -> None:
    found = footprint(3.6e6, location=GRID)
    assert found.location_grams == pytest.approx(400)
    assert (found.pue, found.pue_applied) == (1.0, False)
    assert (found.market_grams, found.embodied_grams) == (None, None)


@given(JOULES, JOULES, st.floats(0, 2_000), st.floats(1, 3))
def test_carbon_adds_up(first: float, second: float, grams: float, pue: float) -> None:
    parts = operational_grams(first, grams, pue) + operational_grams(second, grams, pue)
    assert operational_grams(first + second, grams, pue) == pytest.approx(parts, abs=1e-9)


@given(st.floats(0, 1e7), st.floats(0.5, 10), st.floats(0.01, 1))
def test_a_device_is_paid_off_over_its_life(grams: float, years: float, share: float) -> None:
    hardware = Hardware(grams, years, share)
    assert embodied_grams(hardware, years * 8_766 * 3_600) == pytest.approx(grams * share)
    assert embodied_grams(hardware, 0) == 0


def test_sci_is_per_unit_of_work() -> None:
    assert software_carbon_intensity(600, 40, 16) == pytest.approx(40)
    assert software_carbon_intensity(600, None, 16) is None
    assert software_carbon_intensity(600, 40, 0) is None
    with pytest.raises(ConfigError):
        software_carbon_intensity(600, 40, -1)


def test_cost_is_of_energy_or_of_gpus() -> None:
    assert cost(3.6e6, 0, Prices(per_kwh=0.3, currency="EUR"), pue=1.2) == pytest.approx(0.36)
    assert cost(3.6e6, 7_200, Prices(per_gpu_hour=2.5)) == pytest.approx(5)


@pytest.mark.parametrize(
    "call",
    [
        lambda: footprint(-1, location=GRID),
        lambda: footprint(math.nan, location=GRID),
        lambda: footprint(1, location=GRID, pue=0.9),
        lambda: footprint(1, location=GRID, pue=math.nan),
        lambda: Hardware(-1, 4),
        lambda: Hardware(1, 0),
        lambda: Hardware(1, 4, 1.5),
        lambda: embodied_grams(Hardware(1, 4), -1),
        lambda: Prices(per_kwh=-1),
        lambda: Prices(currency="euro"),
        lambda: cost(-1, 0, Prices()),
    ],
)
def test_what_cannot_be_is_refused(call) -> None:
    with pytest.raises(ConfigError):
        call()
