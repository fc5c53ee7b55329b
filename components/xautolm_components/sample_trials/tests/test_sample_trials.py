from __future__ import annotations

from xautolm_components.sample_trials.component import sample_trials


def test_a_search_that_is_over_proposes_nothing(run):
    features = run.artifact("features")
    assert sample_trials.python_func(run.fingerprinted.request, features, run.history, 4) == [""]
