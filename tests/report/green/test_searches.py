from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tests.report.green.samples import cheap_trial
from tests.report.green.samples import report_of
from tests.report.green.samples import searches
from tests.report.green.samples import trial
from xautolm_core.report.green.attempts import attempts_of
from xautolm_core.report.green.green_report import comparisons_of
from xautolm_core.report.green.page import beside_winner
from xautolm_core.report.green.searches import RunFigures
from xautolm_core.report.green.searches import energy_front
from xautolm_core.report.green.searches import searches_of


def test_the_winner_and_the_best_smaller_model() -> None:
    one = next(s for s in searches_of(attempts_of(searches())) if s.search_id == "one")
    assert one.winner is not None
    assert one.winner.trial_number == 1
    assert one.smaller is not None
    assert one.smaller.trial_number == 0
    assert [a.trial_number for a in one.front] == [0, 1]
    assert one.unmetered == 1


def test_a_cheap_winner_stands_beside_the_best_language_model() -> None:
    tried = [cheap_trial(0, f1=0.9, joules=3.0), trial(1, f1=0.8), trial(2, f1=0.85, joules=400.0)]
    (one,) = searches_of(attempts_of(tried))
    rows = beside_winner(one)
    assert [row.what for row in rows] == ["chosen, trial 0", "best language model, trial 2"]
    assert [row.is_winner for row in rows] == [True, False]
    assert one.smaller is None


def test_a_run_folder_says_which_trial_was_chosen() -> None:
    runs = {"one": RunFigures(Path("run-1"), 0, {0: 0.79, 6: 0.77})}
    tried = [*searches(), cheap_trial(6, f1=0.78, joules=2.0)]
    one = next(s for s in searches_of(attempts_of(tried), runs) if s.search_id == "one")
    assert one.winner is not None
    assert one.winner.trial_number == 0
    assert one.smaller is None
    rows = beside_winner(one)
    assert [row.what for row in rows] == ["chosen, trial 0", "best cheap candidate, trial 6"]
    assert [row.test_score for row in rows] == [0.79, 0.77]
    assert (rows[1].model, rows[1].joules) == ("TF-IDF, logistic regression", 2.0)


def test_a_run_without_a_model_has_no_winner() -> None:
    runs = {"one": RunFigures(Path("run-1"), None)}
    one = next(s for s in searches_of(attempts_of(searches()), runs) if s.search_id == "one")
    assert one.winner is None
    assert beside_winner(one) == []


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0.1, 1e6)), max_size=12))
def test_nothing_is_better_for_less_than_what_is_on_the_front(
    points: list[tuple[float, float]],
) -> None:
    attempts = attempts_of(trial(n, f1=f1, joules=j) for n, (f1, j) in enumerate(points))
    front = energy_front(attempts)
    assert bool(front) == bool(points)
    for one in front:
        for other in attempts:
            better = (other.score or 0) >= (one.score or 0) and (other.joules or 0) <= (
                one.joules or 0
            )
            strictly = other.score != one.score or other.joules != one.joules
            assert not (better and strictly)


def test_a_comparison_names_both_searches_and_claims_no_saving() -> None:
    (found,) = comparisons_of(report_of(searches()).searches)
    assert (found.earlier, found.later) == ("one", "two")
    assert found.joules_difference == 90.0 - 450.0
    assert found.score_difference is not None
    assert round(found.score_difference, 6) == 0.01
    assert found.is_clear
    assert found.obstacles == ("some attempts have no reading", "4 and 1 trials")


def test_a_difference_within_the_uncertainty_is_not_clear() -> None:
    close = [
        trial(0, search="a", joules=100.0, quality="C"),
        trial(1, search="b", joules=140.0, quality="C"),
    ]
    (found,) = comparisons_of(report_of(close).searches)
    assert not found.is_clear
    assert found.obstacles == ()


def test_without_a_reading_there_is_no_difference() -> None:
    blind = [trial(0, search="a", joules=None), trial(1, search="b")]
    (found,) = comparisons_of(report_of(blind).searches)
    assert found.joules_difference is None
    assert not found.is_clear
