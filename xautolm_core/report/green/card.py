"""The ``co2_eq_emissions`` of a model card, as the Hugging Face hub knows them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xautolm_core import __version__
from xautolm_core.energy.carbon import Footprint
from xautolm_core.report.green.green_report import GreenReport
from xautolm_core.report.green.searches import GreenSearch
from xautolm_core.report.model_card import CARD_FILE
from xautolm_core.search.contract import BEST_MODEL_FOLDER
from xautolm_core.whole_files import write_text

KEY = "co2_eq_emissions"
_FENCE = "---\n"


def emissions_entry(search: GreenSearch, carbon: Footprint) -> dict[str, Any]:
    """Return the entry of a search's model: emissions of the search, failed trials included.

    Args:
        search: A search with metered energy.
        carbon: Of the report that contains the search; its factors are used, not its sums.

    Raises:
        ValueError: No energy was metered.
    """
    if search.energy is None:
        raise ValueError("the emissions of a search without any reading are unknown")
    joules = search.energy.joules
    location = carbon.location
    year = f", {location.year}" if location.year else ""
    pue = f"PUE {carbon.pue:g}" if carbon.pue_applied else "no PUE"
    entry = {
        "emissions": joules * carbon.location_grams / carbon.joules,
        "source": (
            f"xautolm {__version__}: energy of all {search.trials} trials of the search, class "
            f"{search.energy.worst_quality} (±{100 * search.energy.uncertainty:.0f} %), {pue}, "
            f"{location.grams_per_kwh:g} g/kWh ({location.table}{year}), location-based"
        ),
        "training_type": "fine-tuning",
        "hardware_used": ", ".join(search.hardware),
        "energy_joules": joules,
    }
    return entry | ({"geographical_location": location.zone} if location.zone else {})


def write_emissions(report: GreenReport, run_folder: Path) -> str | None:
    """Write the entry to the card of a run's model; return the reason if that fails, else None.

    Args:
        report: A report that contains the run's search.
        run_folder: Run folder of the search.
    """
    search = next((s for s in report.searches if s.run and s.run.folder == run_folder), None)
    carbon = report.footprint.carbon
    card = run_folder / BEST_MODEL_FOLDER / CARD_FILE
    if search is None or search.energy is None or carbon is None:
        return f"{card} is unchanged: its emissions are not known"
    try:
        text = card.read_text("utf-8")
        write_text(card, with_entry(text, emissions_entry(search, carbon)))
    except OSError as error:
        return f"{card} is unchanged: {error.strerror or error}"
    except ValueError:
        return f"{card} is unchanged: it has no front matter"
    return None


def with_entry(card: str, entry: Mapping[str, Any]) -> str:
    """Return a card with the entry in its front matter, replacing an earlier one.

    Raises:
        ValueError: It has no front matter.
    """
    import yaml

    if not card.startswith(_FENCE):
        raise ValueError("no front matter")
    front, sign, body = card[len(_FENCE) :].partition(f"\n{_FENCE}")
    if not sign:
        raise ValueError("no end of the front matter")
    try:
        data = yaml.safe_load(front)
    except yaml.YAMLError as error:
        raise ValueError("no YAML") from error
    if not isinstance(data, dict):
        raise ValueError("no mapping")
    data[KEY] = dict(entry)
    told = yaml.safe_dump(data, sort_keys=False, allow_unicode=True)
    return f"{_FENCE}{told}{_FENCE}{body}"
