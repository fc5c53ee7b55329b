"""Gaussian processes in closed form: evidence and posterior."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import cholesky
from scipy.linalg import solve_triangular

if TYPE_CHECKING:
    from numpy.typing import NDArray

_JITTER = 1e-6
_LARGEST_JITTER = 1e3
_LEAST_VARIANCE = 1e-6


@dataclass(frozen=True)
class Prior:
    """A Gaussian prior over observed and other configurations.

    Attributes:
        mean: Shape (observed + elsewhere,).
        covariance: Shape (observed, observed + elsewhere).
        variance: Shape (observed + elsewhere,).
    """

    mean: NDArray[np.float64]
    covariance: NDArray[np.float64]
    variance: NDArray[np.float64]

    def scaled(self, factor: float) -> Prior:
        """Return the prior with all covariances multiplied."""
        return Prior(self.mean, factor * self.covariance, factor * self.variance)


@dataclass(frozen=True)
class Posterior:
    """The posterior of a prior given the observations.

    Attributes:
        log_evidence: Log marginal likelihood of the observations.
        mean: Shape (observed + elsewhere,): expected value, without noise and constant.
        variance: Shape (observed + elsewhere,): its variance.
        constant: Expected constant by which the observations lie above the mean.
    """

    log_evidence: float
    mean: NDArray[np.float64]
    variance: NDArray[np.float64]
    constant: float = 0.0


def posterior(
    prior: Prior,
    observed: NDArray[np.float64],
    noise: NDArray[np.float64],
    *,
    constant_variance: float = 0.0,
) -> Posterior:
    """Return evidence and posterior of a Gaussian process.

    The observations may lie above the process by an unknown constant: ranks within a few trials do
    not show how good these are among all configurations.

    Args:
        prior: Over the observed rows, which come first, and all others.
        observed: Shape (observed,).
        noise: Shape (observed,): variance of each observation.
        constant_variance: Variance of the constant, whose mean is 0.
    """
    count = len(observed)
    if count == 0:
        return Posterior(0.0, prior.mean, prior.variance)
    lower = factor(prior.covariance[:, :count] + constant_variance + np.diag(noise))
    residual = observed - prior.mean[:count]
    both = solve_triangular(
        lower,
        np.column_stack([residual, np.ones(count), prior.covariance]),
        lower=True,
        check_finite=False,
    )
    white, ones, spread = both[:, 0], both[:, 1], both[:, 2:]
    evidence = -0.5 * float(white @ white) - float(np.log(np.diag(lower)).sum())
    evidence -= 0.5 * count * math.log(2 * math.pi)
    mean = prior.mean + spread.T @ white
    variance = np.maximum(prior.variance - (spread**2).sum(axis=0), _LEAST_VARIANCE)
    return Posterior(evidence, mean, variance, constant_variance * float(ones @ white))


def factor(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the lower Cholesky factor of a covariance, with as much jitter as it needs."""
    jitter = _JITTER
    while True:
        try:
            return np.asarray(
                cholesky(matrix + jitter * np.eye(len(matrix)), lower=True, check_finite=False)
            )
        except np.linalg.LinAlgError:
            jitter *= 10.0
            if jitter > _LARGEST_JITTER:
                raise
