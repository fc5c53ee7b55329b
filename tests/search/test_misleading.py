"""A history that contradicts what comes out is noticed, and noted once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.search.explaining import explain_draws
from tests.search.explaining import explanation
from tests.search.instant import InstantLauncher
from tests.search.instant import Silent
from xautolm_core.search.explanation import TrialExplanation
from xautolm_core.search.misleading import ENOUGH_TRIALS
from xautolm_core.search.misleading import LEAST_WEIGHT
from xautolm_core.search.misleading import misleading_history
from xautolm_core.search.runner import run_search

_weights = st.none() | st.floats(0.0, 1.0)


def _explanations(weights):
    return [None if w is None else explanation(0, history=w) for w in weights]


@given(st.lists(_weights, max_size=16))
def test_it_is_said_of_a_history_that_lost_its_weight(weights):
    warning = misleading_history(_explanations(weights))
    known = [weight for weight in weights if weight is not None]
    is_misleading = (
        len(known) > ENOUGH_TRIALS
        and weights[-1] is not None
        and weights[-1] < LEAST_WEIGHT
        and max(known) >= LEAST_WEIGHT
    )
    near = any(abs(weight - LEAST_WEIGHT) < 1e-9 for weight in known)
    assert near or (warning is not None) == is_misleading
    assert warning is None or "--cold" in warning


def test_samplers_that_weigh_nothing_say_nothing():
    assert misleading_history([]) is None
    assert misleading_history([TrialExplanation()] * 20) is None


def test_a_search_notes_it_once(make_spec, tmp_path, monkeypatch):
    explain_draws(monkeypatch, history=0.05)
    for trials, resume in ((ENOUGH_TRIALS, False), (ENOUGH_TRIALS + 3, True)):
        observer = Silent()
        result = run_search(
            make_spec(sampler="random", max_trials=trials),
            tmp_path / "run",
            launcher=InstantLauncher(),
            observer=observer,
            resume=resume,
            with_test=False,
        )
        told = [note for note in result.notes if "history misleads" in note]
        assert len(told) == int(resume)
        assert sum("history misleads" in note for note in observer.notes) == int(resume)
