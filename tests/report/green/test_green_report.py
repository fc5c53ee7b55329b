from __future__ import annotations

import csv
import hashlib
import io
import json
from pathlib import Path

import pytest

from tests.report.green.samples import reading
from tests.report.green.samples import report_of
from tests.report.green.samples import searches
from tests.report.green.samples import trial
from xautolm_core.energy.carbon import Hardware
from xautolm_core.energy.cost import Prices
from xautolm_core.energy.intensity import Intensity
from xautolm_core.records.outcome import Failure
from xautolm_core.report.green.assumptions import Basis
from xautolm_core.report.green.document import green_document
from xautolm_core.report.green.folder import write_green_report
from xautolm_core.whole_files import to_json

GERMANY = Intensity("DEU", 360.0, "grids.csv", 2024)
# 1 g an hour: a year has 8,766 hours.
HARDWARE = Hardware(grams=8_766.0, lifetime_years=1)


def full_basis() -> Basis:
    return Basis(
        location=GERMANY,
        market=Intensity("DEU", 720.0, "grids.csv", 2024),
        pue=1.5,
        pue_source="own",
        wue_litres_per_kwh=1.8,
        embodied=HARDWARE,
        embodied_source="data sheet",
        prices=Prices(per_kwh=0.36, currency="EUR"),
    )


def test_carbon_and_cost_by_hand() -> None:
    found = report_of(searches(), full_basis()).footprint
    assert found.carbon is not None
    kwh = 550 / 3.6e6
    assert found.carbon.location_grams == pytest.approx(kwh * 1.5 * 360)
    assert found.carbon.market_grams == pytest.approx(kwh * 1.5 * 720)
    # Six attempts of 20 s each on a machine whose making is 1 g an hour.
    assert found.carbon.embodied_grams == pytest.approx(120 / 3600)
    assert found.water_litres == pytest.approx(kwh * 1.8)
    assert found.cost == pytest.approx(kwh * 1.5 * 0.36)
    pipelines, models = found.units
    assert (pipelines.count, models.count) == (5, 3)
    whole = kwh * 1.5 * 360 + 120 / 3600
    assert models.sci_grams == pytest.approx(whole / 3)
    assert pipelines.joules == pytest.approx(110.0)


def test_without_the_embodied_part_there_is_no_sci() -> None:
    found = report_of(searches(), Basis(location=GERMANY)).footprint
    assert found.units[0].operational_grams is not None
    assert found.units[0].sci_grams is None


def test_energy_that_is_unknown_has_no_carbon_and_no_cost() -> None:
    blind = report_of([trial(0, joules=None)], full_basis())
    assert blind.energy is None
    assert blind.footprint.carbon is None
    assert blind.footprint.cost is None
    assert blind.statement[0].startswith("No energy could be read")
    document = green_document(blind)
    assert document["energy"] is None
    assert document["carbon"]["location_grams"] is None
    assert document["functional_units"][0]["joules"] is None


def test_the_first_lines_tell_of_models_gaps_and_what_is_not_given() -> None:
    modelled = trial(0, quality="C", device="cuda")
    told = "\n".join(report_of([modelled, trial(1, joules=None)]).statement)
    assert "All joules are of class C (±40 %)" in told
    assert "The GPU could not be read in 1 attempt." in told
    assert "1 attempt of 2 trained without any reading" in told
    assert "No carbon" in told
    mixed = "\n".join(report_of(searches(), Basis(location=GERMANY)).statement)
    assert "1.8 % of the joules are of class C" in mixed
    assert "PUE is not given" in mixed
    assert "No market-based figure" in mixed
    assert "no SCI" in mixed
    assert report_of([trial(0)], full_basis()).statement == []


def test_a_stale_feed_is_told() -> None:
    stale = Intensity("DEU", 360.0, "feed", None, None, is_stale=True)
    assert any("its feed was down" in s for s in report_of([trial(0)], Basis(stale)).statement)


def test_readings_that_cannot_be_are_told() -> None:
    odd = trial(0, energy=(reading("cpu", 0.0, "rapl", "A"), reading("dram", 2.0, "rapl", "A")))
    assert any("1 reading that cannot be" in line for line in report_of([odd]).statement)


def test_the_files_carry_the_digest_of_the_table_and_the_table_all_joules(tmp_path: Path) -> None:
    files = write_green_report(report_of(searches(), full_basis()), tmp_path / "deep" / "out")
    digest = hashlib.sha256(files.table.read_bytes()).hexdigest()
    document = json.loads(files.document.read_text())
    assert document["data_sha256"] == digest
    assert digest in files.page.read_text()
    rows = list(csv.DictReader(io.StringIO(files.table.read_text())))
    assert len(rows) == 6
    total = sum(float(row["cpu_joules"]) for row in rows if row["cpu_joules"])
    assert total == document["energy"]["joules"] == 550.0
    assert [row["cpu_flags"] for row in rows if row["search_id"] == "two"] == ["attributed"]
    # An empty cell is unknown; a name is no formula.
    assert rows[3]["cpu_joules"] == ""
    assert rows[4]["task"].startswith("'=1+1")


def test_the_same_attempts_give_the_same_bytes() -> None:
    one, other = report_of(searches(), full_basis()), report_of(searches()[::-1], full_basis())
    assert one.csv == other.csv
    assert to_json(green_document(one)) == to_json(green_document(other))


def test_nothing_of_the_task_is_markup_in_the_page(tmp_path: Path) -> None:
    files = write_green_report(report_of(searches()), tmp_path)
    assert "<script" not in files.page.read_text()


def test_tables_that_grow_with_the_store_are_cut_in_the_page_alone(tmp_path: Path) -> None:
    many = [
        trial(n, f1=None, joules=1.0 + n, failure=Failure(kind=f"Kind{n:03d}")) for n in range(100)
    ]
    files = write_green_report(report_of(many), tmp_path)
    page = files.page.read_text()
    assert "Kind099" in page
    assert "Kind059" not in page
    assert "The 40 with the most energy are shown; all 100 are in the JSON document." in page
    assert len(json.loads(files.document.read_text())["failures"]) == 100
