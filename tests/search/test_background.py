from __future__ import annotations

import threading
import time

import pytest

from tests.search.instant import InstantLauncher
from tests.search.instant import Silent
from xautolm_core.search import background
from xautolm_core.search import baseline as linear
from xautolm_core.search.contract import BaselineResult
from xautolm_core.search.runner import run_search

RESULT = BaselineResult(0.5, 0.6, 0.4, 0.5, 0.1)


def search(make_spec, tmp_path, **changes):
    observer = Silent()
    spec = make_spec(max_trials=4, **changes)
    result = run_search(
        spec, tmp_path / "run", launcher=InstantLauncher(), observer=observer, with_test=False
    )
    return result, observer


@pytest.fixture
def slow_baseline(monkeypatch):
    seen = []

    def run(task, *, seed, max_rows=0):
        seen.append(threading.current_thread().name)
        time.sleep(0.6)
        return RESULT

    monkeypatch.setattr(linear, "run_linear_baseline", run)
    return seen


def test_small_data_get_it_before_the_trials(make_spec, tmp_path, slow_baseline):
    result, observer = search(make_spec, tmp_path)
    assert result.baseline == RESULT
    assert observer.phases.index("baseline") < observer.phases.index("trials")
    assert slow_baseline == ["MainThread"]


def test_large_data_get_a_model_first(make_spec, tmp_path, slow_baseline, monkeypatch):
    monkeypatch.setattr(background, "LARGE_TRAINING_ROWS", 10)
    result, observer = search(make_spec, tmp_path)
    assert result.baseline == RESULT
    assert slow_baseline == ["baseline"]
    assert observer.phases.index("baseline") > observer.phases.index("trials")
    assert result.phase_seconds["baseline"] >= 0.6
    assert sum(result.phase_seconds.values()) <= result.seconds + 0.1


def test_a_failing_baseline_does_not_end_a_search(make_spec, tmp_path, monkeypatch):
    def fail(task, *, seed, max_rows=0):
        raise MemoryError

    monkeypatch.setattr(linear, "run_linear_baseline", fail)
    result, observer = search(make_spec, tmp_path)
    assert result.baseline is None
    assert len(result.trials) == 4
    assert any("baseline failed (MemoryError)" in note for note in observer.notes)
