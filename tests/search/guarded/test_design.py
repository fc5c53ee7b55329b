"""Configurations as arrays, and their covariance."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from tests.search import spaces
from xautolm_core.search.history import History
from xautolm_core.search.samplers.guarded.design import Design
from xautolm_core.search.samplers.guarded.design import DesignSpace
from xautolm_core.search.samplers.guarded.kernel import KernelScales
from xautolm_core.search.samplers.guarded.kernel import covariance
from xautolm_core.search.samplers.probabilistic_model import UniformChooser
from xautolm_core.space.draw import draw
from xautolm_core.space.load import load_space

STARTER = load_space("starter", offline=True)


def with_foreign_experiences(seed: int, count: int) -> tuple[Design, KernelScales]:
    """Return experiences of which each lacks some hyper-parameters, and the usual scales."""
    generator = np.random.default_rng(seed)
    chooser = UniformChooser(generator)
    experiences = []
    for number in range(count):
        one = draw(STARTER, chooser)
        kept = {n: v for n, v in one.parameters.items() if generator.random() < 0.7}
        if number % 5 == 0:
            kept["lr_scheduler"] = "of another space"
        foreign = one.model_copy(update={"parameters": kept})
        experiences.append(spaces.experience(foreign, number=number))
    history = History.of(experiences)
    layout = DesignSpace(STARTER, history)
    return layout.of_history(history), KernelScales.usual(layout)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.05, 3.0), st.floats(0.0, 1.0))
def test_covariances_of_a_conditional_space_are_positive_semi_definite(seed, stretch, linear):
    """Also of configurations that lack hyper-parameters, as experiences of other spaces do."""
    design, scales = with_foreign_experiences(seed, 120)
    scales = scales.stretched(stretch).with_linear(linear)
    matrix = covariance(design, design, scales)
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-12)
    np.testing.assert_allclose(np.diag(matrix), scales.variances(design), atol=1e-9)
    assert np.linalg.eigvalsh(matrix).min() > -1e-8


def test_an_experience_is_laid_out_as_the_configuration_that_it_is_of():
    space = spaces.space()
    tried = [
        spaces.configuration("encoder-lora", epochs=3, learning_rate=1e-4),
        spaces.configuration("encoder-full", epochs=1, model_name="org/large"),
    ]
    history = History.of(spaces.experience(one, number=n) for n, one in enumerate(tried))
    layout = DesignSpace(space, history)
    first, second = layout.of_configurations(tried), layout.of_history(history)
    order = [history.model.values.index(one.model) for one in tried]
    assert sorted(order) == [0, 1]
    both = Design.stack([first, second])
    keys = both.keys().tolist()
    assert sorted(keys[:2]) == sorted(keys[2:])


def test_rates_of_two_methods_compare_by_what_is_usual_for_each():
    space = spaces.space()
    tried = [
        spaces.configuration("encoder-full", learning_rate=1e-5),
        spaces.configuration("encoder-lora", learning_rate=1e-4),
    ]
    layout = DesignSpace(space)
    place = layout.number_names.index("learning_rate")
    numbers = layout.of_configurations(tried).numbers[:, place]
    assert abs(numbers[0] - numbers[1]) < 1e-9
