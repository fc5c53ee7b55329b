"""Predict a new task from the tasks of a history: a mean and a covariance.

Two forms. Where tasks share their configurations (a choice among models without hyper-parameters),
a low-rank model of tasks by configurations: ``b`` is the mean over the tasks, shrunk by a Gaussian
process over the configurations, and ``R = V Sigma V'`` holds how tasks differ, with the loadings V
from masked alternating least squares. In general, one Gaussian process over all trials of all tasks
whose covariance has a part that all tasks share and one of each task's own; ``b`` is the posterior
mean of the shared part and ``R`` its posterior covariance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Protocol

import numpy as np
from scipy.linalg import cho_solve
from scipy.linalg import solve_triangular

from xautolm_core.search.samplers.guarded.design import Design
from xautolm_core.search.samplers.guarded.gaussian import Prior
from xautolm_core.search.samplers.guarded.gaussian import factor
from xautolm_core.search.samplers.guarded.kernel import KernelScales
from xautolm_core.search.samplers.guarded.kernel import covariance

if TYPE_CHECKING:
    from numpy.typing import NDArray

_RANK = 4
_SWEEPS = 12
_RIDGE = 1.0
_MEAN_NOISE = 0.3


@dataclass(frozen=True)
class TaskTrials:
    """The trials of several tasks for one objective.

    Attributes:
        design: The configurations.
        task: Shape (rows,): index of the task.
        scores: Shape (rows,): normal scores.
        weight: Shape (tasks,): trust in each task, in (0, 1].
        own: Index of the current task, or -1.
    """

    design: Design
    task: NDArray[np.int64]
    scores: NDArray[np.float64]
    weight: NDArray[np.float64]
    own: int = -1

    def without(self, task: int) -> TaskTrials:
        """Return all trials but those of one task."""
        kept = self.task != task
        return TaskTrials(
            self.design.take(kept),
            self.task[kept],
            self.scores[kept],
            self.weight,
            -1 if task == self.own else self.own,
        )

    @property
    def tasks(self) -> list[int]:
        """Indices of the tasks that have trials."""
        return [int(task) for task in np.unique(self.task)]


class Transfer(Protocol):
    """The prediction of a history for a new task."""

    def prior(self, design: Design, observed: int) -> Prior:
        """Return mean and covariance over a design whose first rows are those observed."""
        ...

    def by_task(self, design: Design) -> NDArray[np.float64]:
        """Return the measured or predicted scores on each task, shape (tasks, rows)."""
        ...


class SharedProcess:
    """The general form: a Gaussian process shared by all tasks.

    Args:
        trials: Trials of the tasks of the history.
        scales: Scales of the covariance.
        known: Shape (rows, rows): covariance of the trials, if already computed.
    """

    def __init__(
        self,
        trials: TaskTrials,
        scales: KernelScales,
        known: NDArray[np.float64] | None = None,
    ) -> None:
        self._trials = trials
        self._scales = scales
        same_task = trials.task[:, None] == trials.task[None, :]
        self._shared = 1 - scales.own_share
        if known is None:
            known = covariance(trials.design, trials.design, scales)
        matrix = known * np.where(same_task, 1.0, self._shared)
        noise = scales.noise / np.maximum(trials.weight[trials.task], 1e-3)
        self._lower = factor(matrix + np.diag(noise))
        self._alpha = cho_solve((self._lower, True), trials.scores, check_finite=False)

    @property
    def log_evidence(self) -> float:
        """Log marginal likelihood of all trials."""
        count = len(self._alpha)
        return float(
            -0.5 * self._trials.scores @ self._alpha
            - np.log(np.diag(self._lower)).sum()
            - 0.5 * count * np.log(2 * np.pi)
        )

    def prior(self, design: Design, observed: int) -> Prior:
        """Return mean and covariance over a design whose first rows are those observed."""
        trials = self._trials
        raw = covariance(trials.design, design, self._scales)
        is_own = trials.task == trials.own
        cross = raw * np.where(is_own, 1.0, self._shared)[:, None]
        white = solve_triangular(self._lower, cross, lower=True, check_finite=False)
        first = covariance(design.take(slice(observed)), design, self._scales)
        found = first - white[:, :observed].T @ white
        variance = self._scales.variances(design) - (white**2).sum(axis=0)
        return Prior(cross.T @ self._alpha, found, np.maximum(variance, 1e-4))

    def by_task(self, design: Design) -> NDArray[np.float64]:
        """Return the measured or predicted scores on each task, shape (tasks, rows)."""
        raw = covariance(self._trials.design, design, self._scales)
        tasks = np.arange(len(self._trials.weight))
        member = tasks[:, None] == self._trials.task[None, :]
        own = self._scales.own_share * (member * self._alpha) @ raw
        return np.asarray(self._shared * raw.T @ self._alpha + own)


class LatentConfigurations:
    """The form for shared configurations: a low-rank model.

    Args:
        trials: Trials of the tasks of the history.
        scales: Scales of the covariance.
    """

    def __init__(self, trials: TaskTrials, scales: KernelScales) -> None:
        self._scales = scales
        keys = trials.design.keys()
        _, first, column = np.unique(keys, return_index=True, return_inverse=True)
        self._known = trials.design.take(first)
        tasks = trials.tasks
        row = np.searchsorted(np.asarray(tasks), trials.task)
        shape = (len(tasks), len(first))
        sums, weights = np.zeros(shape), np.zeros(shape)
        np.add.at(sums, (row, column.reshape(-1)), trials.scores)
        np.add.at(weights, (row, column.reshape(-1)), 1.0)
        scores = sums / np.maximum(weights, 1.0)
        mask = (weights > 0) * trials.weight[np.asarray(tasks)][:, None]
        self._mean = self._shrunk_mean(scores, mask)
        loadings, self._configurations = _factors(scores - self._mean, mask)
        spread = loadings.T @ loadings / max(len(tasks), 1)
        self._loadings = np.zeros((len(trials.weight), loadings.shape[1]))
        self._loadings[tasks] = loadings
        self._spread = spread + 1e-6 * np.eye(len(spread))

    def prior(self, design: Design, observed: int) -> Prior:
        """Return mean and covariance over a design whose first rows are those observed."""
        place = self._places(design)
        known = place >= 0
        mean = np.where(known, self._mean[place], 0.0)
        factors = np.where(known[:, None], self._configurations[place], 0.0)
        first = design.take(slice(observed))
        found = factors[:observed] @ self._spread @ factors.T
        near = covariance(first, design, self._scales)
        same = np.zeros_like(found)
        same[np.arange(observed), np.arange(observed)] = 1.0
        equal = (place[:observed, None] == place[None, :]) & known[None, :]
        found += 0.1 * near + 0.05 * np.maximum(same, equal)
        variance = ((factors @ self._spread) * factors).sum(axis=1) + 0.05
        variance += 0.1 * self._scales.variances(design)
        # A configuration that no task has tried is as uncertain as without a history.
        return Prior(mean, found, np.where(known, variance, 1.0))

    def by_task(self, design: Design) -> NDArray[np.float64]:
        """Return the measured or predicted scores on each task, shape (tasks, rows)."""
        place = self._places(design)
        table = self._mean[None, :] + self._loadings @ self._configurations.T
        return np.where((place >= 0)[None, :], table[:, place], -1.0)

    def _places(self, design: Design) -> NDArray[np.int64]:
        """Return the index of each row among the known configurations; -1 if it is not there."""
        both = Design.stack([self._known, design]).keys()
        count = len(self._known)
        order = np.argsort(both[:count])
        at = np.searchsorted(both[:count], both[count:], sorter=order)
        found = order[np.minimum(at, count - 1)]
        return np.where(both[found] == both[count:], found, -1)

    def _shrunk_mean(
        self, scores: NDArray[np.float64], mask: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return the mean over the tasks, shrunk towards that of similar configurations."""
        counts = np.maximum(mask.sum(axis=0), 1e-3)
        means = (scores * mask).sum(axis=0) / counts
        near = covariance(self._known, self._known, self._scales)
        prior = 0.5 * near + 0.3 * np.eye(len(means))
        lower = factor(prior + np.diag(_MEAN_NOISE / counts))
        return np.asarray(prior @ cho_solve((lower, True), means, check_finite=False))


def _factors(
    residual: NDArray[np.float64], mask: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return loadings of tasks and of configurations by masked alternating least squares.

    Args:
        residual: Shape (tasks, configurations).
        mask: Weights, 0 where nothing was tried.

    Returns:
        Shapes (tasks, rank) and (configurations, rank).
    """
    rank = max(1, min(_RANK, len(residual) - 1, residual.shape[1] - 1))
    left, strength, right = np.linalg.svd(residual * (mask > 0), full_matrices=False)
    tasks = left[:, :rank] * np.sqrt(strength[:rank])
    configurations = right[:rank].T * np.sqrt(strength[:rank])
    ridge = _RIDGE * np.eye(rank)
    for _ in range(_SWEEPS):
        tasks = _solved(residual, mask, configurations, ridge)
        configurations = _solved(residual.T, mask.T, tasks, ridge)
    return tasks, configurations


def _solved(
    residual: NDArray[np.float64],
    mask: NDArray[np.float64],
    other: NDArray[np.float64],
    ridge: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return for each row the ridge regression of its known entries on the other factors."""
    grams = np.einsum("rc,ci,cj->rij", mask, other, other) + ridge
    targets = (residual * mask) @ other
    return np.asarray(np.linalg.solve(grams, targets[:, :, None])[:, :, 0])


def shares_configurations(trials: TaskTrials) -> bool:
    """Whether most configurations of the tasks were tried on several of them."""
    keys = trials.design.keys()
    pairs = np.unique(np.column_stack([keys, trials.task]), axis=0)
    counts = np.unique(pairs[:, 0], return_counts=True)[1]
    return len(counts) > 0 and bool(np.average(counts, weights=counts) >= _SHARED_BY)


_SHARED_BY = 3.0
