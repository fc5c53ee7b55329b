"""Transfer alone: one Gaussian process over the trials of all tasks, and no way to doubt them.

Each objective is turned into normal scores within its task. The covariance of two trials is
``.7 k(x, x') + .3 k(x, x') [same task] + .25 [same trial]``: what the others' trials say about the
shared part is the prior mean of the target, and what they leave open its prior covariance. The
candidates are those of the history and random ones, drawn once. The acquisition is the expected
hypervolume improvement over joint samples.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import cho_factor
from scipy.linalg import cho_solve
from scipy.special import ndtr
from scipy.special import ndtri
from scipy.stats import rankdata

from benchmarks.replay.clock import ExhaustedError
from benchmarks.replay.problem import Observed
from benchmarks.replay.problem import Problem
from xautolm_core.records.methods import USUAL_LEARNING_RATES
from xautolm_core.search.samplers.probabilistic_model import UniformChooser
from xautolm_core.space.draw import draw

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmarks.replay.regimes import Sources
    from xautolm_core.records.configuration import Configuration
    from xautolm_core.space.space import SearchSpace

    Matrix = NDArray[np.float64]

RANDOM_CANDIDATES = 300
SAMPLES = 32
_SHARED, _OWN, _NOISE = 0.7, 0.3, 0.25
_OTHER_METHOD = 0.55
_SCALES = {"learning_rate": 1.0, "batch_size": 4.0, "epochs": 0.7, "max_length": 3.0}
_CLIP = 5.0


class TransferOnlyArm:
    """Proposes what the joint process expects most of.

    Args:
        problem: What is searched on.
        found: The trials of other tasks.
        seed: Of candidates and samples.
    """

    other_cpu_seconds = 0.0

    def __init__(self, problem: Problem, found: Sources, seed: int) -> None:
        self._generator = np.random.default_rng(seed)
        self._pool = _candidates(problem, found, self._generator)
        self._place = {one.model_dump_json(): i for i, one in enumerate(self._pool)}
        self._free = np.ones(len(self._pool), dtype=bool)
        self._told: dict[int, tuple[float, float]] = {}
        encoder = Encoder(problem.space)
        pool = encoder.encode(self._pool)
        self._priors = [
            _prior(encoder, pool, found, objective) for objective in ("score", "seconds")
        ]

    def ask(self, number: int) -> Configuration:
        """Return the candidate with the largest expected improvement of the hypervolume.

        Raises:
            ExhaustedError: All candidates have been tried.
        """
        free = np.flatnonzero(self._free)
        if len(free) == 0:
            raise ExhaustedError
        told = np.asarray(sorted(self._told), dtype=int)
        values = np.asarray([self._told[i] for i in told]).reshape(-1, 2)
        z = np.column_stack([normal_scores(column) for column in values.T]).reshape(-1, 2)
        samples = [
            self._posterior_samples(prior, told, z[:, k], free)
            for k, prior in enumerate(self._priors)
        ]
        front = ndtr(np.where(np.isnan(z), -_CLIP, z))
        drawn = ndtr(np.stack(samples, axis=-1))
        gains = np.mean([improvements(front, one) for one in drawn], axis=0)
        best = int(free[int(np.argmax(gains))])
        self._free[best] = False
        return self._pool[best]

    def tell(self, number: int, configuration: Configuration, observed: Observed) -> None:
        """Take an outcome; a failure is below all successes in score, and has no time."""
        score = -math.inf if observed.score is None else observed.score
        seconds = math.nan if observed.score is None else -math.log(observed.seconds)
        self._told[self._place[configuration.model_dump_json()]] = (score, seconds)

    def explanation(self, number: int) -> None:
        """Return nothing."""

    def _posterior_samples(
        self,
        prior: tuple[Matrix, Matrix],
        told: NDArray[np.int64],
        z: Matrix,
        free: NDArray[np.int64],
    ) -> Matrix:
        """Return joint draws at the free candidates, shape (samples, free)."""
        mean, covariance = prior
        known = told[~np.isnan(z)]
        target = z[~np.isnan(z)] - mean[known]
        here, among = mean[free], covariance[np.ix_(free, free)]
        if len(known):
            # The target's level is not known beforehand: a constant of variance 1.
            inner = covariance[np.ix_(known, known)] + 1.0
            factor = cho_factor(inner + _NOISE * np.eye(len(known)))
            across = covariance[np.ix_(free, known)] + 1.0
            here = here + across @ cho_solve(factor, target)
            among = among + 1.0 - across @ cho_solve(factor, across.T)
        root = np.linalg.cholesky(among + 1e-6 * np.eye(len(free)))
        return here + self._generator.standard_normal((SAMPLES, len(free))) @ root.T


def _candidates(
    problem: Problem, found: Sources, generator: np.random.Generator
) -> list[Configuration]:
    """Return the feasible configurations of the history and random ones, none twice."""
    infeasible = problem.infeasible or (lambda _: None)
    chooser = UniformChooser(generator)
    drawn = [draw(problem.offered, chooser) for _ in range(RANDOM_CANDIDATES)]
    known = [one.configuration for trials in found.values() for one in trials]
    different = {one.model_dump_json(): one for one in (*known, *drawn)}
    return [one for one in different.values() if infeasible(one) is None]


def _prior(encoder: Encoder, pool: Matrix, found: Sources, objective: str) -> tuple[Matrix, Matrix]:
    """Return prior mean and covariance of the target at the candidates."""
    chosen: list[Configuration] = []
    z: list[Matrix] = []
    task: list[int] = []
    for index, trials in enumerate(found.values()):
        used = [t for t in trials if objective == "score" or t.observed.score is not None]
        values = [_value(one.observed, objective) for one in used]
        z.append(normal_scores(np.asarray(values, dtype=float)))
        chosen += [one.configuration for one in used]
        task += [index] * len(used)
    among = encoder.kernel(pool, pool)
    if not chosen:
        return np.zeros(len(pool)), (_SHARED + _OWN) * among
    rows = encoder.encode(chosen)
    tasks = np.asarray(task)
    inner = encoder.kernel(rows, rows)
    covariance = inner * (_SHARED + _OWN * (tasks[:, None] == tasks[None, :]))
    factor = cho_factor(covariance + _NOISE * np.eye(len(rows)))
    across = _SHARED * encoder.kernel(pool, rows)
    mean = across @ cho_solve(factor, np.concatenate(z))
    open_part = _SHARED * among - across @ cho_solve(factor, across.T)
    return mean, open_part + _OWN * among


def _value(observed: Observed, objective: str) -> float:
    if objective == "seconds":
        return -math.log(observed.seconds)
    return -math.inf if observed.score is None else observed.score


def normal_scores(values: Matrix) -> Matrix:
    """Return ``Phi^-1((rank - .5) / n)``, equal values sharing their rank; NaN stays."""
    present = ~np.isnan(values)
    z = np.full(len(values), np.nan)
    if present.any():
        z[present] = ndtri((rankdata(values[present]) - 0.5) / present.sum())
    return z


def improvements(front: Matrix, points: Matrix) -> Matrix:
    """Return by how much each point alone enlarges the area above (0, 0), shape (points,).

    Args:
        front: Shape (n, 2), maximised; dominated ones among them do no harm.
        points: Shape (m, 2).
    """
    kept: list[tuple[float, float]] = []
    for u, v in sorted(map(tuple, front.tolist()), reverse=True):
        if not kept or v > kept[-1][1]:
            kept.append((u, v))
    edges = [0.0, *(u for u, _ in kept[::-1]), math.inf]
    heights = [*(v for _, v in kept[::-1]), 0.0]
    gained = np.zeros(len(points))
    for low, high, height in zip(edges[:-1], edges[1:], heights, strict=True):
        width = np.clip(np.minimum(points[:, 0], high) - low, 0.0, None)
        gained += width * np.clip(points[:, 1] - height, 0.0, None)
    return gained


class Encoder:
    """Configurations as numbers, and their covariance.

    Args:
        space: Of the configurations.
    """

    def __init__(self, space: SearchSpace) -> None:
        self._models = {name: i for i, name in enumerate(space.models)}
        self._described = np.asarray([_descriptor(space, name) for name in self._models])
        spread = self._described.std(axis=0)
        self._described = (self._described - self._described.mean(axis=0)) / np.where(
            spread > 0, spread, 1.0
        )
        self._methods = sorted({branch.method for branch in space.branches})
        self._has_parameters = any(branch.parameters for branch in space.branches)

    def encode(self, chosen: Sequence[Configuration]) -> Matrix:
        """Return model, method and scaled parameters, shape (configurations, 6)."""
        return np.asarray(
            [
                [
                    self._models[str(one.model)],
                    self._methods.index(one.method),
                    *_parameters(one),
                ]
                for one in chosen
            ],
            dtype=float,
        )

    def kernel(self, first: Matrix, second: Matrix) -> Matrix:
        """Return the covariance of two sets of encoded configurations."""
        models_1, models_2 = first[:, 0].astype(int), second[:, 0].astype(int)
        near = self._described[models_1][:, None, :] - self._described[models_2][None, :, :]
        length = 1.0 if self._has_parameters else 2.0
        smooth = np.exp(-0.5 * (near**2).sum(axis=-1) / length**2)
        same = models_1[:, None] == models_2[None, :]
        if not self._has_parameters:
            return np.asarray(0.6 * smooth + 0.4 * same)
        k = 0.75 * smooth + 0.25 * same
        k = k * np.where(first[:, None, 1] == second[None, :, 1], 1.0, _OTHER_METHOD)
        off = first[:, None, 2:] - second[None, :, 2:]
        return np.asarray(k * np.exp(-0.5 * (off**2).sum(axis=-1)))


def _descriptor(space: SearchSpace, name: str) -> list[float]:
    """Return the descriptor of a model; unknown sizes are those of a medium one."""
    known = space.models[name].descriptor
    size = math.log10(known.parameters) if known.parameters else 8.3
    if not any(branch.parameters for branch in space.branches):
        width = math.log2(known.width) if known.width else 9.5
        multilingual = float("multilingual" in known.languages)
        length = math.log2(known.max_length) if known.max_length else 9.0
        return [size, width, multilingual, length]
    return [size]


def _parameters(one: Configuration) -> list[float]:
    given = one.parameters
    if "learning_rate" not in given:
        return [0.0] * len(_SCALES)
    usual = USUAL_LEARNING_RATES[one.method]
    return [
        math.log10(float(given["learning_rate"] or usual) / usual) / _SCALES["learning_rate"],
        math.log2(float(given["batch_size"] or 1)) / _SCALES["batch_size"],
        float(given["epochs"] or 0) / 10 / _SCALES["epochs"],
        math.log2(float(given["max_length"] or 1)) / _SCALES["max_length"],
    ]
