"""Structures are weighed by what the own trials say of them."""

from __future__ import annotations

import numpy as np
import pytest

from tests.search import spaces
from xautolm_core.search.samplers.guarded.design import Design
from xautolm_core.search.samplers.guarded.design import DesignSpace
from xautolm_core.search.samplers.guarded.gaussian import Prior
from xautolm_core.search.samplers.guarded.gaussian import posterior
from xautolm_core.search.samplers.guarded.kernel import KernelScales
from xautolm_core.search.samplers.guarded.scores import normal_scores
from xautolm_core.search.samplers.guarded.structures import FLOOR_WITHOUT_HISTORY
from xautolm_core.search.samplers.guarded.structures import Observations
from xautolm_core.search.samplers.guarded.structures import Structure
from xautolm_core.search.samplers.guarded.structures import StructureSet
from xautolm_core.search.samplers.guarded.transfer import TaskTrials
from xautolm_core.search.samplers.probabilistic_model import UniformChooser
from xautolm_core.space.draw import draw

SPACE = spaces.space()
LAYOUT = DesignSpace(SPACE)
SCALES = KernelScales.usual(LAYOUT)
TASKS = 6


def designs(seed: int, count: int) -> Design:
    chooser = UniformChooser(np.random.default_rng(seed))
    return LAYOUT.of_configurations([draw(SPACE, chooser) for _ in range(count)])


def worth(design: Design) -> np.ndarray:
    """Return a score that depends on the epochs, the rate and the method."""
    place = {name: i for i, name in enumerate(LAYOUT.number_names)}
    epochs, rate = design.numbers[:, place["epochs"]], design.numbers[:, place["learning_rate"]]
    return epochs - rate**2 + 0.5 * design.method


def history(*, sign: float = 1.0, noise: float = 0.1) -> TaskTrials:
    parts, scores = [], []
    for task in range(TASKS):
        design = designs(100 + task, 20)
        generator = np.random.default_rng(task)
        found = sign * worth(design) + noise * generator.standard_normal(20)
        parts.append(design)
        scores.append(normal_scores(found))
    return TaskTrials(
        Design.stack(parts), np.repeat(np.arange(TASKS), 20), np.concatenate(scores), np.ones(TASKS)
    )


def weights(trials: TaskTrials, known: int = 10) -> dict[Structure, float]:
    design = designs(7, 30)
    scores = normal_scores(worth(design)[:known])
    observed = Observations(scores, np.zeros(known))
    return StructureSet(SCALES, trials).beliefs(design, observed).by_structure()


def test_a_history_that_fits_is_believed_and_one_that_misleads_is_not():
    fits, misleads = weights(history()), weights(history(sign=-1.0))
    mean = Structure.HISTORY_AS_MEAN
    assert fits[mean] > 0.4
    assert misleads[mean] < 0.02
    assert fits[Structure.WITHOUT_HISTORY] >= FLOOR_WITHOUT_HISTORY - 1e-9


def test_a_history_of_the_opposite_is_evidence_as_a_feature():
    """Its sign is learnt: what was bad there is good here."""
    trials = history(sign=-1.0)
    design = designs(7, 60)
    observed = Observations(normal_scores(worth(design)[:12]), np.zeros(12))
    found = StructureSet(SCALES, trials).beliefs(design, observed)
    expected = found.average()[12:]
    assert np.corrcoef(expected, worth(design)[12:])[0, 1] > 0.6


def test_without_trials_of_its_own_a_search_believes_what_the_history_taught():
    found = weights(history(), known=0)
    assert sum(found.values()) == pytest.approx(1.0)
    assert found[Structure.HISTORY_AS_MEAN] > 0.4


def test_noise_for_a_history_leaves_the_search_to_itself():
    noise = history(noise=50.0)
    assert weights(noise)[Structure.WITHOUT_HISTORY] > 0.3


def test_posterior_is_that_of_the_textbook():
    generator = np.random.default_rng(0)
    root = generator.standard_normal((6, 6))
    matrix = root @ root.T
    mean, noise = generator.standard_normal(6), np.asarray([0.1, 0.2, 0.3])
    seen = generator.standard_normal(3)
    found = posterior(Prior(mean, matrix[:3], np.diag(matrix)), seen, noise)
    inverse = np.linalg.inv(matrix[:3, :3] + np.diag(noise))
    np.testing.assert_allclose(
        found.mean, mean + matrix[:, :3] @ inverse @ (seen - mean[:3]), atol=1e-4
    )
    spread = np.diag(matrix) - np.einsum("ij,jk,ik->i", matrix[:, :3], inverse, matrix[:, :3])
    np.testing.assert_allclose(found.variance, spread, atol=1e-4)
    from scipy.stats import multivariate_normal

    exact = multivariate_normal(mean[:3], matrix[:3, :3] + np.diag(noise)).logpdf(seen)
    assert found.log_evidence == pytest.approx(exact, abs=1e-3)
