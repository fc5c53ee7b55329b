from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.search import spaces
from xautolm_core.search.samplers.probabilistic_model import Bernoulli
from xautolm_core.search.samplers.probabilistic_model import CategoricalWeights
from xautolm_core.search.samplers.probabilistic_model import Gaussian
from xautolm_core.search.samplers.probabilistic_model import ModelChooser
from xautolm_core.search.samplers.probabilistic_model import ProbabilisticModel
from xautolm_core.search.samplers.probabilistic_model import floored_probabilities
from xautolm_core.search.samplers.probabilistic_model import value_key
from xautolm_core.search.samplers.updates import Observation
from xautolm_core.search.samplers.updates import update
from xautolm_core.space.draw import draw

RATE = "encoder-full.learning_rate"
EPOCHS = "encoder-full.epochs"
WEIGHTED = "encoder-full.class_weighted_loss"


@pytest.fixture
def model() -> ProbabilisticModel:
    return ProbabilisticModel.initial(spaces.space())


def categorical(model, handle=RATE) -> list[float]:
    return list(model.distributions[handle].weights.values())


def test_the_initial_model_is_uniform(model):
    assert model.branches == {"encoder-full": 1.0, "encoder-lora": 1.0}
    assert categorical(model) == pytest.approx([1 / 3] * 3)
    # [1, 10]: mean 5.5, deviation 9.
    assert model.distributions[EPOCHS] == Gaussian(mean=5.5, deviation=9.0, low=1, high=10)
    assert model.distributions[WEIGHTED] == Bernoulli(0.5)


def test_branches_of_a_group_share_one_distribution_of_models(model):
    update(model, [Observation("encoder-lora", {"encoder.model": "org/large"})], 0.5)
    # 0.5 and 0.5 + 0.5, divided by 1.5.
    assert categorical(model, "encoder.model") == pytest.approx([1 / 3, 2 / 3])
    assert sum("model" in handle for handle in model.distributions) == 1


def test_every_rule_by_hand(model):
    observations = [
        Observation("encoder-full", {RATE: 1e-5, EPOCHS: 2, WEIGHTED: True}),
        Observation("encoder-full", {RATE: 1e-5, EPOCHS: 6, WEIGHTED: False}),
        Observation("encoder-full", {RATE: 1e-4, EPOCHS: 4, WEIGHTED: True}),
    ]
    update(model, observations, 0.1)
    # Fine-tuner: 1 + 0.1 * 3 picks.
    assert model.branches == {"encoder-full": pytest.approx(1.3), "encoder-lora": 1.0}
    # Categorical: 1/3 + 0.2, 1/3, 1/3 + 0.1, divided by their sum 1.3.
    assert categorical(model) == pytest.approx([0.5333333 / 1.3, 0.3333333 / 1.3, 0.4333333 / 1.3])
    # Whole number: mean 0.9 * 5.5 + 0.1 * 4 = 5.35; std of (2, 6, 4) = 1.6329932,
    # deviation 0.9 * 9 + 0.1 * 1.6329932 = 8.26329932.
    gaussian = model.distributions[EPOCHS]
    assert (gaussian.mean, gaussian.deviation) == pytest.approx((5.35, 8.26329932))
    # Switch: 0.9 * 0.5 + 0.1 * 2/3 = 0.5166667.
    assert model.distributions[WEIGHTED].probability == pytest.approx(0.5166667)


def test_a_negative_rate_moves_away_by_hand(model):
    update(model, [Observation("encoder-lora", {"encoder-lora.learning_rate": 5e-5})], -0.02)
    assert model.branches["encoder-lora"] == pytest.approx(0.98)
    # 1/3 - 0.02 = 0.3133333, divided by 0.98.
    found = categorical(model, "encoder-lora.learning_rate")
    assert found == pytest.approx([0.3401361, 0.3197279, 0.3401361], abs=1e-6)
    update(model, [Observation("encoder-full", {EPOCHS: 10, WEIGHTED: True})], -0.5)
    # Mean 1.5 * 5.5 - 0.5 * 10 = 3.25, deviation 1.5 * 9 - 0.5 * 0 = 13.5, p 0.75 - 0.5 = 0.25.
    gaussian = model.distributions[EPOCHS]
    assert (gaussian.mean, gaussian.deviation) == pytest.approx((3.25, 13.5))
    assert model.distributions[WEIGHTED].probability == pytest.approx(0.25)


def test_a_single_value_has_no_deviation(model):
    update(model, [Observation("encoder-full", {EPOCHS: 8})], 0.05)
    # Mean 0.95 * 5.5 + 0.05 * 8 = 5.625; deviation 0.95 * 9 + 0.05 * 0 = 8.55.
    gaussian = model.distributions[EPOCHS]
    assert (gaussian.mean, gaussian.deviation) == pytest.approx((5.625, 8.55))


def test_a_whole_number_can_be_drawn_after_any_number_of_failures(model):
    for _ in range(40_000):
        update(model, [Observation("encoder-full", {EPOCHS: 3})], -0.02)
    gaussian = model.distributions[EPOCHS]
    assert gaussian.deviation == float("inf")
    generator = np.random.default_rng(0)
    assert {gaussian.draw(generator) for _ in range(50)} <= set(range(1, 11))


def test_nothing_is_learnt_of_handles_that_are_not_observed(model):
    before = ProbabilisticModel.initial(spaces.space())
    update(model, [Observation("encoder-full", {"elsewhere.rate": 3, RATE: 7e-5})], 0.3)
    assert categorical(model) == pytest.approx(categorical(before))
    assert model.distributions[EPOCHS] == before.distributions[EPOCHS]


def test_negative_weights_are_clipped_when_sampling():
    assert floored_probabilities([-3.0, 1.0]) == pytest.approx([0.001 / 1.001, 1 / 1.001])


def test_true_is_not_one():
    assert value_key(True) != value_key(1)
    assert value_key(0) == value_key(0.0)
    weights = CategoricalWeights.uniform((True, 1))
    assert weights.probabilities((True, 1)) == pytest.approx([0.5, 0.5])


rates = st.floats(-1.0, 1.0)
picks = st.tuples(
    st.sampled_from(["encoder-full", "encoder-lora"]),
    st.sampled_from(spaces.RATES),
    st.integers(1, 10),
    st.booleans(),
    rates,
)


@given(st.lists(picks, max_size=40))
def test_probabilities_stay_probabilities_after_any_updates(sequence):
    model = ProbabilisticModel.initial(spaces.space())
    for name, rate, epochs, weighted, alpha in sequence:
        seen = {
            f"{name}.learning_rate": rate,
            f"{name}.epochs": epochs,
            f"{name}.class_weighted_loss": weighted,
        }
        update(model, [Observation(name, seen)], alpha)
    for distribution in model.distributions.values():
        if isinstance(distribution, CategoricalWeights):
            weights = list(distribution.weights.values())
            assert sum(weights) == pytest.approx(1.0)
            choices = [value for _, value in distribution.weights]
            found = distribution.probabilities(choices)
            assert (found > 0).all()
            assert found.sum() == pytest.approx(1.0)
        elif isinstance(distribution, Bernoulli):
            assert 0 < distribution.clipped < 1
    branches = model.branch_probabilities()
    assert min(branches.values()) > 0
    assert sum(branches.values()) == pytest.approx(1.0)
    drawn = draw(spaces.space(), ModelChooser(model, np.random.default_rng(0)))
    assert spaces.space().contains(drawn)


def test_every_value_keeps_some_probability_however_much_was_learnt():
    model = ProbabilisticModel.initial(spaces.space())
    seen = {RATE: 1e-5, EPOCHS: 1, WEIGHTED: True, "encoder.model": "org/small"}
    for _ in range(200):
        update(model, [Observation("encoder-full", seen)], 0.5)
        update(model, [Observation("encoder-lora")], -0.5)
    generator = np.random.default_rng(1)
    drawn = [draw(spaces.space(), ModelChooser(model, generator)) for _ in range(20_000)]
    assert {d.branch for d in drawn} == {"encoder-full", "encoder-lora"}
    assert {d.model for d in drawn} == set(spaces.MODELS)
    assert {d.parameters["learning_rate"] for d in drawn} == set(spaces.RATES)
