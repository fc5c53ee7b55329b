"""The figures of ``benchmarks/search_quality.py``, computed from made-up measurements."""

from __future__ import annotations

from datetime import UTC
from datetime import datetime
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import f1_score

from benchmarks import search_quality_figures as figures

BEGIN = datetime(2026, 11, 30, 9, tzinfo=UTC)


def row(
    trial: int, method: str, launched: float, ended: float, score: float | None, **other: Any
) -> dict[str, Any]:
    return {
        "trial": trial,
        "method": method,
        "outcome": "ok",
        "chosen": False,
        "launched_at": BEGIN + timedelta(seconds=launched),
        "ended_at": BEGIN + timedelta(seconds=ended),
        "score.macro_f1": score,
        **other,
    }


ROWS = [
    row(3, "lora", 50, 90, 0.9),
    row(0, "tfidf", 5, 10, 0.6),
    row(1, "full", 10, 40, None, outcome="timeout"),
    row(2, "head", 40, 50, float("nan")),
    row(4, "full", 60, 80, 0.95, outcome="oom_host"),
    row(5, "full", 91, 99, 0.92, outcome="oom_host", chosen=True),
    row(6, "full", 99, 99, 0.99, launched_at=None, outcome="infra"),
]
TRIALS = figures.scored_trials(ROWS, begun_at=BEGIN)


def test_a_curve_knows_only_trials_that_left_a_model() -> None:
    assert figures.curve_of(TRIALS) == ((10, 0.6), (90, 0.9), (99, 0.92))
    assert figures.seconds_to(figures.curve_of(TRIALS), 0.9) == 90
    assert figures.seconds_to(figures.curve_of(TRIALS), 0.93) is None


def test_a_search_without_a_trial_has_no_curve() -> None:
    nothing = figures.scored_trials([], begun_at=BEGIN)
    assert figures.curve_of(nothing) == ()
    assert figures.time_to_target((), ((1.0, 0.5),), budget_seconds=60) is None


@pytest.mark.parametrize(
    ("target", "models"), [(0.5, 0), (0.6, 0), (0.61, 3), (0.91, 5), (0.97, None)]
)
def test_language_models_are_counted_by_launch(target: float, models: int | None) -> None:
    assert figures.language_models_until(TRIALS, target) == models


def test_a_target_that_is_missed_costs_the_whole_budget() -> None:
    cold, warm = ((50.0, 0.5), (200.0, 0.8)), ((20.0, 0.7), (301.0, 0.8))
    missed = figures.time_to_target(cold, warm, budget_seconds=300)
    assert missed is not None
    assert (missed.reached, missed.of_cold, missed.of_budget) == (False, 1.5, 1.0)
    reached = figures.time_to_target(cold, ((20.0, 0.8),), budget_seconds=300)
    assert reached is not None
    assert (reached.reached, reached.of_cold) == (True, 0.1)


@pytest.mark.parametrize(
    ("wall", "budget", "verdict"),
    [
        (64, 60, "kept"),
        (66, 60, "over"),
        (308, 300, "kept"),
        (310, 300, "over"),
        (280, 300, "early"),
    ],
)
def test_budget_verdict(wall: float, budget: float, verdict: str) -> None:
    assert figures.budget_verdict(wall, budget) == verdict


def test_the_reference_is_the_best_on_validation_of_what_fits() -> None:
    candidates: dict[str, dict[str, Any]] = {
        "tfidf": {"validation": {"macro_f1": 0.6}, "test": {"macro_f1": 0.8}},
        "joined": {"validation": {"macro_f1": 0.7}, "test": {"macro_f1": 0.6}},
        "epoch": {"validation": {"macro_f1": 0.9}, "test": {"macro_f1": 0.9}},
    }
    assert figures.reference_of(candidates, with_epoch=True)[0] == "epoch"
    assert figures.reference_of(candidates, with_epoch=False)[0] == "joined"
    candidates["epoch"] = {"seconds": 1.0}
    assert figures.reference_of(candidates, with_epoch=True)[0] == "joined"


def test_the_difference_is_that_of_scikit_learn_and_its_error_that_of_the_rows() -> None:
    generator = np.random.default_rng(1)
    names = np.array(["a", "b", "c"])
    truth = generator.choice(names, 400)
    ours = np.where(generator.random(400) < 0.8, truth, generator.choice(names, 400))
    other = np.where(generator.random(400) < 0.7, truth, generator.choice(names, 400))
    answers = figures.PairedAnswers(list(truth), list(ours), list(other))

    found = figures.paired_difference([answers])

    expected = f1_score(truth, ours, average="macro") - f1_score(truth, other, average="macro")
    assert found.mean == pytest.approx(expected)
    draws = generator.integers(400, size=(150, 400))
    slow = [
        f1_score(truth[d], ours[d], average="macro") - f1_score(truth[d], other[d], average="macro")
        for d in draws
    ]
    assert found.standard_error == pytest.approx(np.std(slow), rel=0.2)
    # Equal seeds on the same rows say nothing new; seeds on rows of their own do.
    assert figures.paired_difference([answers, answers]).standard_error == pytest.approx(
        found.standard_error
    )
    turned = figures.PairedAnswers(*(list(column[::-1]) for column in (truth, ours, other)))
    assert figures.paired_difference([answers, turned]).standard_error < 0.8 * found.standard_error


def test_only_what_the_rows_cannot_explain_is_clearly_below() -> None:
    assert figures.Difference(-0.021, 0.01).clearly_below
    assert not figures.Difference(-0.019, 0.01).clearly_below


def test_the_interval_draws_sets_and_seeds() -> None:
    mean, low, high = figures.interval([[0.1, 0.3], [0.5]])
    assert mean == pytest.approx(0.35)
    # The first set twice, once with its lower seed alone: 5 of 64 draws are there or below.
    assert (low, high) == (pytest.approx(0.15), pytest.approx(0.5))
    with pytest.raises(ValueError, match="without"):
        figures.interval([[]])
