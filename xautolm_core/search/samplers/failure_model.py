"""How probable it is that a configuration fails here, by kind of failure.

Memory runs out where the estimate comes near the limit, time likewise, and training diverges where
the learning rate is far above the usual one. Each kind has a logistic regression on its cause and
on the model's size; its slope of the cause is never negative. Models and this task have offsets:
estimates err by model, task and machine.

What a trial says is censored: after an OOM nothing is known of time and divergence, after a
divergence nothing of time, and a trial that was pruned was stopped before its time was up. One that
a deadline cut, and that handed over a model, did not fail by time.

Before anything is known the regressions are the analytic walls alone, from which the coefficients
are penalised for departing (ridge regression with a prior mean). What they cannot explain of this
task's own trials is counted by model and method.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from typing import TYPE_CHECKING
from typing import Any

import numpy as np

from xautolm_core.records.outcome import Outcome

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]
    Codes = NDArray[np.int64]

_OUTCOMES = tuple(Outcome)
_INFORMS = np.asarray([o.says_something_about_configuration for o in _OUTCOMES])
_OOM = (Outcome.OOM_GPU, Outcome.OOM_HOST)

_CENTRAL_LOG10_PARAMETERS = 8.0
_LARGEST_CAUSE = 8.0
"""Causes beyond this (a factor of 3,000) say no more than this one."""

_COUNTED_FAILURES = 1.0
"""Expected failures, by which the count of a model's and method's own ones is outweighed."""

_COUNTED_INVALID = 4.0
"""Trials, by which the count of invalid ones is outweighed."""

_CERTAIN = 1e-6
_MANY_ROWS = 4_000
_ALIKE = 0.05
_PLACES = 256
_GRADIENT_TOLERANCE = 1e-3


@dataclass(frozen=True)
class FailureRows:
    """What is known of trials before they run, one entry a trial.

    Attributes:
        log_memory_load: Natural logarithm of estimated over allowed bytes; NaN if not known.
        log_time_load: Likewise of seconds.
        log10_relative_rate: Logarithm (base 10) of the learning rate over the usual one of its
            method; NaN for a method without one.
        log10_parameters: Logarithm (base 10) of the model's parameters; NaN if not known.
        model: Code of the model, the same wherever it is the same model.
        method: Likewise of the fine-tuning method.
        is_own: Whether it is a trial of this very task.
    """

    log_memory_load: Numbers
    log_time_load: Numbers
    log10_relative_rate: Numbers
    log10_parameters: Numbers
    model: Codes
    method: Codes
    is_own: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.model)

    def take(self, rows: NDArray[Any]) -> FailureRows:
        """Return some rows (a mask or indices)."""
        return FailureRows(**{name: column[rows] for name, column in vars(self).items()})

    def joined_with(self, other: FailureRows) -> FailureRows:
        """Return these rows and others below them."""
        pairs = {name: (column, getattr(other, name)) for name, column in vars(self).items()}
        return FailureRows(**{name: np.concatenate(pair) for name, pair in pairs.items()})


@dataclass(frozen=True)
class FailureProbabilities:
    """Probabilities of failure, one entry a trial, each in [0, 1].

    Attributes:
        oom: Memory runs out, of host or GPU.
        timeout: It does not end in time, given that nothing else is in the way.
        diverged: Training diverges, given that memory suffices.
        invalid: It cannot be run at all, as earlier trials of its model and method could not.
    """

    oom: Numbers
    timeout: Numbers
    diverged: Numbers
    invalid: Numbers

    @property
    def any(self) -> Numbers:
        """Probability that it fails in whatever way."""
        chance = (1 - self.oom) * (1 - self.timeout) * (1 - self.diverged) * (1 - self.invalid)
        return 1 - np.maximum(chance, _CERTAIN)

    def of(self, row: int) -> dict[str, float]:
        """Return kind to probability of one trial; ``invalid`` only where it is above 0."""
        found = {name: float(column[row]) for name, column in vars(self).items()}
        return {name: value for name, value in found.items() if value or name != "invalid"}


@dataclass(frozen=True)
class _Kind:
    """One kind of failure.

    Attributes:
        name: Field of ``FailureProbabilities``.
        cause: Field of ``FailureRows``.
        outcomes: How such trials end.
        silent: Outcomes that say nothing of this kind.
        slope: Of the cause, before anything is known.
        intercept: Log-odds at cause 0, before anything is known.
        deviations: How far each coefficient (see ``_INTERCEPT``) may be from what it is before.
    """

    name: str
    cause: str
    outcomes: tuple[Outcome, ...]
    silent: tuple[Outcome, ...]
    slope: float
    intercept: float
    deviations: tuple[float, float, float, float, float]


_KINDS = (
    _Kind(
        "oom",
        "log_memory_load",
        _OOM,
        (Outcome.INVALID,),
        slope=6.0,
        intercept=0.0,
        deviations=(1.0, 4.0, 1.0, 2.0, 0.8),
    ),
    _Kind(
        "timeout",
        "log_time_load",
        (Outcome.TIMEOUT,),
        (*_OOM, Outcome.DIVERGED, Outcome.PRUNED, Outcome.INVALID),
        slope=4.0,
        intercept=0.0,
        # Estimates of time err more, and by machine.
        deviations=(1.5, 3.0, 1.0, 2.0, 1.5),
    ),
    # Weak: half of the trials at ten times the usual rate.
    _Kind(
        "diverged",
        "log10_relative_rate",
        (Outcome.DIVERGED,),
        (*_OOM, Outcome.INVALID),
        slope=3.0,
        intercept=-3.0,
        deviations=(1.0, 2.0, 1.0, 2.0, 1.2),
    ),
)

# Columns of the regressions: log-odds at cause 0, slope of the cause, slope of the size, log-odds
# where the cause is not known, and what is added for this very task. The offsets of models follow.
_INTERCEPT, _SLOPE, _SIZE, _UNKNOWN, _OWN = range(5)
_UNKNOWN_LOG_ODDS = -4.0
_MODEL_DEVIATION = 1.0


@dataclass(frozen=True)
class _Regression:
    """Log-odds of one kind of failure.

    Attributes:
        kind: Which.
        coefficients: Shape (5,), see ``_INTERCEPT`` and its neighbours.
        models: Codes of the models that have an offset, ascending.
        offsets: Shape (models,).
    """

    kind: _Kind
    coefficients: Numbers
    models: Codes = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    offsets: Numbers = field(default_factory=lambda: np.zeros(0))

    @classmethod
    def prior(cls, kind: _Kind) -> _Regression:
        """Return the analytic wall."""
        coefficients = np.zeros(5)
        coefficients[[_INTERCEPT, _SLOPE, _UNKNOWN]] = kind.intercept, kind.slope, _UNKNOWN_LOG_ODDS
        return cls(kind, coefficients)

    def probabilities(self, rows: FailureRows) -> Numbers:
        """Return the probability of this kind of failure, shape (rows,)."""
        log_odds = _columns(rows, self.kind) @ self.coefficients
        if len(self.models):
            places = np.minimum(np.searchsorted(self.models, rows.model), len(self.models) - 1)
            log_odds += np.where(self.models[places] == rows.model, self.offsets[places], 0.0)
        # Nothing is certain: what is never tried is never found to be possible.
        return np.minimum(_sigmoid(log_odds), 1 - _CERTAIN)


@dataclass(frozen=True)
class FailureModel:
    """Probabilities of failure, learnt from trials. Without any, the analytic walls.

    Attributes:
        regressions: One a kind of failure.
        factors: Kind to (model, method) to the factor on its rate of failures, of this task.
        invalid: (model, method) to the probability that a trial cannot be run, of this task.
    """

    regressions: tuple[_Regression, ...] = tuple(map(_Regression.prior, _KINDS))
    factors: Mapping[str, Mapping[tuple[int, int], float]] = field(default_factory=dict)
    invalid: Mapping[tuple[int, int], float] = field(default_factory=dict)

    @classmethod
    def fit(
        cls, rows: FailureRows, outcomes: NDArray[np.int8], weights: Numbers | None = None
    ) -> FailureModel:
        """Learn from trials. Those that ended by a fault of the infrastructure say nothing.

        Args:
            rows: What was known of them before.
            outcomes: Shape (rows,): how each ended, as an index in ``tuple(Outcome)``.
            weights: Shape (rows,): how much each counts, 1 or more for a whole trial; 1 if None.
        """
        informs = _INFORMS[outcomes]
        if not informs.any():
            return cls()
        weights = np.ones(len(rows)) if weights is None else weights
        rows, outcomes, weights = rows.take(informs), outcomes[informs], weights[informs]
        regressions = tuple(_fit(kind, rows, outcomes, weights) for kind in _KINDS)
        fitted = cls(regressions)
        own = rows.is_own
        if not own.any():
            return fitted
        return replace(
            fitted,
            factors={
                one.kind.name: _factors(one, rows.take(own), outcomes[own]) for one in regressions
            },
            invalid=_shares_of_invalid(rows.take(own), outcomes[own]),
        )

    def probabilities(self, rows: FailureRows) -> FailureProbabilities:
        """Return how probable it is that trials fail."""
        found = {one.kind.name: one.probabilities(rows) for one in self.regressions}
        for name, factors in self.factors.items():
            raised = 1 - (1 - found[name]) ** _by_group(rows, factors, otherwise=1.0)
            found[name] = np.minimum(raised, 1 - _CERTAIN)
        return FailureProbabilities(**found, invalid=_by_group(rows, self.invalid, otherwise=0.0))


def _fit(
    kind: _Kind, rows: FailureRows, outcomes: NDArray[np.int8], weights: Numbers
) -> _Regression:
    """Return the coefficients that are most probable after what trials say of a kind."""
    from scipy.optimize import minimize

    prior = _Regression.prior(kind)
    speaks = ~_is_one_of(outcomes, kind.silent)
    if not speaks.any():
        return prior
    rows, outcomes, weights = rows.take(speaks), outcomes[speaks], weights[speaks]
    columns = _columns(rows, kind)
    failed = _is_one_of(outcomes, kind.outcomes)
    models, place = np.unique(rows.model, return_inverse=True)
    if len(rows) > _MANY_ROWS:
        columns, failed, place, weights = _condensed(columns, failed, place, weights)
    # In units of the prior's standard deviations, so that all directions are alike.
    deviations = np.asarray(kind.deviations)
    columns = columns * deviations
    mean = prior.coefficients / deviations
    sign = np.where(failed, -1.0, 1.0)

    def loss(scaled: Numbers) -> tuple[float, Numbers]:
        shared, offsets = scaled[:5], scaled[5:]
        against = sign * (columns @ shared + _MODEL_DEVIATION * offsets[place])
        pull = sign * weights * _sigmoid(against)
        gradient = np.concatenate(
            [
                columns.T @ pull + shared - mean,
                _MODEL_DEVIATION * np.bincount(place, pull, minlength=len(models)) + offsets,
            ]
        )
        distance = (shared - mean) @ (shared - mean) + offsets @ offsets
        return float(weights @ np.logaddexp(0.0, against) + distance / 2), gradient

    begin = np.concatenate([mean, np.zeros(len(models))])
    bounds: list[tuple[float | None, float | None]] = [(None, None)] * len(begin)
    bounds[_SLOPE] = (0.0, None)
    found = minimize(
        loss,
        begin,
        jac=True,
        method="L-BFGS-B",
        bounds=bounds,
        options={"gtol": _GRADIENT_TOLERANCE, "maxiter": 200},
    ).x
    return _Regression(kind, found[:5] * deviations, models, _MODEL_DEVIATION * found[5:])


def _columns(rows: FailureRows, kind: _Kind) -> Numbers:
    """Return the columns of a regression, shape (rows, 5)."""
    cause = getattr(rows, kind.cause)
    known = np.isfinite(cause)
    columns = np.zeros((len(rows), 5))
    columns[:, _INTERCEPT] = known
    columns[:, _SLOPE] = np.where(known, np.clip(cause, -_LARGEST_CAUSE, _LARGEST_CAUSE), 0.0)
    size = rows.log10_parameters - _CENTRAL_LOG10_PARAMETERS
    columns[:, _SIZE] = np.where(np.isfinite(size), size, 0.0)
    columns[:, _UNKNOWN] = ~known
    columns[:, _OWN] = rows.is_own
    return columns


def _condensed(
    columns: Numbers, failed: NDArray[np.bool_], place: Codes, weights: Numbers
) -> tuple[Numbers, NDArray[np.bool_], Codes, Numbers]:
    """Return one row for all rows that are alike in all that matters, with their weight."""
    rough = np.clip(np.round(columns[:, [_SLOPE, _SIZE]] / _ALIKE), -_PLACES, _PLACES - 1) + _PLACES
    keys = place.astype(np.int64)
    for values in (failed, columns[:, _UNKNOWN], columns[:, _OWN], *rough.T):
        keys = keys * 2 * _PLACES + values.astype(np.int64)
    _, first, which = np.unique(keys, return_index=True, return_inverse=True)
    total: Numbers = np.bincount(which, weights).astype(np.float64)
    means = [np.bincount(which, weights * column) / total for column in columns.T]
    return np.column_stack(means), failed[first], place[first], total


def _factors(
    regression: _Regression, rows: FailureRows, outcomes: NDArray[np.int8]
) -> dict[tuple[int, int], float]:
    """Return by what factor a model's and method's trials failed more often than expected.

    Failures that the regression expected are no news: counted as such, they would keep a search
    from trying the same model at a smaller rate.
    """
    speaks = ~_is_one_of(outcomes, regression.kind.silent)
    rows, outcomes = rows.take(speaks), outcomes[speaks]
    expected = regression.probabilities(rows)
    failed = _is_one_of(outcomes, regression.kind.outcomes)
    return {
        group: (float(failed[members].sum()) + _COUNTED_FAILURES)
        / (float(expected[members].sum()) + _COUNTED_FAILURES)
        for group, members in _groups(rows)
    }


def _shares_of_invalid(
    rows: FailureRows, outcomes: NDArray[np.int8]
) -> dict[tuple[int, int], float]:
    invalid = _is_one_of(outcomes, (Outcome.INVALID,))
    return {
        group: float(invalid[members].sum() / (len(members) + _COUNTED_INVALID))
        for group, members in _groups(rows)
    }


def _groups(rows: FailureRows) -> list[tuple[tuple[int, int], NDArray[np.int64]]]:
    """Return each model and method with its rows."""
    pairs = np.column_stack([rows.model, rows.method])
    different, place = np.unique(pairs, axis=0, return_inverse=True)
    return [
        ((int(model), int(method)), np.flatnonzero(place.ravel() == number))
        for number, (model, method) in enumerate(different)
    ]


def _by_group(
    rows: FailureRows, known: Mapping[tuple[int, int], float], *, otherwise: float
) -> Numbers:
    found = np.full(len(rows), otherwise)
    for (model, method), value in known.items():
        found[(rows.model == model) & (rows.method == method)] = value
    return found


def _is_one_of(outcomes: NDArray[np.int8], which: tuple[Outcome, ...]) -> NDArray[np.bool_]:
    codes = np.asarray([outcome in which for outcome in _OUTCOMES])
    return np.asarray(codes[outcomes])


def _sigmoid(log_odds: Numbers) -> Numbers:
    return np.asarray(1 / (1 + np.exp(-np.clip(log_odds, -50, 50))))
