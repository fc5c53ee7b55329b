"""Laws of the replay benchmark's figures."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.replay.headlines import above_front
from benchmarks.replay.headlines import peak_gain
from benchmarks.replay.measures import bootstrap_interval
from benchmarks.replay.measures import brier
from benchmarks.replay.measures import hypervolume_of
from benchmarks.replay.measures import measure
from benchmarks.replay.measures import reliability
from benchmarks.replay.problem import Scale
from benchmarks.replay.transfer_only import improvements
from benchmarks.replay.transfer_only import normal_scores

SCALE = Scale(0.2, 0.9, math.log(1.0), math.log(100.0))

trials = st.lists(
    st.tuples(st.none() | st.floats(0, 1), st.floats(0.5, 200)), min_size=1, max_size=25
)
points = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), max_size=8)


def columns(found: list[tuple[float | None, float]]) -> dict[str, list[float | int | None]]:
    return {
        "number": list(range(len(found))),
        "score": [score for score, _ in found],
        "seconds": [seconds for _, seconds in found],
        "sampler_ms": [1.0] * len(found),
    }


@given(trials)
def test_hypervolume_never_falls_and_regret_never_rises(
    found: list[tuple[float | None, float]],
) -> None:
    measured = measure(columns(found), SCALE)
    assert (np.diff(measured.hypervolumes) >= 0).all()
    assert (np.diff(measured.regrets) <= 0).all()
    failed = [seconds for score, seconds in found if score is None]
    assert measured.wasted_seconds == pytest.approx(sum(failed))
    assert measured.error_ratio == pytest.approx(len(failed) / len(found))


@given(trials)
def test_each_hypervolume_is_that_of_all_successes_so_far(
    found: list[tuple[float | None, float]],
) -> None:
    measured = measure(columns(found), SCALE)
    for count in range(1, len(found) + 1):
        units = [SCALE.unit(s, t) for s, t in found[:count] if s is not None]
        assert measured.hypervolumes[count - 1] == pytest.approx(hypervolume_of(units))


@given(points, st.tuples(st.floats(0, 1), st.floats(0, 1)))
def test_improvement_is_the_difference_of_hypervolumes(
    front: list[tuple[float, float]], point: tuple[float, float]
) -> None:
    gained = improvements(np.asarray(front).reshape(-1, 2), np.asarray([point]))[0]
    expected = hypervolume_of([*front, point]) - hypervolume_of(front)
    assert gained == pytest.approx(expected, abs=1e-9)


def test_the_scale_puts_its_extremes_at_0_and_1() -> None:
    assert SCALE.unit(0.2, 100.0) == pytest.approx((0, 0))
    assert SCALE.unit(0.9, 1.0) == pytest.approx((1, 1))
    assert SCALE.unit(0.55, 10.0) == pytest.approx((0.5, 0.5))


def test_the_whole_table_counts_as_1() -> None:
    scale = Scale(0.0, 1.0, 0.0, 1.0, whole=0.25)
    measured = measure(columns([(None, 1.0), (0.5, math.exp(0.5))]), scale)
    assert measured.hypervolumes.tolist() == pytest.approx([0.0, 1.0])
    assert measured.regrets.tolist() == pytest.approx([1.0, 0.5])


def test_late_errors_are_those_of_trials_asked_for_after_ten() -> None:
    found: list[tuple[float | None, float]] = [(None, 1.0)] * 10 + [(0.5, 1.0)] * 3 + [(None, 1.0)]
    assert measure(columns(found), SCALE).late_error_ratio == pytest.approx(0.25)


def test_intervals_hold_the_mean_and_shrink_with_the_spread() -> None:
    generator = np.random.default_rng(3)
    wide = generator.normal(0.3, 1.0, (20, 3))
    ends = [bootstrap_interval(v, np.random.default_rng(0)) for v in (wide, 0.1 * wide)]
    for (low, high), values in zip(ends, (wide, 0.1 * wide), strict=True):
        assert low < values.mean() < high
    assert ends[1][1] - ends[1][0] < 0.2 * (ends[0][1] - ends[0][0])
    wide[3, 1] = np.nan
    assert np.isfinite(bootstrap_interval(wide, np.random.default_rng(0))).all()


def test_reliability_counts_every_prediction_once() -> None:
    predicted = [0.0, 0.05, 0.3, 0.99, 1.0]
    failed = [False, False, True, True, True]
    bins = reliability(predicted, failed)
    assert [(low, count) for low, _, count, _, _ in bins] == [(0.0, 2), (0.3, 1), (0.9, 2)]
    assert bins[-1][3:] == pytest.approx((0.995, 1.0))
    assert brier([1.0, 0.0], [True, True]) == pytest.approx(0.5)


def test_headlines_compare_with_the_zero_shot_front() -> None:
    zero_shot = columns([(0.5, 10.0), (0.7, 50.0), (None, 5.0)])
    own = columns([(0.6, 20.0), (0.6, 60.0), (0.8, 90.0), (None, 1.0)])
    assert above_front(own, zero_shot) == pytest.approx(2 / 3)
    assert above_front(zero_shot, zero_shot) == 1.0
    assert peak_gain(own, zero_shot) == pytest.approx(0.1)


def test_normal_scores_keep_the_order_and_share_ties() -> None:
    z = normal_scores(np.asarray([3.0, -np.inf, np.nan, 7.0, -np.inf]))
    assert np.isnan(z[2])
    assert z[1] == z[4] < z[0] < z[3]
    assert z[[0, 1, 3, 4]].mean() == pytest.approx(0, abs=0.1)
