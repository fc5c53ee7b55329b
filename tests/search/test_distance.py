from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tests.search import spaces
from xautolm_core.search.history import History
from xautolm_core.search.samplers.distance import cosine
from xautolm_core.search.samplers.distance import euclidean
from xautolm_core.search.samplers.distance import feature_space
from xautolm_core.search.samplers.normalize import log_min_max
from xautolm_core.search.samplers.normalize import min_max
from xautolm_core.search.samplers.normalize import normalize
from xautolm_core.search.samplers.normalize import standardize

number = st.floats(-1e4, 1e4).map(lambda x: round(x, 3))
vector = arrays(float, 4, elements=number)


def one(metric, a, b):
    return float(metric(np.asarray([a]), np.asarray(b))[0])


def test_distances_by_hand():
    assert one(euclidean, [0.0, 0.0], [3.0, 4.0]) == 5.0
    assert one(cosine, [1.0, 0.0], [1.0, 1.0]) == pytest.approx(1 - 0.5**0.5)
    assert one(cosine, [1.0, 0.0], [-2.0, 0.0]) == 2.0
    assert one(cosine, [0.0, 0.0], [0.0, 0.0]) == 0.0
    assert one(cosine, [0.0, 0.0], [1.0, 0.0]) == 1.0


@given(vector, vector, vector)
def test_euclidean_is_a_metric(a, b, c):
    assert one(euclidean, a, b) == one(euclidean, b, a) >= 0
    assert one(euclidean, a, a) == 0
    tolerance = 1e-6 * (1 + one(euclidean, a, c))
    assert one(euclidean, a, c) <= one(euclidean, a, b) + one(euclidean, b, c) + tolerance


@given(vector, vector)
def test_cosine_is_symmetric_and_bounded(a, b):
    assert one(cosine, a, b) == pytest.approx(one(cosine, b, a))
    assert 0 <= one(cosine, a, b) <= 2


def test_normalisers_by_hand():
    matrix = np.asarray([[1.0, 5.0], [3.0, 5.0]])
    # Mean 2, standard deviation 1; the constant column becomes 0.
    assert standardize(matrix).tolist() == [[-1.0, 0.0], [1.0, 0.0]]
    # log(1 + x) of 0, 1, 3 is 0, 0.693, 1.386: the middle is exactly half way.
    logarithms = log_min_max(np.asarray([[0.0], [1.0], [3.0]]))
    assert logarithms.ravel() == pytest.approx([0.0, 0.5, 1.0])
    assert min_max(np.asarray([2.0, 4.0, 3.0])).tolist() == [0.0, 1.0, 0.5]
    assert min_max(np.asarray([2.0, 2.0])).tolist() == [0.0, 0.0]
    assert normalize(matrix, "none") is matrix


@given(arrays(float, (5, 3), elements=number))
def test_normalised_columns_have_their_scale(matrix):
    scaled = log_min_max(matrix)
    assert ((scaled >= 0) & (scaled <= 1)).all()
    assert np.abs(standardize(matrix).mean(axis=0)).max() < 1e-6


def test_features_are_matched_by_name_and_gaps_are_neutral():
    past = [
        spaces.experience(spaces.configuration(), features=(1.0, 10.0)),
        spaces.experience(spaces.configuration(), number=1, features=(None, 30.0)),
    ]
    found = feature_space(
        History.of(past), spaces.task_features(3.0, 20.0, None), spaces.system_features(8.0)
    )
    # The third feature is unknown here and left out; the gap gets the mean of 1 and 3.
    assert found.current.tolist() == [3.0, 20.0, 8.0]
    assert found.vectors[found.codes].tolist() == [[1.0, 10.0, 2.0], [2.0, 30.0, 2.0]]
