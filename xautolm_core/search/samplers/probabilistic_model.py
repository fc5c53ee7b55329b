"""The probabilistic model that configurations are drawn from, and that experiences update.

Source: XAutoLM, arXiv 2508.00924, with AutoGOAL's probabilistic grammatical evolution (Estevez-
Velarde et al. 2020). One distribution per handle: un-normalised weights for the branch,
categorical weights, a Gaussian for whole numbers, a Bernoulli probability for switches.

Deviation from the reference: negative learning rates can push a weight below zero or a probability
out of [0, 1]. The raw values are kept, as the update rules say, but are clipped at
``SAMPLING_FLOOR`` whenever something is drawn, so that every value keeps some probability.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field

import numpy as np

from xautolm_core.records.configuration import Value
from xautolm_core.space.parameters import Boolean
from xautolm_core.space.parameters import Categorical
from xautolm_core.space.parameters import Integer
from xautolm_core.space.parameters import Parameter
from xautolm_core.space.parameters import ValueKey
from xautolm_core.space.parameters import value_key
from xautolm_core.space.space import SearchSpace
from xautolm_core.space.space import domains

SAMPLING_FLOOR = 1e-3
"""Least probability of any value in a draw."""

_LARGEST = 1e300


def floored_probabilities(weights: Sequence[float]) -> np.ndarray:
    """Return probabilities from raw weights: none is below ``SAMPLING_FLOOR`` of the whole."""
    positive = np.maximum(np.asarray(weights, dtype=float), 0.0)
    total = positive.sum()
    shares = positive / total if total > 0 else np.full(len(positive), 1.0 / len(positive))
    clipped = np.maximum(shares, SAMPLING_FLOOR)
    return np.asarray(clipped / clipped.sum())


@dataclass
class CategoricalWeights:
    """Weights of the values of one handle; they sum to 1."""

    weights: dict[ValueKey, float]

    @classmethod
    def uniform(cls, choices: Sequence[Value]) -> CategoricalWeights:
        """Give every value the same weight."""
        return cls({value_key(choice): 1.0 / len(choices) for choice in choices})

    def probabilities(self, choices: Sequence[Value]) -> np.ndarray:
        """Return the probability of each offered value, shape (len(choices),)."""
        return floored_probabilities([self.weights[value_key(choice)] for choice in choices])


@dataclass
class Gaussian:
    """Mean and standard deviation of a whole number in [low, high]."""

    mean: float
    deviation: float
    low: int
    high: int

    def draw(self, generator: np.random.Generator) -> int:
        """Draw a whole number: truncated, then clamped to the bounds."""
        # A deviation of zero (one experience learnt at rate 1) would freeze the value for ever.
        deviation = max(self.deviation, SAMPLING_FLOOR, 0.05 * (self.high - self.low))
        # Tens of thousands of negative rates make both grow until they overflow.
        mean = min(max(self.mean, -_LARGEST), _LARGEST)
        drawn = generator.normal(mean, min(deviation, _LARGEST))
        return int(min(max(int(drawn), self.low), self.high))


@dataclass
class Bernoulli:
    """Probability of ``True``; may lie outside [0, 1] after negative updates."""

    probability: float = 0.5

    @property
    def clipped(self) -> float:
        """The probability within [floor, 1 - floor]."""
        return min(max(self.probability, SAMPLING_FLOOR), 1 - SAMPLING_FLOOR)


Distribution = CategoricalWeights | Gaussian | Bernoulli


@dataclass
class ProbabilisticModel:
    """The distributions that configurations are drawn from.

    Attributes:
        branches: Branch to its un-normalised weight; 1 at the start.
        distributions: Handle to its distribution.
    """

    branches: dict[str, float] = field(default_factory=dict)
    distributions: dict[str, Distribution] = field(default_factory=dict)

    @classmethod
    def initial(cls, space: SearchSpace) -> ProbabilisticModel:
        """Return the uniform model of a space."""
        distributions: dict[str, Distribution] = {}
        for handle, parameter in domains(space).items():
            match parameter:
                case Categorical(choices=choices):
                    distributions[handle] = CategoricalWeights.uniform(choices)
                case Integer(low=low, high=high):
                    distributions[handle] = Gaussian(
                        mean=(low + high) / 2, deviation=float(high - low), low=low, high=high
                    )
                case Boolean():
                    distributions[handle] = Bernoulli()
        return cls({branch.name: 1.0 for branch in space.branches}, distributions)

    def copy(self) -> ProbabilisticModel:
        """Return an independent copy."""
        return copy.deepcopy(self)

    def branch_probabilities(self, names: Sequence[str] | None = None) -> Mapping[str, float]:
        """Return the probability of each offered branch (all of them if None)."""
        offered = list(self.branches) if names is None else list(names)
        probabilities = floored_probabilities([self.branches[name] for name in offered])
        return dict(zip(offered, (float(p) for p in probabilities), strict=True))


@dataclass
class ModelChooser:
    """Draws the parts of a configuration from a model (see ``xautolm_core.space.draw``)."""

    model: ProbabilisticModel
    generator: np.random.Generator

    def branch(self, names: Sequence[str]) -> str:
        """Draw a branch."""
        probabilities = list(self.model.branch_probabilities(names).values())
        return names[int(self.generator.choice(len(names), p=probabilities))]

    def value(self, parameter: Parameter) -> Value:
        """Draw a model or a hyper-parameter's value."""
        distribution = self.model.distributions[parameter.handle]
        match parameter, distribution:
            case Categorical(choices=choices), CategoricalWeights():
                probabilities = distribution.probabilities(choices)
                return choices[int(self.generator.choice(len(choices), p=probabilities))]
            case Integer(), Gaussian():
                return distribution.draw(self.generator)
            case Boolean(), Bernoulli():
                return bool(self.generator.random() < distribution.clipped)
        raise TypeError(f"handle {parameter.handle} has another kind of distribution")


@dataclass
class UniformChooser:
    """Draws every part of a configuration uniformly."""

    generator: np.random.Generator

    def branch(self, names: Sequence[str]) -> str:
        """Draw a branch."""
        return names[int(self.generator.integers(len(names)))]

    def value(self, parameter: Parameter) -> Value:
        """Draw a model or a hyper-parameter's value."""
        match parameter:
            case Categorical(choices=choices):
                return choices[int(self.generator.integers(len(choices)))]
            case Integer(low=low, high=high):
                return int(self.generator.integers(low, high + 1))
            case Boolean():
                return bool(self.generator.integers(2))
