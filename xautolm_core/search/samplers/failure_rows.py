"""Make the failure model's inputs from a history, a study and configurations."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from optuna.trial import TrialState

from xautolm_core.records.methods import LEARNING_RATE
from xautolm_core.records.methods import USUAL_LEARNING_RATES
from xautolm_core.records.outcome import Outcome
from xautolm_core.search.resource_load import Load
from xautolm_core.search.resource_load import ResourceLoad
from xautolm_core.search.samplers.encoding import OUTCOME_ATTRIBUTE
from xautolm_core.search.samplers.failure_model import FailureModel
from xautolm_core.search.samplers.failure_model import FailureProbabilities
from xautolm_core.search.samplers.failure_model import FailureRows
from xautolm_core.space.draw import BRANCH_HANDLE
from xautolm_core.space.draw import decode

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from optuna import Study
    from optuna.trial import FrozenTrial

    from xautolm_core.records.configuration import Configuration
    from xautolm_core.search.history.arrays import History
    from xautolm_core.space.space import SearchSpace

_OUTCOME_CODES = {outcome: code for code, outcome in enumerate(Outcome)}
_OK = _OUTCOME_CODES[Outcome.OK]
_PRUNED = _OUTCOME_CODES[Outcome.PRUNED]
_OWN_WEIGHT = 2.0
_TRUST_IN_HISTORY = 0.9
"""Weight of the forecast with a history before the first trial of the task."""

_SURPRISE = 0.02
"""Bounds of a trial's likelihood under a forecast."""

_SHRINKAGE = 4.0
_FINISHED = (TrialState.COMPLETE, TrialState.FAIL, TrialState.PRUNED)
_OF_STATE = {TrialState.COMPLETE: Outcome.OK, TrialState.PRUNED: Outcome.PRUNED}


@dataclass(frozen=True)
class LoadCorrection:
    """Errors of the estimates of memory and time, as logarithms of factors.

    Attributes:
        memory: (model, method) to the correction of the logarithm of a load.
        time: Likewise.
        other_memory: Correction of all other models and methods.
        other_time: Likewise.
    """

    memory: dict[tuple[int, int], float] = field(default_factory=dict)
    time: dict[tuple[int, int], float] = field(default_factory=dict)
    other_memory: float = 0.0
    other_time: float = 0.0

    @classmethod
    def of(cls, history: History) -> LoadCorrection:
        """Return the errors of the estimates on the successful trials of a history."""
        whole = (history.outcomes == _OK) & ~history.is_cut
        chosen = history if whole.all() else history.take(whole)
        models, methods = _codes(chosen)
        memory, other_memory = _medians(chosen.log_memory_error, models, methods)
        time, other_time = _medians(chosen.log_time_error, models, methods)
        return cls(memory, time, other_memory, other_time)

    def applied(self, rows: FailureRows) -> FailureRows:
        """Return rows with corrected loads."""
        pairs = list(zip(rows.model.tolist(), rows.method.tolist(), strict=True))
        memory = np.asarray([self.memory.get(pair, self.other_memory) for pair in pairs])
        time = np.asarray([self.time.get(pair, self.other_time) for pair in pairs])
        return FailureRows(
            **vars(rows)
            | {
                "log_memory_load": rows.log_memory_load + memory,
                "log_time_load": rows.log_time_load + time,
            }
        )


def failure_rows_of(
    configurations: Sequence[Configuration], space: SearchSpace, load: Load | None = None
) -> FailureRows:
    """Return the facts about configurations of this space on this task, before they run.

    Args:
        configurations: Configurations of the space.
        space: The space, with their models.
        load: Returns the needs of a configuration relative to its limits; None if unknown.
    """
    loads = [ResourceLoad() if load is None else load(one) for one in configurations]
    return FailureRows(
        log_memory_load=np.asarray([one.log_memory for one in loads], dtype=float),
        log_time_load=np.asarray([one.log_time for one in loads], dtype=float),
        log10_relative_rate=np.asarray(
            [
                _relative_rate(one.method, one.parameters.get(LEARNING_RATE))
                for one in configurations
            ]
        ),
        log10_parameters=np.asarray([_size(one, space) for one in configurations], dtype=float),
        model=_code_array(one.model for one in configurations),
        method=_code_array(one.method for one in configurations),
        is_own=np.ones(len(configurations), dtype=bool),
    )


def failure_rows_of_history(
    history: History, space: SearchSpace, *, task_name: str | None = None
) -> FailureRows:
    """Return the facts about the experiences of a history, as known before they ran.

    Args:
        history: Any experiences, also of models that are not in the space.
        space: Gives the sizes of its models; for others the experience has them.
        task_name: Name of the current task, to find its own experiences.
    """
    models, methods = _codes(history)
    sizes = history.model_descriptor.spread(
        [_log10(_parameters_in(value)) for value in history.model_descriptor.values], none=math.nan
    )
    known = history.model.spread(
        [_size_of_model(name, space) for name in history.model.values], none=math.nan
    )
    own = [name == task_name for name, _ in history.task.values]
    return FailureRows(
        log_memory_load=history.log_memory_load,
        log_time_load=history.log_time_load,
        log10_relative_rate=_relative_rates(history),
        log10_parameters=np.where(np.isnan(known), sizes, known).astype(float),
        model=models,
        method=methods,
        is_own=history.task.spread(own, none=False).astype(bool),
    )


@dataclass(frozen=True)
class FailureForecast:
    """Forecasts of failures, with a history and without.

    Attributes:
        alone: Learnt from the own trials; without any, the analytic priors.
        with_history: Learnt from the history as well; None without one.
        trust: Weight of the latter, in [0, 1].
    """

    alone: FailureModel = field(default_factory=FailureModel)
    with_history: FailureModel | None = None
    trust: float = 0.0


class FailureForecaster:
    """Predicts the failure probability of a configuration, from the history and a study's trials.

    A history may mislead here too, as machines change, and estimates with them. So the forecasts
    with and without it are averaged, weighted by how well each predicts the own trials.

    The predictions depend only on the history and on the finished trials of the study.

    Args:
        space: The space of the configurations.
        load: Returns the needs of a configuration relative to its limits; None if unknown.
        history: Earlier experiences; none if None.
        task_name: Name of the current task, as in the history.
    """

    def __init__(
        self,
        space: SearchSpace,
        *,
        load: Load | None = None,
        history: History | None = None,
        task_name: str | None = None,
    ) -> None:
        self._space = space
        self._load = load
        self._correction = LoadCorrection()
        self._past: tuple[FailureRows, NDArray[np.int8], NDArray[np.float64]] | None = None
        if history is not None and len(history):
            self._correction = LoadCorrection.of(history)
            rows = failure_rows_of_history(history, space, task_name=task_name)
            weights = np.where(rows.is_own, _OWN_WEIGHT, 1.0) * history.trust
            self._past = self._correction.applied(rows), history.outcomes, weights
        self._fitted_on: tuple[tuple[int, Outcome], ...] | None = None
        self._forecast = FailureForecast()

    def model(self, study: Study) -> FailureForecast:
        """Return the forecast by the history and the finished trials of a study."""
        finished = [
            (trial, outcome)
            for trial in study.get_trials(deepcopy=False)
            if (outcome := _outcome(trial)) is not None
        ]
        known = tuple((trial.number, outcome) for trial, outcome in finished)
        if self._fitted_on != known:
            self._forecast = self._fit(finished)
            self._fitted_on = known
        return self._forecast

    def without_trials(self) -> FailureForecast:
        """Return the forecast by the history alone."""
        return self._fit([])

    def probabilities(
        self, configurations: Sequence[Configuration], study: Study
    ) -> FailureProbabilities:
        """Return the failure probabilities of configurations.

        Args:
            configurations: Of the space.
            study: Whose finished trials are learnt from.
        """
        return self.foreseen(configurations, self.model(study))

    def foreseen(
        self, configurations: Sequence[Configuration], forecast: FailureForecast
    ) -> FailureProbabilities:
        """Return the same by a forecast of ``model``, for many configurations."""
        rows = failure_rows_of(configurations, self._space, self._load)
        alone = forecast.alone.probabilities(rows)
        if forecast.with_history is None:
            return alone
        learnt = forecast.with_history.probabilities(self._correction.applied(rows))
        return _average(learnt, alone, forecast.trust)

    def _fit(self, finished: Sequence[tuple[FrozenTrial, Outcome]]) -> FailureForecast:
        tried = [decode(self._space, trial.params) for trial, _ in finished]
        rows = failure_rows_of(tried, self._space, self._load)
        outcomes = np.asarray([_OUTCOME_CODES[outcome] for _, outcome in finished], dtype=np.int8)
        alone = FailureModel.fit(rows, outcomes)
        if self._past is None:
            return FailureForecast(alone)
        if not finished:
            return FailureForecast(alone, self._before, _TRUST_IN_HISTORY)
        corrected = self._correction.applied(rows)
        past, past_outcomes, weights = self._past
        # Beside the trials of other tasks one of this task counts for more.
        learnt = FailureModel.fit(
            past.joined_with(corrected),
            np.concatenate([past_outcomes, outcomes]),
            np.concatenate([weights, np.full(len(rows), _OWN_WEIGHT)]),
        )
        failed = ~np.isin(outcomes, (_OK, _PRUNED))
        evidence = _log_likelihood(self._before.probabilities(corrected).any, failed)
        evidence -= _log_likelihood(FailureModel().probabilities(rows).any, failed)
        odds = _TRUST_IN_HISTORY / (1 - _TRUST_IN_HISTORY) * math.exp(min(evidence, 50.0))
        return FailureForecast(alone, learnt, odds / (1 + odds))

    @cached_property
    def _before(self) -> FailureModel:
        """The failure model of the history alone."""
        if self._past is None:
            return FailureModel()
        rows, outcomes, weights = self._past
        return FailureModel.fit(rows, outcomes, weights)


def _average(
    one: FailureProbabilities, other: FailureProbabilities, share: float
) -> FailureProbabilities:
    """Return the weighted mean of two forecasts; the first one has the given share in [0, 1]."""
    pairs = {name: (column, getattr(other, name)) for name, column in vars(one).items()}
    return FailureProbabilities(
        **{name: share * first + (1 - share) * second for name, (first, second) in pairs.items()}
    )


def _log_likelihood(probabilities: NDArray[np.float64], failed: NDArray[np.bool_]) -> float:
    """Return the log-likelihood of the observed failures, bounded for each trial."""
    kept = probabilities.clip(_SURPRISE, 1 - _SURPRISE)
    return float(np.log(np.where(failed, kept, 1 - kept)).sum())


def _outcome(trial: FrozenTrial) -> Outcome | None:
    """Return the outcome of a trial of this space; None if unknown or without information."""
    if trial.state not in _FINISHED or BRANCH_HANDLE not in trial.params:
        return None
    told = trial.user_attrs.get(OUTCOME_ATTRIBUTE)
    outcome = _OF_STATE.get(trial.state) if told is None else Outcome(told)
    return outcome if outcome is not None and outcome.says_something_about_configuration else None


def _codes(history: History) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the codes of model and method of each experience."""
    models, methods = (
        column.spread([_code(value) for value in column.values], none=_code(None)).astype(np.int64)
        for column in (history.model, history.method)
    )
    return models, methods


def _code_array(names: Iterable[str | None]) -> NDArray[np.int64]:
    return np.asarray([_code(name) for name in names], dtype=np.int64)


def _code(name: str | None) -> int:
    """Return a number for a name, the same in every process."""
    return zlib.crc32((name or "").encode())


def _relative_rate(method: str, rate: object) -> float:
    """Return the logarithm (base 10) of a learning rate over its method's usual one."""
    usual = USUAL_LEARNING_RATES.get(method)
    return math.nan if usual is None else _log10(rate) - math.log10(usual)


def _relative_rates(history: History) -> NDArray[np.float64]:
    rates = history.parameters.get(LEARNING_RATE)
    if rates is None:
        return np.full(len(history), math.nan)
    usual = [math.log10(USUAL_LEARNING_RATES.get(m, math.nan)) for m in history.method.values]
    logs = rates.spread([_log10(value) for value in rates.values], none=math.nan)
    difference: NDArray[np.float64] = logs - history.method.spread(usual, none=math.nan)
    return difference


def _size(configuration: Configuration, space: SearchSpace) -> float:
    return _size_of_model(configuration.model, space)


def _size_of_model(name: str | None, space: SearchSpace) -> float:
    """Return the logarithm (base 10) of a model's parameters; NaN if it is not in the space."""
    model = None if name is None else space.models.get(name)
    return math.nan if model is None else _log10(model.descriptor.parameters)


def _parameters_in(descriptor: object) -> object:
    return descriptor.get("parameters") if isinstance(descriptor, dict) else None


def _log10(value: object) -> float:
    """Return the logarithm of a positive number; NaN of all else."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return math.nan
    return math.log10(value) if 0 < value < math.inf else math.nan


def _medians(
    errors: NDArray[np.float64], models: NDArray[np.int64], methods: NDArray[np.int64]
) -> tuple[dict[tuple[int, int], float], float]:
    """Return the median error by model and method, and that of all of them.

    A median of n errors is shrunk: it has weight n / (n + 4), the rest is the median of all, which
    is shrunk towards 0 in the same way.
    """
    known = np.isfinite(errors)
    if not known.any():
        return {}, 0.0
    errors, models, methods = errors[known], models[known], methods[known]
    share = len(errors) / (len(errors) + _SHRINKAGE)
    usual = share * float(np.median(errors))
    pairs, place = np.unique(np.column_stack([models, methods]), axis=0, return_inverse=True)
    found: dict[tuple[int, int], float] = {}
    for number, (model, method) in enumerate(pairs):
        members = errors[place.ravel() == number]
        share = len(members) / (len(members) + _SHRINKAGE)
        found[int(model), int(method)] = share * float(np.median(members)) + (1 - share) * usual
    return found, usual
