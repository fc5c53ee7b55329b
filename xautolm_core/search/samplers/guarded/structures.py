"""Structures: ways in which a history may predict a new task, weighted by the evidence.

For each objective a mixture: without history (several length scales and output scales), history as
the mean, and history as a linear feature whose sign and size are learnt, so that a misleading
history becomes evidence. All have an unknown constant beside. The posterior weight of a structure
is its prior weight times the marginal likelihood of the task's own trials (Bayesian model
averaging); those without history never fall below ``FLOOR_WITHOUT_HISTORY``.

The prior weights are learnt from the history: of each of its tasks, how likely its own first trials
are under each structure that is made of the other tasks.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import logsumexp

from xautolm_core.search import explanation
from xautolm_core.search.samplers.guarded.gaussian import Posterior
from xautolm_core.search.samplers.guarded.gaussian import Prior
from xautolm_core.search.samplers.guarded.gaussian import posterior
from xautolm_core.search.samplers.guarded.kernel import KernelScales
from xautolm_core.search.samplers.guarded.kernel import covariance
from xautolm_core.search.samplers.guarded.transfer import LatentConfigurations
from xautolm_core.search.samplers.guarded.transfer import SharedProcess
from xautolm_core.search.samplers.guarded.transfer import TaskTrials
from xautolm_core.search.samplers.guarded.transfer import Transfer
from xautolm_core.search.samplers.guarded.transfer import shares_configurations

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xautolm_core.search.samplers.guarded.design import Design


class Structure(StrEnum):
    """The use of the history, in words."""

    WITHOUT_HISTORY = explanation.WITHOUT_HISTORY
    HISTORY_AS_MEAN = "history as the mean"
    HISTORY_AS_FEATURE = "history as a feature"


PRIOR_WEIGHTS = {
    Structure.WITHOUT_HISTORY: 0.35,
    Structure.HISTORY_AS_MEAN: 0.40,
    Structure.HISTORY_AS_FEATURE: 0.25,
}
FLOOR_WITHOUT_HISTORY = 0.15

_CONSTANT_VARIANCE = 1.0
_OWN_NOISE = 0.3
_HISTORY_NOISE = 0.35
_STRETCHES = (0.6, 1.0, 1.7)
_LINEAR_SHARE = 0.5
_OUTPUT_SCALES = ((1.0, 0.5), (1.5, 0.3), (2.2, 0.2))
_FIRST_TRIALS = 15
_DIRICHLET_STRENGTH = 8.0
_EM_STEPS = 30
_MOST_HELD_OUT = 24


@dataclass(frozen=True)
class Observations:
    """The observations on the current task for one objective.

    Attributes:
        scores: Shape (observed,): normal scores.
        extra_noise: Shape (observed,): variance added to the structure's own noise.
    """

    scores: NDArray[np.float64]
    extra_noise: NDArray[np.float64]


@dataclass(frozen=True)
class Beliefs:
    """A mixture over structures, for one objective.

    Attributes:
        structures: Structure of each component.
        weights: Shape (components,): posterior weights; they sum to 1.
        mean: Shape (components, rows): on the scale of all configurations.
        variance: Shape (components, rows).
        constant: Shape (components,): offset of the own trials' scores from that scale.
    """

    structures: tuple[Structure, ...]
    weights: NDArray[np.float64]
    mean: NDArray[np.float64]
    variance: NDArray[np.float64]
    constant: NDArray[np.float64]

    def by_structure(self) -> dict[Structure, float]:
        """Return the posterior weight of each structure."""
        found = dict.fromkeys(Structure, 0.0)
        for structure, weight in zip(self.structures, self.weights, strict=True):
            found[structure] += float(weight)
        return found

    def weighed_by(self, other: Beliefs) -> Beliefs:
        """Return the same with the weights of other beliefs.

        Expected values that replaced observations are not evidence for a structure.
        """
        return replace(self, weights=other.weights)

    def average(self) -> NDArray[np.float64]:
        """Return the expected score on the scale of the own trials, shape (rows,)."""
        return np.asarray(self.weights @ (self.mean + self.constant[:, None]))

    def spread(self) -> NDArray[np.float64]:
        """Return the variance of the score over the mixture, shape (rows,)."""
        mean = self.mean + self.constant[:, None]
        second = self.weights @ (self.variance + mean**2)
        return np.asarray(np.maximum(second - (self.weights @ mean) ** 2, 1e-6))


class StructureSet:
    """The structures of one objective.

    Args:
        scales: Scales of the covariance.
        trials: Trials of the tasks of the history; None without one.
        allowed: The structures to use.
        prior_weights: Weights learnt on the same trials before; learnt here if None.
    """

    def __init__(
        self,
        scales: KernelScales,
        trials: TaskTrials | None,
        allowed: Sequence[Structure] = tuple(Structure),
        *,
        prior_weights: Mapping[Structure, float] | None = None,
    ) -> None:
        self.scales = scales
        self._kernels = [
            *(scales.stretched(f) for f in _STRETCHES),
            scales.with_linear(_LINEAR_SHARE),
        ]
        has_history = trials is not None and len(trials.scores) > 0
        self.transfer: Transfer | None = None
        self._allowed = [
            one for one in allowed if has_history or one is Structure.WITHOUT_HISTORY
        ] or [Structure.WITHOUT_HISTORY]
        self.prior_weights = _normalised({one: PRIOR_WEIGHTS[one] for one in self._allowed})
        uses_history = self._allowed != [Structure.WITHOUT_HISTORY]
        if trials is not None and has_history and uses_history:
            self._is_shared = shares_configurations(trials)
            self.transfer = self._transfer(trials)
            if prior_weights is not None:
                self.prior_weights = dict(prior_weights)
            elif len(self._allowed) > 1:
                self.prior_weights = self._learnt_weights(trials)

    def beliefs(self, design: Design, observations: Observations) -> Beliefs:
        """Return the posterior given the observations.

        Args:
            design: The observed configurations, then all others.
            observations: Observations of the first rows.
        """
        components = self._components(design, observations, self.transfer)
        prior = np.asarray([self._prior_of(one) for one in components])
        evidence = np.asarray([one.posterior.log_evidence for one in components])
        weights = np.exp(np.log(prior) + evidence - logsumexp(np.log(prior) + evidence))
        structures = tuple(one.structure for one in components)
        return Beliefs(
            structures,
            _floored(weights, structures, prior),
            np.vstack([one.posterior.mean for one in components]),
            np.vstack([one.posterior.variance for one in components]),
            np.asarray([one.posterior.constant for one in components]),
        )

    def _prior_of(self, one: _Component) -> float:
        return max(self.prior_weights[one.structure] * one.share, 1e-12)

    def _components(
        self, design: Design, observations: Observations, transfer: Transfer | None
    ) -> list[_Component]:
        count = len(observations.scores)
        first = design.take(slice(count))
        plain = [covariance(first, design, one) for one in self._kernels]
        variances = [one.variances(design) for one in self._kernels]
        found: list[_Component] = []
        if Structure.WITHOUT_HISTORY in self._allowed:
            noise = observations.extra_noise + _OWN_NOISE
            share = 1.0 / len(plain)
            for matrix, variance in zip(plain, variances, strict=True):
                prior = Prior(np.zeros(len(design)), matrix, variance)
                for scale, probability in _OUTPUT_SCALES:
                    result = _posterior(prior.scaled(scale**2), observations, noise)
                    found.append(_Component(Structure.WITHOUT_HISTORY, share * probability, result))
        if transfer is None:
            return found
        known = transfer.prior(design, count)
        noise = observations.extra_noise + _HISTORY_NOISE
        if Structure.HISTORY_AS_MEAN in self._allowed:
            result = _posterior(known, observations, noise)
            found.append(_Component(Structure.HISTORY_AS_MEAN, 1.0, result))
        if Structure.HISTORY_AS_FEATURE in self._allowed:
            middle = plain[1]
            prior = Prior(
                np.zeros(len(design)),
                np.outer(known.mean[:count], known.mean) + known.covariance + 0.1 * middle,
                known.mean**2 + known.variance + 0.1 * variances[1],
            )
            result = _posterior(prior, observations, noise)
            found.append(_Component(Structure.HISTORY_AS_FEATURE, 1.0, result))
        return found

    def _transfer(self, trials: TaskTrials, known: NDArray[np.float64] | None = None) -> Transfer:
        if self._is_shared:
            return LatentConfigurations(trials, self.scales)
        return SharedProcess(trials, self.scales, known)

    def _learnt_weights(self, trials: TaskTrials) -> dict[Structure, float]:
        """Return the prior weights by expectation maximisation over the tasks of the history."""
        rows = []
        # Computed once: with a thousand trials this takes longest.
        whole = None
        if not self._is_shared:
            whole = covariance(trials.design, trials.design, self.scales)
        for task in _spread_choice(trials.tasks, _MOST_HELD_OUT):
            others = trials.without(task)
            if len(others.scores) == 0:
                continue
            own = np.flatnonzero(trials.task == task)[:_FIRST_TRIALS]
            scores = trials.scores[own]
            observations = Observations(scores, np.zeros(len(scores)))
            kept = trials.task != task
            known = None if whole is None else whole[np.ix_(kept, kept)]
            transfer = self._transfer(others, known)
            components = self._components(trials.design.take(own), observations, transfer)
            by_structure = []
            for structure in self._allowed:
                of_it = [c for c in components if c.structure is structure]
                by_structure.append(
                    logsumexp([np.log(c.share) + c.posterior.log_evidence for c in of_it])
                )
            rows.append(by_structure)
        prior = np.asarray([self.prior_weights[one] for one in self._allowed])
        if not rows:
            return self.prior_weights
        evidence = np.asarray(rows)
        weights = prior.copy()
        for _ in range(_EM_STEPS):
            shares = np.log(weights) + evidence
            shares = np.exp(shares - logsumexp(shares, axis=1, keepdims=True))
            weights = shares.sum(axis=0) + _DIRICHLET_STRENGTH * prior
            weights = weights / weights.sum()
        return dict(zip(self._allowed, weights.tolist(), strict=True))


@dataclass(frozen=True)
class _Component:
    structure: Structure
    share: float
    posterior: Posterior


def _posterior(prior: Prior, observations: Observations, noise: NDArray[np.float64]) -> Posterior:
    return posterior(prior, observations.scores, noise, constant_variance=_CONSTANT_VARIANCE)


def _floored(
    weights: NDArray[np.float64], structures: Sequence[Structure], prior: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return weights in which those without history have at least their floor."""
    without = np.asarray([one is Structure.WITHOUT_HISTORY for one in structures])
    share = float(weights[without].sum())
    if not without.any() or share >= FLOOR_WITHOUT_HISTORY or without.all():
        return weights
    found = weights.copy()
    found[~without] *= (1 - FLOOR_WITHOUT_HISTORY) / max(1 - share, 1e-12)
    if share > 0:
        found[without] *= FLOOR_WITHOUT_HISTORY / share
    else:
        found[without] = FLOOR_WITHOUT_HISTORY * prior[without] / prior[without].sum()
    return np.asarray(found / found.sum())


def _normalised(weights: dict[Structure, float]) -> dict[Structure, float]:
    total = sum(weights.values())
    return {one: weight / total for one, weight in weights.items()}


def _spread_choice(tasks: Sequence[int], most: int) -> list[int]:
    """Return at most ``most`` of the tasks, evenly spread."""
    if len(tasks) <= most:
        return list(tasks)
    places = np.linspace(0, len(tasks) - 1, most).round().astype(int)
    return [tasks[place] for place in places]
