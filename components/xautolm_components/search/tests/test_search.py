from __future__ import annotations

from pathlib import Path

from xautolm_components.conftest import artifact
from xautolm_components.conftest import read_json
from xautolm_components.search.component import search
from xautolm_core.experience.open import open_store


def test_the_result_is_whole(run):
    result = Path(run.artifact("result").path)
    summary = read_json(result / "summary.json")
    assert summary["search_id"] == "run-1"
    assert summary["trials"] == 3
    assert summary["test"] is None
    assert (result / "model" / "model.safetensors").is_file()
    assert (result / "report.html").is_file()


def test_its_trials_are_experiences(run):
    kept = list(open_store(run.parameters["store"]).scan())
    assert sorted(e.trial_number for e in kept) == [0, 1, 2]
    assert {e.search_id for e in kept} == {"run-1"}


def test_a_step_that_is_repeated_runs_no_trial_again(run, tmp_path):
    result = artifact(tmp_path / "result")
    search.python_func(run.fingerprinted.request, run.artifact("features"), run.history, result)
    first = read_json(Path(run.artifact("result").path) / "search-result.json")
    again = read_json(Path(result.path) / "search-result.json")
    assert [t["result"]["started_at"] for t in again["trials"]] == [
        t["result"]["started_at"] for t in first["trials"]
    ]
    assert len(list(open_store(run.parameters["store"]).scan())) == 3
