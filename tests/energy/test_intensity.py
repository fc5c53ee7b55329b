from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import pytest

from xautolm_core.energy.codecarbon_tables import codecarbon_table
from xautolm_core.energy.intensity import read_intensity_file
from xautolm_core.errors import ConfigError
from xautolm_core.errors import MissingExtraError

CSV = """zone,name,year,location,market
DEU,Germany,2024,344,480
FRA,France,2024,44,
fin,Finland,2023,72,390.5
"""


@pytest.fixture
def table(tmp_path: Path):
    (tmp_path / "grids-2024.csv").write_text(CSV)
    return read_intensity_file(tmp_path / "grids-2024.csv")


def test_a_figure_names_its_table_and_year(table) -> None:
    one = table.location("deu")
    assert (one.zone, one.grams_per_kwh, one.table, one.year) == (
        "DEU", 344, "grids-2024.csv", 2024,
    )  # fmt: skip
    assert table.market("Germany").grams_per_kwh == 480
    assert table.location("FIN").year == 2023


def test_what_the_market_emits_is_not_made_up(table) -> None:
    assert table.market("FRA") is None


@pytest.mark.parametrize(
    ("zone", "hint"), [("DEUT", "DEU (Germany)"), ("Grmany", "DEU (Germany)"), ("XQ9", "3 zones")]
)
def test_an_unknown_zone_is_an_error_that_suggests(table, zone: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        table.location(zone)
    assert zone in caught.value.problem and hint in caught.value.hint


def test_a_table_may_be_json(tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text(json.dumps([{"zone": "SE", "location": 20}]))
    one = read_intensity_file(tmp_path / "t.json").location("se")
    assert one.grams_per_kwh == 20 and one.year is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no rows"),
        ("zone,location\n", "no rows"),
        ("zone,location\n,3\n", "row 2 has no zone"),
        ("zone,location\nA,1\na,2\n", "row 3: the zone A comes twice"),
        ("zone,location\nA,\n", "no location-based figure"),
        ("zone,location\nA,-3\n", "'-3' is not a carbon intensity"),
        ("zone,location\nA,nan\n", "'nan' is not a carbon intensity"),
        ("zone,location\nA,344000\n", "'344000' is not a carbon intensity"),
        ("zone,location,year\nA,3,24\n", "'24' is not a year"),
        ("zone,grams\nA,3\n", "no column 'grams'"),
    ],
)
def test_a_table_that_is_wrong_says_where(tmp_path: Path, text: str, problem: str) -> None:
    file = tmp_path / "t.csv"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_intensity_file(file)
    assert problem in caught.value.problem and str(file) in caught.value.problem


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_intensity_file(tmp_path / "none.csv")


def test_codecarbons_files_are_read_as_they_are(tmp_path: Path) -> None:
    mix = {
        "DEU": {"country_name": "Germany", "carbon_intensity": 369.4, "year": 2023},
        "XYZ": {"country_name": "Nowhere", "carbon_intensity": None, "year": 2023},
    }
    (tmp_path / "global_energy_mix.json").write_text(json.dumps(mix))
    (tmp_path / "carbon_intensity_per_source.json").write_text('{"world_average": 475}')
    table = codecarbon_table(tmp_path)
    assert (table.location("Germany").grams_per_kwh, table.location("DEU").year) == (369.4, 2023)
    assert table.location("world").grams_per_kwh == 475
    assert table.market("DEU") is None
    with pytest.raises(ConfigError):
        table.location("XYZ")
    (tmp_path / "global_energy_mix.json").write_text("[]")
    with pytest.raises(ConfigError, match="cannot be read"):
        codecarbon_table(tmp_path)


def test_the_installed_package_is_named_with_its_version() -> None:
    if find_spec("codecarbon") is None:
        with pytest.raises(MissingExtraError, match="carbon"):
            codecarbon_table()
        return
    table = codecarbon_table()
    assert table.location("DEU").table.startswith("codecarbon ") and len(table) > 150
