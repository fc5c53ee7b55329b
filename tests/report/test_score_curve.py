from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from tests.report.samples import START
from tests.report.samples import record
from tests.report.samples import search_result
from xautolm_core.records.outcome import Outcome
from xautolm_core.report.score_curve import curve_plot
from xautolm_core.report.score_curve import score_curve
from xautolm_core.search.contract import SearchResult
from xautolm_core.search.contract import TrialRecord
from xautolm_core.search.records import choose_best

_METHODS = ("tfidf", "linear_probe_tfidf", "full", "lora")


def _trial(
    number: int, launched: float, seconds: float, f1: float | None, outcome: Outcome = Outcome.OK
) -> TrialRecord:
    """Return a trial that was launched so many seconds after the search began."""
    one = record(number, f1=f1, outcome=outcome, method=_METHODS[number % len(_METHODS)])
    began = START + timedelta(seconds=launched)
    times = {"launched_at": began, "ended_at": began + timedelta(seconds=seconds)}
    return replace(one, result=one.result.model_copy(update=times))


def _result(records: list[TrialRecord], seconds: float) -> SearchResult:
    best = choose_best(records)
    found = search_result(
        Path("run"), records=records, best=None if best is None else best.number, other_f1=None
    )
    return replace(found, seconds=seconds)


_ROW = st.tuples(st.floats(0, 1e4), st.floats(0.01, 500), st.one_of(st.none(), st.floats(0, 1)))
_TRIALS = st.lists(_ROW, max_size=6).map(
    lambda rows: [
        _trial(n, at, took, f1, Outcome.OK if f1 is not None else Outcome.TIMEOUT)
        for n, (at, took, f1) in enumerate(rows)
    ]
)


@settings(max_examples=30)
@given(_TRIALS, st.floats(1, 2e4))
def test_it_rises_and_ends_at_the_best_score(trials: list[TrialRecord], seconds: float) -> None:
    curve = score_curve(_result(trials, seconds))
    steps = curve.improvements
    for before, after in itertools.pairwise(steps):
        assert after.score > before.score
        assert after.seconds >= before.seconds
        assert after.added == pytest.approx(after.score - before.score)
    best = choose_best(trials)
    assert bool(steps) == (best is not None)
    if best is not None:
        assert steps[0].added is None
        assert steps[-1].score == best.values["f1"]
        assert steps[-1].seconds <= curve.end_seconds


@settings(max_examples=30)
@given(_TRIALS, st.floats(1, 2e4))
def test_pauses_shorten_the_axis_to_the_time_of_the_search_and_trials_never(
    trials: list[TrialRecord], seconds: float
) -> None:
    curve = score_curve(_result(trials, seconds))
    spans = [(r.result.launched_at, r.result.ended_at) for r in trials]
    begin = min((a for a, _ in spans if a), default=START)
    real = max(((b - begin).total_seconds() for _, b in spans if b), default=0.0)
    lengths = [(b - a).total_seconds() for a, b in spans if a and b]
    assert curve.end_seconds + curve.pause_seconds == pytest.approx(real, abs=1e-3)
    assert curve.end_seconds >= max(lengths, default=0.0) - 1e-3
    if real <= seconds:
        assert curve.pause_seconds == pytest.approx(0, abs=1e-3)
    elif curve.end_seconds > seconds + 1e-3:
        # The trials alone take longer than the search says: then no gap is left.
        assert curve.end_seconds <= sum(lengths) + 1e-3


def test_a_night_before_the_resume_does_not_count() -> None:
    night = 40_000.0
    trials = [
        _trial(0, 0, 2, 0.5),
        _trial(1, 5, 10, 0.6),
        # Lost with its machine: that it had ended was noticed in the morning.
        _trial(2, 16, night, None, Outcome.INFRA),
        _trial(3, night + 20, 30, 0.7),
    ]
    curve = score_curve(_result(trials, 60.0))
    assert [step.record.number for step in curve.improvements] == [0, 1, 3]
    assert curve.end_seconds == pytest.approx(60.0)
    assert [step.seconds for step in curve.improvements] == pytest.approx([2, 15, 60])


def test_a_model_that_was_beaten_and_deleted_was_in_hand_at_the_time() -> None:
    beaten = _trial(0, 0, 2, 0.5)
    beaten = replace(beaten, result=beaten.result.model_copy(update={"model_folder": None}))
    curve = score_curve(_result([beaten, _trial(1, 3, 2, 0.9)], 60.0))
    assert [step.record.number for step in curve.improvements] == [0, 1]


@settings(max_examples=30)
@given(_TRIALS.filter(lambda trials: choose_best(trials) is not None), st.booleans())
def test_the_plot_is_well_formed_and_everything_lies_inside(
    trials: list[TrialRecord], is_narrow: bool
) -> None:
    curve = score_curve(_result(trials, 2e4))
    width, height = (360, 340) if is_narrow else (960, 360)
    plot = curve_plot(curve, cheap_score=0.25, chosen=0, name="c", width=width, height=height)
    svg = ET.fromstring(str(plot))
    for circle in svg.iter("circle"):
        assert 0 <= float(circle.attrib["cx"]) <= width
        assert 0 <= float(circle.attrib["cy"]) <= height
    for text in svg.iter("text"):
        assert 0 <= float(text.attrib["x"]) <= width
        assert 0 <= float(text.attrib["y"]) <= height
    assert len(list(svg.iter("circle"))) == len(curve.improvements)
    labelled = svg.attrib["aria-labelledby"].split()
    assert {element.attrib.get("id") for element in svg} >= set(labelled)


def test_each_improvement_has_its_trial_and_method_in_plot_and_words() -> None:
    trials = [_trial(0, 0, 2, 0.5), _trial(1, 40, 10, 0.6), _trial(2, 80, 30, 0.7)]
    plot = curve_plot(score_curve(_result(trials, 200)), cheap_score=0.6, chosen=2, name="c")
    svg = ET.fromstring(str(plot))
    words = {text.text for text in svg.iter("text")}
    assert {"#0 TF-IDF", "#1 probe + TF-IDF", "#2 full"} <= words
    described = svg.findtext("desc") or ""
    assert "0.7000 after 1 min 50 s (trial 2, full)" in described
    assert "best cheap candidate has 0.6000" in described
