from __future__ import annotations

from pathlib import Path

from xautolm_components.conftest import artifact
from xautolm_components.conftest import read_json
from xautolm_components.warm_start.component import warm_start


def test_an_empty_store_is_told(run):
    prior = read_json(run.artifact("prior").path)
    assert prior["applied"] == prior["mapped"] == 0
    assert len(prior["suggestions"]) == 5
    assert "No warm start" in Path(run.artifact("view").path).read_text()


def test_a_second_run_is_warm_started_by_the_first(run, tmp_path):
    prior, view = artifact(tmp_path / "prior"), artifact(tmp_path / "view")
    request = run.fingerprinted.request.replace('"run-1"', '"run-2"')
    history = warm_start.python_func(request, run.artifact("features"), prior, view)
    found = read_json(prior.path)
    assert history == found["history"]
    assert history != run.history
    assert found["applied"] == 3
    assert found["neighbours"][0][0] == "moods"
    text = Path(view.path).read_text()
    assert "| moods | 1.000 | 3 |" in text
    assert "## First suggestions" in text
