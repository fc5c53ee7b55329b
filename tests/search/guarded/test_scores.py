"""Normal scores, what they are worth, and bounds on them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtri
from scipy.stats import truncnorm

from xautolm_core.search.contract import Objective
from xautolm_core.search.samplers.guarded.censoring import below
from xautolm_core.search.samplers.guarded.predictions import OutcomeScale
from xautolm_core.search.samplers.guarded.scores import ValueCurve
from xautolm_core.search.samplers.guarded.scores import normal_scores

VALUES = st.lists(st.integers(-(10**6), 10**6).map(float), min_size=1, max_size=40)


@given(VALUES)
def test_normal_scores_depend_on_ranks_alone(values):
    array = np.asarray(values)
    scores = normal_scores(array)
    assert (np.argsort(scores, kind="stable") == np.argsort(array, kind="stable")).all()
    np.testing.assert_allclose(normal_scores(-array), -scores, atol=1e-9)
    np.testing.assert_allclose(normal_scores(array / 4 - 2e6), scores, atol=1e-9)


def test_outcomes_within_the_noise_nearly_share_a_rank():
    alike = 0.75 + 1e-4 * np.arange(30)
    values = np.append(alike, [0.60, 0.85])
    exact, noisy = normal_scores(values), normal_scores(values, noise=0.01)
    assert np.ptp(exact[:30]) > 3.0 and np.ptp(noisy[:30]) < 0.5
    assert noisy[30] < noisy[:30].min() - 1.0 and noisy[31] > noisy[:30].max() + 1.0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.floats(0.001, 0.2))
def test_noise_keeps_the_order(values, noise):
    array = np.asarray(values)
    scores = normal_scores(array, noise=noise)
    order = np.argsort(array, kind="stable")
    assert np.isfinite(scores).all() and (np.diff(scores[order]) >= -1e-9).all()


def test_many_values_are_ranked_among_evenly_spaced_ones():
    values = np.random.default_rng(0).normal(size=3_000)
    few = normal_scores(values)
    ranks = values.argsort().argsort() + 0.5
    np.testing.assert_allclose(few, ndtri(ranks / 3_000), atol=0.35)
    assert np.abs(few - ndtri(ranks / 3_000)).mean() < 0.01


def test_what_has_no_value_has_no_rank():
    scores = normal_scores(np.asarray([np.nan, 1.0, 2.0]))
    assert np.isnan(scores[0]) and scores[1] == -scores[2]


@given(st.lists(VALUES, max_size=5))
def test_a_better_score_is_worth_more(samples):
    curve = ValueCurve([np.asarray(one) for one in samples])
    worth = curve(np.linspace(-3, 3, 50))
    assert (np.diff(worth) > 0).all()
    assert -0.2 < worth[0] < 0.5 < worth[-1] < 1.2


@pytest.mark.parametrize(
    ("bound", "mean", "spread"), [(0.0, 0.0, 1.0), (-2.0, 1.0, 0.5), (3.0, 0.0, 1.0)]
)
def test_a_variable_below_a_bound_has_the_moments_of_a_truncated_normal(bound, mean, spread):
    found, variance = below(np.asarray([bound]), np.asarray([mean]), np.asarray([spread**2]))
    exact = truncnorm(-np.inf, (bound - mean) / spread, loc=mean, scale=spread)
    assert found[0] == pytest.approx(exact.mean(), abs=1e-6)
    assert variance[0] == pytest.approx(max(exact.var(), 0.02 * spread**2), rel=1e-3)


def test_far_above_a_bound_the_expectation_stays_below_it():
    found, variance = below(np.asarray([-1.0]), np.asarray([60.0]), np.asarray([1.0]))
    assert found[0] <= -1.0 and np.isfinite(variance[0])


def test_predictions_come_to_the_scale_of_the_own_trials():
    generator = np.random.default_rng(0)
    earlier = [generator.normal(0.5 + shift, 0.1, 40) for shift in (-0.1, 0.0, 0.1)]
    scale = OutcomeScale(Objective.F1, earlier)
    nothing = np.zeros(0)
    before = scale.prediction(nothing, nothing, nothing, 0.0, 0.5)
    scores = generator.standard_normal(30)
    after = scale.prediction(0.8 + 0.05 * scores, scores, scores, 1.0, 0.1)
    assert before is not None and after is not None
    assert before.low < 0.5 < before.high and before.median == pytest.approx(0.5, abs=0.03)
    assert after.median == pytest.approx(0.85, abs=0.02)
    assert after.high - after.low < before.high - before.low


def test_seconds_are_predicted_by_their_logarithm():
    scores = np.linspace(-1, 1, 20)
    scale = OutcomeScale(Objective.TIME, [])
    found = scale.prediction(-np.log(100.0) + scores, scores, scores, 0.0, 0.01)
    assert found is not None and found.low < found.median < found.high
    assert found.median == pytest.approx(100.0, rel=0.1)


def test_without_anything_to_tell_the_scale_nothing_is_predicted():
    nothing = np.zeros(0)
    assert OutcomeScale(Objective.F1, []).prediction(nothing, nothing, nothing, 0.0, 1.0) is None
