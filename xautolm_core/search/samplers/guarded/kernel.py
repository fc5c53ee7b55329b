"""The covariance of two configurations in a conditional space.

``k = (a RBF(model descriptors) + (1 - a) [same model]) * method * product over hyper-parameters``,
where ``method`` is 1 for the same method and below 1 for two, and a hyper-parameter adds an RBF of
the distance (a number) or a factor below 1 if they differ (a choice). One that some configurations
lack keeps a part of its factor where only one of two has it. Of seconds and joules a part of the
variance is linear in the logarithm of the seconds that were estimated before the trial.
"""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from xautolm_core.records.methods import LEARNING_RATE
from xautolm_core.search.samplers.guarded.design import Absence
from xautolm_core.search.samplers.guarded.design import Design
from xautolm_core.search.samplers.guarded.design import DesignSpace

if TYPE_CHECKING:
    from numpy.typing import NDArray

_IMPORTANT = (
    "batch_size", "epochs", "max_length", "num_trainable_layers", "lora_r", "data_fraction",
)  # fmt: skip
_USUAL_LENGTH = 0.8
_MINOR_LENGTH = 2.0
_RATE_DECADES = 0.6
_CHOICE_FACTOR = 0.9
_FLOOR_OF_METHOD = 0.8
"""Floor for a hyper-parameter that all configurations of a method have or lack: the method's own
factor separates them."""

_FLOOR = 0.3
"""Floor for any other hyper-parameter that some configurations lack."""


@dataclass(frozen=True)
class KernelScales:
    """The constants of the covariance.

    Attributes:
        identity_share: Share of the variance of the model's identity, in [0, 1].
        model_length: Length scale over the standardised descriptors.
        linear_share: Share of the descriptors' part that is linear in them, in [0, 1].
        method_factor: Covariance of two methods, all else equal, in [0, 1].
        lengths: Shape (numeric hyper-parameters,): in the units of ``Design.numbers``.
        choice_factors: Shape (other hyper-parameters,): covariance of two values, in [0, 1].
        number_floors: Shape (numeric hyper-parameters,): part of the factor that stays where only
            one of two configurations has it; 0 where all have it.
        choice_floors: Likewise of the others.
        cost_share: Share of the variance that is linear in the estimated cost, in [0, 1].
        own_share: Share of the variance over tasks that is a task's own, in [0, 1].
        noise: Variance of one trial's normal score given its configuration.
    """

    identity_share: float
    model_length: float
    linear_share: float
    method_factor: float
    lengths: tuple[float, ...]
    choice_factors: tuple[float, ...]
    number_floors: tuple[float, ...]
    choice_floors: tuple[float, ...]
    cost_share: float = 0.0
    own_share: float = 0.3
    noise: float = 0.25

    @classmethod
    def usual(cls, space: DesignSpace, *, cost_share: float = 0.0) -> KernelScales:
        """Return the default scales."""
        return cls(
            identity_share=0.25,
            model_length=0.8,
            linear_share=0.0,
            method_factor=0.55,
            lengths=tuple(_usual_length(name) for name in space.number_names),
            choice_factors=tuple(_CHOICE_FACTOR for _ in space.choice_names),
            number_floors=tuple(_floor(space.absence(name)) for name in space.number_names),
            choice_floors=tuple(_floor(space.absence(name)) for name in space.choice_names),
            cost_share=cost_share,
        )

    def stretched(self, factor: float) -> KernelScales:
        """Return the same with all length scales multiplied."""
        return replace(
            self,
            model_length=self.model_length * factor,
            lengths=tuple(length * factor for length in self.lengths),
        )

    def with_linear(self, share: float) -> KernelScales:
        """Return the same with a part of the descriptors' covariance linear in them."""
        return replace(self, linear_share=share)

    def variances(self, design: Design) -> NDArray[np.float64]:
        """Return the variance of each configuration, shape (rows,)."""
        found: NDArray[np.float64] = np.ones(len(design))
        if self.linear_share:
            squares = (design.model_numbers**2).sum(axis=1) / max(design.model_numbers.shape[1], 1)
            described = (1 - self.linear_share) + self.linear_share * squares
            found = (1 - self.identity_share) * described + self.identity_share
        return np.asarray((1 - self.cost_share) * found + self.cost_share * design.cost**2)


def _floor(absence: Absence) -> float:
    match absence:
        case Absence.NEVER:
            return 0.0
        case Absence.BY_METHOD:
            return _FLOOR_OF_METHOD
        case Absence.ANYWHERE:
            return _FLOOR


def _usual_length(name: str) -> float:
    if name == LEARNING_RATE:
        return _RATE_DECADES
    return _USUAL_LENGTH if name in _IMPORTANT else _MINOR_LENGTH


def covariance(first: Design, second: Design, scales: KernelScales) -> NDArray[np.float64]:
    """Return the covariance of each row of one design with each of another.

    Returns:
        Shape (rows of the first, rows of the second); for equal configurations see
        ``KernelScales.variances``.
    """
    same_model = (first.model[:, None] == second.model[None, :]) & (first.model[:, None] >= 0)
    described = _rbf(first.model_numbers, second.model_numbers, scales.model_length)
    if scales.linear_share:
        described = (1 - scales.linear_share) * described + scales.linear_share * _linear(
            first.model_numbers, second.model_numbers
        )
    found = (1 - scales.identity_share) * described + scales.identity_share * same_model
    same_method = first.method[:, None] == second.method[None, :]
    found = found * np.where(same_method, 1.0, scales.method_factor)
    for column, length in enumerate(scales.lengths):
        a, b = first.numbers[:, column][:, None], second.numbers[:, column][None, :]
        both = np.exp(-0.5 * ((a - b) / length) ** 2)
        found *= _conditional(both, np.isnan(a), np.isnan(b), scales.number_floors[column])
    for column, factor in enumerate(scales.choice_factors):
        c, d = first.choices[:, column][:, None], second.choices[:, column][None, :]
        both = np.where(c == d, 1.0, factor)
        found *= _conditional(both, c < 0, d < 0, scales.choice_floors[column])
    if scales.cost_share:
        linear = np.outer(first.cost, second.cost)
        found = (1 - scales.cost_share) * found + scales.cost_share * linear
    return np.asarray(found)


def _conditional(
    both: NDArray[np.float64],
    first_idle: NDArray[np.bool_],
    second_idle: NDArray[np.bool_],
    floor: float,
) -> NDArray[np.float64]:
    """Return the factor of a hyper-parameter that some configurations do not have.

    It is a constant part, plus one for those that have it and one for those that lack it: a sum of
    covariances is a covariance as well (positive semi-definite).
    """
    if not floor:
        return both
    alike = np.where(first_idle & second_idle, 1.0, both)
    return np.asarray(floor + (1 - floor) * np.where(first_idle == second_idle, alike, 0.0))


def _rbf(
    first: NDArray[np.float64], second: NDArray[np.float64], length: float
) -> NDArray[np.float64]:
    columns = max(first.shape[1], 1)
    squares = (first**2).sum(axis=1)[:, None] + (second**2).sum(axis=1)[None, :]
    distances = np.maximum(squares - 2 * first @ second.T, 0.0)
    return np.asarray(np.exp(-0.5 * distances / (columns * length**2)))


def _linear(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(first @ second.T / max(first.shape[1], 1))
