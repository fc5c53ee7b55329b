from __future__ import annotations

from pathlib import Path

import pytest

from tests.report.green.samples import report_of
from tests.report.green.samples import searches
from tests.report.green.test_green_report import full_basis
from tests.report.samples import search_result
from xautolm_core.report.green.assumptions import Basis
from xautolm_core.report.green.card import with_entry
from xautolm_core.report.green.card import write_emissions
from xautolm_core.report.green.searches import RunFigures
from xautolm_core.report.model_card import model_card


def _runs(folder: Path) -> dict[str, RunFigures]:
    return {"one": RunFigures(folder / "run", 1, {1: 0.84})}


def _card(folder: Path) -> Path:
    card = folder / "run" / "model" / "README.md"
    card.parent.mkdir(parents=True)
    card.write_text(model_card(search_result(folder / "run")))
    return card


def test_the_hub_library_reads_the_grams(tmp_path: Path) -> None:
    hub = pytest.importorskip("huggingface_hub")
    card = _card(tmp_path)
    before = card.read_text()
    report = report_of(searches(), full_basis(), _runs(tmp_path))
    assert write_emissions(report, tmp_path / "run") is None
    entry = hub.ModelCard(card.read_text()).data.co2_eq_emissions
    # All 450 J of the search, failed trials included.
    assert entry["emissions"] == pytest.approx(450 / 3.6e6 * 1.5 * 360)
    assert entry["training_type"] == "fine-tuning"
    assert entry["geographical_location"] == "DEU"
    assert entry["hardware_used"] == "A processor"
    assert entry["energy_joules"] == 450.0
    assert "class A (±5 %)" in entry["source"]
    assert "grids.csv, 2024" in entry["source"]
    assert card.read_text().split("---\n", 2)[2] == before.split("---\n", 2)[2]
    # Again is the same again.
    once = card.read_text()
    assert write_emissions(report, tmp_path / "run") is None
    assert card.read_text() == once


def test_a_card_stays_as_it_was_where_nothing_is_known(tmp_path: Path) -> None:
    card = _card(tmp_path)
    before = card.read_text()
    told = write_emissions(report_of(searches(), Basis(), _runs(tmp_path)), tmp_path / "run")
    assert told is not None
    assert "not known" in told
    assert card.read_text() == before


def test_a_card_that_is_none_is_told(tmp_path: Path) -> None:
    report = report_of(searches(), full_basis(), _runs(tmp_path))
    told = write_emissions(report, tmp_path / "run")
    assert told is not None
    assert "No such file" in told


@pytest.mark.parametrize("text", ["no front", "---\nopen: end\n", "---\n- list\n---\nbody"])
def test_front_matter_that_is_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"front matter|mapping"):
        with_entry(text, {"emissions": 1.0})
