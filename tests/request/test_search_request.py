from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from xautolm_core.errors import ConfigError
from xautolm_core.errors import MissingExtraError
from xautolm_core.request.options import SearchOptions
from xautolm_core.request.search_request import new_search
from xautolm_core.request.search_request import parse_objectives
from xautolm_core.request.search_request import resumed_search
from xautolm_core.search.contract import SEARCH_FILE
from xautolm_core.search.contract import Objective
from xautolm_core.tasks.quoting import Quoting

pytest.importorskip("torch")


@pytest.fixture
def options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SearchOptions:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "reviews.csv").write_text("text,label\na,x\n")
    return SearchOptions(data="reviews.csv", store="store", out=Path("out"))


def test_what_is_not_given_has_sound_defaults(options: SearchOptions, tmp_path: Path) -> None:
    request = new_search(options)
    spec = request.spec
    assert request.out_folder == tmp_path / "out"
    assert spec.store == str(tmp_path / "store")
    assert (spec.task.name, spec.space, spec.sampler) == ("reviews", "default", "guarded")
    assert spec.objectives == (Objective.F1, Objective.TIME)
    assert (spec.seed, spec.workers, spec.keep_models) == (0, 1, "front")
    assert (spec.budget_seconds, spec.max_trials, spec.trial_memory_bytes) == (None, None, None)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["reviews.csv"]


def test_what_is_given_arrives(options: SearchOptions, tmp_path: Path) -> None:
    given = replace(
        options,
        text="text",
        label="label",
        name="my-reviews",
        space="small",
        methods="tfidf, lora,tfidf",
        sampler="knn",
        sampler_options={"k": 25},
        objectives="f1,time,latency",
        seed=7,
        models=(tmp_path,),
        offline=True,
        budget="10m",
        trials=5,
        trial_timeout="90s",
        trial_memory="2GiB",
        workers=2,
        screening=False,
        early_stopping=False,
        tenant="team",
        keep_models="all",
        drop_invalid=True,
        quoting=Quoting.NONE,
    )
    spec = new_search(given).spec
    assert spec.task.quoting is Quoting.NONE
    assert (spec.task.text, spec.task.label, spec.task.name) == ("text", "label", "my-reviews")
    assert (spec.task.seed, spec.seed, spec.task.drop_invalid) == (7, 7, True)
    assert spec.methods == ("tfidf", "lora")
    assert (spec.space, spec.sampler, dict(spec.sampler_options)) == ("small", "knn", {"k": 25})
    assert spec.objectives == (Objective.F1, Objective.TIME, Objective.LATENCY)
    assert (spec.budget_seconds, spec.max_trials, spec.workers) == (600, 5, 2)
    assert not spec.early_stopping and not spec.screening
    assert (spec.trial_timeout_seconds, spec.trial_memory_bytes) == (90, 2 * 2**30)
    assert (spec.model_folders, spec.offline) == ((tmp_path,), True)
    assert (spec.tenant, spec.keep_models) == ("team", "all")


def test_each_search_has_an_id_of_its_own(options: SearchOptions) -> None:
    assert new_search(options).spec.search_id != new_search(options).spec.search_id


def test_cold_leaves_the_warm_start_out(options: SearchOptions) -> None:
    cold = new_search(replace(options, cold=True)).spec
    assert (cold.sampler, cold.sampler_options) == ("guarded", {"history": False})
    of_paper = replace(options, cold=True, sampler="xautolm")
    assert new_search(of_paper).spec.sampler == "zero_shot"
    assert new_search(replace(options, cold=True, sampler="random")).spec.sampler == "random"
    with pytest.raises(ConfigError, match="knn is nothing without history"):
        new_search(replace(options, cold=True, sampler="knn"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"data": "nowhere.csv"}, "nowhere.csv does not exist"),
        ({"sampler": "magic"}, "no sampler 'magic'"),
        ({"methods": "tfidf,lorra"}, "--methods: There is no method 'lorra'. Did you mean 'lora'"),
        ({"budget": "soon"}, "--budget"),
        ({"budget": "5EUR"}, "all prices are 0"),
        ({"budget": "5EUR", "prices": ("cheap",)}, "--price"),
        ({"budget": "300gCO2e"}, "--budget: carbon limits nothing"),
        ({"budget": "300gCO2e", "grams_per_kwh": 0.0}, "carbon limits nothing"),
        ({"budget": "300gCO2e", "grams_per_kwh": -1.0}, "location_grams_per_kwh: Input should"),
        ({"budget": "300gCO2e", "grams_per_kwh": 1.0, "pue": 0.9}, "pue: Input should"),
        ({"trial_timeout": "0"}, "--trial-timeout"),
        ({"trial_memory": "much"}, "--trial-memory"),
        ({"keep_models": "none"}, "--keep-models"),
        ({"models": (Path("nowhere"),)}, "--models"),
        ({"store": "reviews.csv"}, "--store"),
        ({"out": Path("reviews.csv")}, "--out"),
        ({"objectives": "f1,fame"}, "no objective"),
    ],
)
def test_wrong_options_are_refused_and_nothing_is_made(
    options: SearchOptions, tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        new_search(replace(options, **change))
    assert [p.name for p in tmp_path.iterdir()] == ["reviews.csv"]


@pytest.mark.parametrize("text", ["", "time", "time,f1", "f1,f1", "f1,cost"])
def test_objectives_begin_with_f1_and_are_known(text: str) -> None:
    with pytest.raises(ConfigError, match="--objectives"):
        parse_objectives(text)


def _run(options: SearchOptions, folder: Path) -> Path:
    folder.mkdir()
    request = new_search(options)
    (folder / SEARCH_FILE).write_text(request.spec.model_dump_json())
    return folder


def test_a_resumed_search_is_the_same_but_for_its_limits(
    options: SearchOptions, tmp_path: Path
) -> None:
    run = _run(replace(options, seed=3, trials=4, methods="full"), tmp_path / "run")
    before = new_search(options).spec
    request = resumed_search(SearchOptions(trials=9, budget="1h", workers=2), Path("run"))
    assert request.resume
    assert request.out_folder == run
    assert (request.spec.max_trials, request.spec.budget_seconds) == (9, 3600)
    assert (request.spec.workers, request.spec.seed) == (2, 3)
    assert request.spec.methods == ("full",)
    assert request.spec.task.data == before.task.data


def test_a_budget_may_be_energy_or_money(options: SearchOptions, tmp_path: Path) -> None:
    given = replace(options, budget="0.5kWh,2EUR", prices=("0.3EUR/kWh",))
    spec = new_search(given).spec
    assert spec.budget_seconds is None
    assert (spec.spending.energy_kwh, spec.spending.cost, spec.spending.currency) == (0.5, 2, "EUR")
    run = _run(given, tmp_path / "run")
    resumed = resumed_search(SearchOptions(budget="1h,4EUR"), run).spec
    assert resumed.budget_seconds == 3600
    assert resumed.spending == spec.spending.model_copy(update={"cost": 4})


def test_a_budget_may_be_carbon(options: SearchOptions, tmp_path: Path) -> None:
    table = tmp_path / "grids.csv"
    table.write_text("zone,year,location\nDEU,2024,380\n")
    given = replace(options, budget="0.3kgCO2e", zone="DEU", intensities=table, pue=1.2)
    spending = new_search(given).spec.spending
    assert (spending.carbon_grams, spending.grams_per_kwh, spending.pue) == (300, 380, 1.2)
    assert spending.intensity_source == "grids.csv DEU 2024"
    run = _run(given, tmp_path / "run")
    resumed = resumed_search(SearchOptions(budget="400gCO2e"), run).spec.spending
    assert resumed == spending.model_copy(update={"carbon_grams": 400})
    other = resumed_search(SearchOptions(grams_per_kwh=50.0), run).spec.spending
    assert (other.grams_per_kwh, other.carbon_grams) == (50, 300)


def test_a_refused_budget_of_carbon_says_what_is_missing(options: SearchOptions) -> None:
    with pytest.raises(ConfigError) as caught:
        new_search(replace(options, budget="300gCO2e"))
    assert "--zone DEU, or --grams-per-kwh 380" in caught.value.hint


def test_what_reports_assume_is_good_for_a_budget_of_carbon(
    options: SearchOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "assumptions.yaml"
    file.write_text("location_grams_per_kwh: 380\npue: 1.3\n")
    monkeypatch.setenv("XAUTOLM_ASSUMPTIONS", str(file))
    spending = new_search(replace(options, budget="300gCO2e")).spec.spending
    assert (spending.grams_per_kwh, spending.pue) == (380, 1.3)
    # Other limits are what they are without it.
    plain = new_search(replace(options, budget="1EUR", prices=("1EUR/kWh",))).spec.spending
    assert (plain.grams_per_kwh, plain.pue) == (0, 1)


def test_only_a_run_can_be_resumed(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no search"):
        resumed_search(SearchOptions(), tmp_path)
    (tmp_path / SEARCH_FILE).write_text('{"search_id": 1')
    with pytest.raises(ConfigError, match="cannot be read"):
        resumed_search(SearchOptions(), tmp_path)


def test_a_search_without_language_models_needs_no_package_of_theirs(
    options: SearchOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert new_search(replace(options, methods="tfidf")).spec.methods == ("tfidf",)
    with pytest.raises(MissingExtraError, match="trial"):
        new_search(replace(options, methods="tfidf,linear_probe"))
