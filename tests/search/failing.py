"""Trials that fail for reasons that a failure model can learn, made up."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xautolm_core.records.outcome import Outcome
from xautolm_core.search.samplers.failure_model import FailureRows

CODES = {outcome: code for code, outcome in enumerate(Outcome)}
MODELS = 8


def rows_of(
    *,
    memory: object = np.nan,
    time: object = np.nan,
    rate: object = np.nan,
    size: object = 8.0,
    model: object = 0,
    method: object = 0,
    is_own: object = False,
) -> FailureRows:
    """Return rows of single values or of arrays; single values are the same in all rows."""
    numbers = [np.asarray(one, dtype=float) for one in (memory, time, rate, size)]
    codes = [np.asarray(one, dtype=np.int64) for one in (model, method)]
    whole = np.broadcast_arrays(*numbers, *codes, np.asarray(is_own, dtype=bool), np.zeros(1))
    return FailureRows(*(np.array(column) for column in whole[:-1]))


def outcomes_of(*outcomes: Outcome) -> NDArray[np.int8]:
    return np.asarray([CODES[outcome] for outcome in outcomes], dtype=np.int8)


class Machine:
    """A machine and a task on it, whose estimates err by model.

    Args:
        seed: Of all that is drawn.
        shift: By how much the task's own estimates err, beside those of its models.
    """

    def __init__(self, seed: int, shift: float = 0.0) -> None:
        self.random = np.random.default_rng(seed)
        self.shift = shift
        self.errors = np.random.default_rng(7).normal(0.0, 0.2, (2, MODELS))

    def trials(self, count: int, *, is_own: bool = False) -> tuple[FailureRows, NDArray[np.int8]]:
        """Return rows and outcomes of random trials."""
        random = self.random
        rows = rows_of(
            memory=random.normal(-0.5, 1.0, count),
            time=random.normal(-0.7, 1.0, count),
            rate=random.normal(0.0, 1.0, count),
            size=random.uniform(7.0, 9.0, count),
            model=random.integers(0, MODELS, count),
            method=random.integers(0, 3, count),
            is_own=np.full(count, is_own),
        )
        noise = random.normal(0.0, (0.1, 0.15, 0.2), (count, 3)).T
        memory = rows.log_memory_load + self.errors[0][rows.model] + self.shift + noise[0]
        time = rows.log_time_load + self.errors[1][rows.model] + self.shift + noise[1]
        rate = rows.log10_relative_rate + 0.2 * (rows.log10_parameters - 8) - 0.8 + noise[2]
        outcomes = np.select(
            [memory > 0, rate > 0, time > 0],
            [CODES[o] for o in (Outcome.OOM_GPU, Outcome.DIVERGED, Outcome.TIMEOUT)],
            CODES[Outcome.OK],
        )
        return rows, outcomes.astype(np.int8)


def log_loss(probabilities: NDArray[np.float64], failed: NDArray[np.bool_]) -> float:
    """Return the mean negative log-likelihood of what happened."""
    return -float(np.mean(np.log(np.where(failed, probabilities, 1 - probabilities))))


def calibration_error(probabilities: NDArray[np.float64], failed: NDArray[np.bool_]) -> float:
    """Return the mean distance of forecast and frequency over ten bins, weighted by their size."""
    bins = np.minimum((probabilities * 10).astype(int), 9)
    gaps = [
        abs(float(np.sum(probabilities[bins == one]) - np.sum(failed[bins == one])))
        for one in range(10)
    ]
    return sum(gaps) / len(probabilities)
