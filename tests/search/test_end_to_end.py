"""A whole search with real trials of a tiny untrained model."""

from __future__ import annotations

import json

import pytest

from tests.search.instant import Silent
from xautolm_core.energy.carbon import JOULES_PER_KWH
from xautolm_core.launch.local import LocalLauncher
from xautolm_core.outcomes import Outcome
from xautolm_core.search.contract import Objective
from xautolm_core.search.contract import SpendingLimits
from xautolm_core.search.folders import read_state
from xautolm_core.search.runner import run_search
from xautolm_core.search.spending import Use
from xautolm_core.search.spending import limit_shares

pytest.importorskip("torch")


@pytest.mark.slow
def test_a_real_search_finds_and_tests_a_model(make_spec, tmp_path):
    objectives = (Objective.F1, Objective.TIME, Objective.LATENCY)
    spec = make_spec(max_trials=4, objectives=objectives, sampler="xautolm", workers=2)
    out = tmp_path / "run"
    observer = Silent()
    with LocalLauncher() as launcher:
        result = run_search(spec, out, launcher=launcher, observer=observer)
    assert result.stopped_by == "trials"
    assert result.outcomes == {Outcome.OK: 4}
    assert result.best is not None
    assert result.baseline is not None
    assert result.baseline.test_macro_f1 is not None
    assert result.test is not None
    assert result.test.rows == result.task["rows"]["test"]
    assert (out / "model" / "model.safetensors").exists()
    assert json.loads((out / "model" / "xautolm.json").read_text())["task"] == "moods"
    assert observer.ticks > 0
    assert all(t.values["latency"] > 0 for t in result.trials)
    assert result.trials[0].result.concurrent_trials >= 1

    # Learning from that search in another one, on the same store.
    again = make_spec(search_id="search-2", max_trials=2, sampler="xautolm")
    with LocalLauncher() as launcher:
        second = run_search(again, tmp_path / "again", launcher=launcher, observer=Silent())
    assert second.warm_start.applied == 4
    assert second.warm_start.neighbours[0][0] == "moods"


@pytest.mark.slow
def test_a_real_search_ends_before_its_budget_of_carbon_is_broken(make_spec, tmp_path):
    """By what real meters read, of whatever class."""
    first = make_spec(search_id="before", max_trials=1, sampler="random")
    with LocalLauncher() as launcher:
        found = run_search(
            first,
            tmp_path / "before",
            launcher=launcher,
            observer=Silent(),
            with_test=False,
        )
    joules = found.trials[0].result.energy_joules
    assert joules is not None
    grams = 400 * joules / JOULES_PER_KWH
    limits = SpendingLimits(carbon_grams=3.5 * grams, grams_per_kwh=400)
    spec = make_spec(sampler="random", max_trials=40, spending=limits)
    out = tmp_path / "run"
    with LocalLauncher() as launcher:
        result = run_search(spec, out, launcher=launcher, observer=Silent(), with_test=False)
    assert result.stopped_by == "carbon"
    uses = [
        limit_shares(limits, Use(0, trial.result.energy_joules))["carbon"]
        for trial in result.trials
    ]
    assert len(uses) >= 1 and all(uses)
    for number in range(1, len(uses)):
        assert sum(uses[:number]) + max(uses[:number]) <= 1, "it had room when it was started"
    assert sum(uses) + max(uses) > 1, "there is no room for another one"
    state = read_state(out)
    assert state is not None
    assert state.budget_used["carbon"] == pytest.approx(sum(uses))
