from __future__ import annotations

from pathlib import Path

import pytest

from xautolm_core.errors import ConfigError
from xautolm_core.report.green.assumptions import Assumptions
from xautolm_core.report.green.assumptions import look_up
from xautolm_core.report.green.assumptions import read_assumptions

_TABLE = "zone,name,year,location,market\nDEU,Germany,2024,363,500\nFRA,France,2024,44,\n"
_FILE = """
zone: Germany
table: grids.csv
pue: 1.2
pue_source: own figure of 2025
wue_litres_per_kwh: 1.8
embodied: {grams: 164000, lifetime_years: 5, source: data sheet}
price_per_kwh: 0.3
currency: EUR
"""


def test_a_file_with_everything(tmp_path: Path) -> None:
    (tmp_path / "grids.csv").write_text(_TABLE)
    (tmp_path / "here.yaml").write_text(_FILE)
    basis = look_up(read_assumptions(tmp_path / "here.yaml"))
    assert basis.location is not None
    assert (basis.location.zone, basis.location.grams_per_kwh) == ("DEU", 363.0)
    assert (basis.location.table, basis.location.year) == ("grids.csv", 2024)
    assert basis.market is not None
    assert basis.market.grams_per_kwh == 500.0
    assert (basis.pue, basis.pue_source) == (1.2, "own figure of 2025")
    assert basis.embodied is not None
    assert basis.embodied_source == "data sheet"
    assert basis.prices is not None
    assert (basis.prices.per_kwh, basis.prices.currency) == (0.3, "EUR")


def test_a_market_based_figure_is_never_taken_from_the_grid(tmp_path: Path) -> None:
    (tmp_path / "grids.csv").write_text(_TABLE)
    basis = look_up(Assumptions(zone="FRA", table=tmp_path / "grids.csv"))
    assert basis.market is None


def test_nothing_given_is_nothing_known() -> None:
    basis = look_up(Assumptions())
    assert (basis.location, basis.market, basis.pue, basis.prices) == (None, None, None, None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("zone: DEU\npeu: 1.2\n", r"here.yaml:2: peu: is not a setting of a report"),
        ("zone: DEU\npue: 0.9\n", r"here.yaml:2: pue: .*greater than or equal to 1"),
        ("embodied:\n  grams: 5\n  source: x\n", r"embodied.lifetime_years: Field required"),
        ("- zone\n", r"holds no settings"),
        ("zone: [\n", r"here.yaml:\d"),
        ("currency: euros\n", r"here.yaml:1: currency: "),
    ],
)
def test_a_wrong_file_is_told_by_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "here.yaml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_assumptions(tmp_path / "here.yaml")


def test_an_unknown_zone_has_near_ones(tmp_path: Path) -> None:
    (tmp_path / "grids.csv").write_text(_TABLE)
    with pytest.raises(ConfigError, match=r"Germny.*Did you mean DEU"):
        look_up(Assumptions(zone="Germny", table=tmp_path / "grids.csv"))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (Assumptions(table=Path("grids.csv")), "has many zones"),
        (Assumptions(market_grams_per_kwh=100), "without a location-based one"),
        (
            Assumptions(zone="X", table=Path("grids.csv"), location_grams_per_kwh=300),
            "are both given",
        ),
    ],
)
def test_settings_that_do_not_go_together(given: Assumptions, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        look_up(given)


def test_there_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="There is no file"):
        read_assumptions(tmp_path / "none.yaml")
