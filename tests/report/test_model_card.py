from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.report.samples import record
from tests.report.samples import search_result
from xautolm_core.records.configuration import Configuration
from xautolm_core.report.model_card import model_card
from xautolm_core.report.page import report_page
from xautolm_core.search.contract import SearchResult


def _front_matter(result: SearchResult) -> dict[str, object]:
    _, matter, _ = model_card(result).split("---\n", 2)
    loaded = yaml.safe_load(matter)
    assert isinstance(loaded, dict)
    return loaded


def test_the_front_matter_names_base_model_tags_and_test_scores(tmp_path: Path) -> None:
    matter = _front_matter(search_result(tmp_path))
    assert matter["base_model"] == "sentence-transformers/all-MiniLM-L6-v2"
    assert matter["library_name"] == "transformers"
    assert matter["pipeline_tag"] == "text-classification"
    assert matter["language"] == ["en"]
    index = matter["model-index"]
    assert index[0]["results"][0]["metrics"][0] == {  # type: ignore[index]
        "type": "f1",
        "name": "Macro F1 (test)",
        "value": 0.879,
    }


def test_the_hub_library_understands_it(tmp_path: Path) -> None:
    hub = pytest.importorskip("huggingface_hub")
    card = hub.ModelCard(model_card(search_result(tmp_path)))
    assert card.data.base_model == "sentence-transformers/all-MiniLM-L6-v2"
    assert card.data.eval_results[0].metric_value == 0.879
    assert card.data.eval_results[0].dataset_name == "news"


def test_it_tells_how_the_model_was_found_and_where_it_ends(tmp_path: Path) -> None:
    card = model_card(search_result(tmp_path))
    for part in (
        "9f" * 32,
        "nearest tasks: docstrings-a (0.93), docstrings-b (0.41)",
        "| learning_rate | 5e-5 |",
        "| test | 2000 | 0.8790 | 0.8800 |",
        "| test, best cheap candidate (trial 1) | 2000 | 0.8004 | – |",
        "9 trials in 9 min 58 s",
        "## Limits",
        "torch 2.13.0",
        "science & \\<technology\\>",
    ):
        assert part in card
    assert "Not pretrained" not in card


def test_an_untrained_architecture_is_labelled_and_has_no_base_model(tmp_path: Path) -> None:
    records = [record(0, f1=0.6, train_seconds=3.0, model="untrained/tiny-bert", on_front=True)]
    result = search_result(tmp_path, records=records, best=0)
    assert "base_model" not in _front_matter(result)
    assert "**Not pretrained.**" in model_card(result)


def test_first_blocks_name_the_model_that_they_are_of(tmp_path: Path) -> None:
    from dataclasses import replace

    records = [record(0, f1=0.6, train_seconds=3.0, model="tiny-first-1-blocks", on_front=True)]
    result = search_result(tmp_path, records=records, best=0)
    described = result.models["sentence-transformers/all-MiniLM-L6-v2"]
    cut = described.model_copy(update={"base": "org/tiny"})
    result = replace(result, models={"tiny-first-1-blocks": cut})
    assert _front_matter(result)["base_model"] == "org/tiny"
    assert "`tiny-first-1-blocks`, the first blocks of `org/tiny`, fine-tuned" in model_card(result)


def test_a_cheap_model_names_the_ways_that_it_can_be_used(tmp_path: Path) -> None:
    from dataclasses import replace

    tfidf = Configuration(branch="tfidf", method="tfidf", parameters={})
    probe = Configuration(
        branch="linear_probe", model="org/m", method="linear_probe", parameters={"max_length": 64}
    )
    best = record(0, f1=0.6, train_seconds=3.0, on_front=True)
    for configuration, base in ((tfidf, None), (probe, "org/m")):
        records = [replace(best, configuration=configuration)]
        result = search_result(tmp_path, records=records, best=0)
        matter, card = _front_matter(result), model_card(result)
        assert matter["library_name"] == "xautolm" and matter.get("base_model") == base
        assert "load_classifier" in card and "transformers import" not in card
        assert "`None`" not in card and "optimiser steps" not in card
        assert ("linear probe on" in card) == (base is not None)
        assert "<code>None</code>" not in report_page(result)


def test_without_a_test_the_card_gives_validation_scores_as_such(tmp_path: Path) -> None:
    from dataclasses import replace

    result = replace(search_result(tmp_path), test=None)
    metrics = _front_matter(result)["model-index"][0]["results"][0]["metrics"]  # type: ignore[index]
    assert [metric["name"] for metric in metrics] == [
        "Macro F1 (validation)",
        "Accuracy (validation)",
    ]


@pytest.mark.parametrize(("best", "base_model"), [(0, False), (1, True)])
def test_a_cheap_winner_is_no_model_of_transformers(
    tmp_path: Path, best: int, base_model: bool
) -> None:
    result = search_result(tmp_path, best=best, test_f1=0.80, other_f1=0.79)
    matter, card = _front_matter(result), model_card(result)
    assert matter["library_name"] == "xautolm"
    assert ("base_model" in matter) == base_model
    assert "| test, best language model (trial 4) | 2000 | 0.7900 | – |" in card
    assert "xautolm predict path/to/this/folder" in card
    for absent in ("from transformers", "None", "optimiser steps", "fine-tuned by"):
        assert absent not in card
    assert ("tokens are cut" in card) == base_model


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    name = "x: [y]\n---\nlicense: mit"
    matter = _front_matter(search_result(tmp_path, task_name=name))
    assert "license" not in matter
    assert matter["model-index"][0]["name"] == "x: [y] --- license: mit"  # type: ignore[index]


def test_a_search_without_a_model_has_no_card(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="without a chosen model"):
        model_card(search_result(tmp_path, records=[], best=None))
