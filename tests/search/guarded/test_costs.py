"""Seconds that were estimated before a trial tell which of two configurations is quicker."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.search import spaces
from xautolm_core.records.configuration import Configuration
from xautolm_core.records.experience import ExperiencePlan
from xautolm_core.search.history import History
from xautolm_core.search.resource_load import ResourceLoad
from xautolm_core.search.samplers.guarded.costs import RelativeCosts
from xautolm_core.search.samplers.guarded.costs import relative_costs
from xautolm_core.search.samplers.guarded.design import DesignSpace
from xautolm_core.search.samplers.guarded.kernel import KernelScales
from xautolm_core.search.samplers.guarded.kernel import covariance
from xautolm_core.search.samplers.guarded.structures import Observations
from xautolm_core.search.samplers.guarded.structures import StructureSet
from xautolm_core.search.samplers.probabilistic_model import UniformChooser
from xautolm_core.space.draw import draw

SPACE = spaces.space()


def load(tried: Configuration) -> ResourceLoad:
    """Return a load by epochs and model; nothing of it is learnt by the covariance of a few."""
    epochs = tried.parameters["epochs"]
    assert isinstance(epochs, int)
    slow = 3.0 if tried.model == "org/large" else 1.0
    return ResourceLoad(log_memory=-1.0, seconds=slow * epochs)


def draws(seed: int, count: int) -> list[Configuration]:
    chooser = UniformChooser(np.random.default_rng(seed))
    return [draw(SPACE, chooser) for _ in range(count)]


def test_costs_are_relative_to_what_can_run():
    costs = RelativeCosts(SPACE, load)
    found = costs.of_configurations(draws(1, 400))
    assert costs.are_known
    assert abs(found.mean()) < 0.2 and found.std() == pytest.approx(1.0, abs=0.2)
    scaled = RelativeCosts(SPACE, lambda one: ResourceLoad(0.0, seconds=load(one).seconds * 9))
    np.testing.assert_allclose(scaled.of_configurations(draws(1, 400)), found, atol=1e-9)


@pytest.mark.parametrize("unknown", [None, lambda _: ResourceLoad()])
def test_what_is_not_estimated_is_zero(unknown):
    costs = RelativeCosts(SPACE, unknown)
    assert not costs.are_known
    assert costs.of_configurations(draws(1, 5)).tolist() == [0.0] * 5
    experiences = [spaces.experience(one, number=n) for n, one in enumerate(draws(1, 5))]
    assert relative_costs(History.of(experiences)).tolist() == [0.0] * 5


def test_costs_of_experiences_do_not_depend_on_what_they_were_allowed():
    tried = draws(5, 12)
    plans = [
        ExperiencePlan(estimated_seconds=load(one).seconds, allowed_seconds=float(10 + 7 * n))
        for n, one in enumerate(tried)
    ]
    experiences = [
        spaces.experience(one, number=n).model_copy(update={"plan": plan})
        for n, (one, plan) in enumerate(zip(tried, plans, strict=True))
    ]
    times = np.log([load(one).seconds for one in tried])
    expected = (times - times.mean()) / times.std()
    found = relative_costs(History.of(experiences))
    np.testing.assert_allclose(np.sort(found), np.sort(expected), atol=1e-6)


def test_few_trials_tell_the_seconds_of_all_others():
    layout = DesignSpace(SPACE, load=load)
    tried, others = draws(2, 4), draws(3, 60)
    design = layout.of_configurations([*tried, *others])
    truth = np.asarray([math.log(load(one).seconds) for one in others])
    observed = Observations(-design.cost[:4], np.zeros(4))

    def agreement(share: float) -> float:
        scales = KernelScales.usual(layout, cost_share=share)
        expected = StructureSet(scales, None).beliefs(design, observed).average()[4:]
        return float(np.corrcoef(-expected, truth)[0, 1])

    assert agreement(0.5) > 0.9
    assert agreement(0.5) > agreement(0.0) + 0.1


def test_the_covariance_with_costs_is_one():
    layout = DesignSpace(SPACE, load=load)
    design = layout.of_configurations(draws(4, 40))
    scales = KernelScales.usual(layout, cost_share=0.4)
    matrix = covariance(design, design, scales)
    assert np.linalg.eigvalsh(matrix).min() > -1e-9
    np.testing.assert_allclose(np.diag(matrix), scales.variances(design), atol=1e-9)
