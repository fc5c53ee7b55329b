"""Configurations as arrays: models by their descriptors, hyper-parameters on comparable scales."""

from __future__ import annotations

import math
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
from enum import Enum
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING
from typing import Any

import numpy as np

from xautolm_core.records.methods import LEARNING_RATE
from xautolm_core.records.methods import USUAL_LEARNING_RATES
from xautolm_core.search.samplers.guarded.costs import RelativeCosts
from xautolm_core.search.samplers.screening import relative_screening
from xautolm_core.space.parameters import Categorical
from xautolm_core.space.parameters import Integer
from xautolm_core.space.parameters import Parameter
from xautolm_core.space.parameters import value_key
from xautolm_core.space.space import domains

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xautolm_core.experience.coded import Coded
    from xautolm_core.records.configuration import Configuration
    from xautolm_core.search.history.arrays import History
    from xautolm_core.search.resource_load import Load
    from xautolm_core.space.space import SearchSpace

_WIDE_RATIO = 8.0
"""Positive numbers whose largest is so many times the smallest compare by their logarithm."""

_MODEL_NUMBERS: Mapping[str, str] = {
    "parameters": "log10",
    "width": "log10",
    "layers": "log10",
    "max_length": "log10",
    "embedding_parameters": "log10",
}
_UNKNOWN = -1


class Absence(Enum):
    """Which configurations lack a hyper-parameter."""

    NEVER = "none"
    BY_METHOD = "all of some methods"
    ANYWHERE = "some"


@dataclass(frozen=True)
class NumberScale:
    """How the values of one hyper-parameter are laid out on a line.

    Attributes:
        name: Name of the hyper-parameter.
        is_logarithmic: Whether ratios matter.
        span: Distance of the smallest to the largest value, at least a little above 0.
    """

    name: str
    is_logarithmic: bool
    span: float


@dataclass(frozen=True)
class Design:
    """Configurations, one a row.

    Attributes:
        method: Shape (rows,): code of the method.
        model: Shape (rows,): code of the model.
        model_numbers: Shape (rows, descriptors): standardised; 0 where one is not known. The
            last is the screening score of the model on its task.
        numbers: Shape (rows, numeric hyper-parameters), in units of their span (the learning rate
            in decades relative to the method's usual one); NaN where there is none.
        choices: Shape (rows, other hyper-parameters): code of the value; -1 where there is none.
        cost: Shape (rows,): logarithm of the seconds that were estimated before, in standard
            deviations from the mean of the task; 0 where that is not known.
    """

    method: NDArray[np.int64]
    model: NDArray[np.int64]
    model_numbers: NDArray[np.float64]
    numbers: NDArray[np.float64]
    choices: NDArray[np.int64]
    cost: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.method)

    def take(self, rows: NDArray[Any] | slice) -> Design:
        """Return some rows (a mask, indices or a slice)."""
        return Design(
            self.method[rows],
            self.model[rows],
            self.model_numbers[rows],
            self.numbers[rows],
            self.choices[rows],
            self.cost[rows],
        )

    @classmethod
    def stack(cls, parts: Sequence[Design]) -> Design:
        """Return designs one below the other."""
        return cls(
            np.concatenate([p.method for p in parts]),
            np.concatenate([p.model for p in parts]),
            np.vstack([p.model_numbers for p in parts]),
            np.vstack([p.numbers for p in parts]),
            np.vstack([p.choices for p in parts]),
            np.concatenate([p.cost for p in parts]),
        )

    def with_screening(self, relative: Sequence[float] | NDArray[np.float64]) -> Design:
        """Return the same with the last descriptor set: how well each row's model was screened."""
        numbers = self.model_numbers.copy()
        numbers[:, -1] = relative
        return replace(self, model_numbers=numbers)

    def keys(self) -> NDArray[np.int64]:
        """Return a number a row, equal where configurations are, shape (rows,)."""
        table = np.column_stack(
            [self.method, self.model, np.nan_to_num(self.numbers, nan=-1e6).round(6), self.choices]
        )
        return np.asarray(np.unique(table, axis=0, return_inverse=True)[1]).reshape(-1)


class DesignSpace:
    """Lays configurations of a space, and experiences of any other, out as arrays.

    Args:
        space: Says which hyper-parameters there are, and what their ranges are.
        history: Its models get codes and descriptors as well; those of the space alone if None.
        load: Returns what a configuration is estimated to need of what a trial is allowed.
    """

    def __init__(
        self, space: SearchSpace, history: History | None = None, load: Load | None = None
    ) -> None:
        self.costs = RelativeCosts(space, load)
        self._numeric: list[NumberScale] = []
        self._choices: dict[str, dict[Any, int]] = {}
        for name, parameters in _by_name(space).items():
            scale = _number_scale(name, parameters)
            if scale is not None:
                self._numeric.append(scale)
            else:
                keys = dict.fromkeys(value_key(v) for p in parameters for v in _values(p))
                self._choices[name] = {key: code for code, key in enumerate(keys)}
        self._methods: dict[str, int] = {}
        self._models: dict[str, int] = {}
        descriptors: list[Mapping[str, Any]] = []
        for name, model in space.models.items():
            self._models[name] = len(self._models)
            descriptors.append(model.descriptor.model_dump(mode="json"))
        if history is not None:
            pairs = (history.model.codes.tolist(), history.model_descriptor.codes.tolist())
            known = dict(zip(*pairs, strict=True))
            for code, name in enumerate(history.model.values):
                if code in known and name not in self._models:
                    self._models[name] = len(self._models)
                    described = known[code]
                    values = history.model_descriptor.values
                    descriptors.append((values[described] or {}) if described >= 0 else {})
        self._model_table = _standardised(descriptors)
        self._absence = {
            scale.name: _absence(scale.name, space, history, partial(_has_position, scale))
            for scale in self._numeric
        } | {
            name: _absence(name, space, history, partial(_has_code, codes))
            for name, codes in self._choices.items()
        }

    @property
    def number_names(self) -> tuple[str, ...]:
        """Names of the numeric hyper-parameters, in the order of their columns."""
        return tuple(scale.name for scale in self._numeric)

    @property
    def choice_names(self) -> tuple[str, ...]:
        """Names of the other hyper-parameters, in the order of their columns."""
        return tuple(self._choices)

    def absence(self, name: str) -> Absence:
        """Return which configurations of the space and of the history lack a hyper-parameter."""
        return self._absence[name]

    def of_configurations(
        self,
        configurations: Sequence[Configuration],
        screening: Mapping[str, float] = MappingProxyType({}),
    ) -> Design:
        """Return configurations of the space as arrays.

        Args:
            configurations: Of the space.
            screening: Model id to its screening score on this task.
        """
        rows = len(configurations)
        numbers = np.full((rows, len(self._numeric)), np.nan)
        choices = np.full((rows, len(self._choices)), _UNKNOWN, dtype=np.int64)
        method = np.zeros(rows, dtype=np.int64)
        model = np.zeros(rows, dtype=np.int64)
        for row, one in enumerate(configurations):
            method[row] = self._method(one.method)
            model[row] = self._models.get(one.model_label, _UNKNOWN)
            for column, scale in enumerate(self._numeric):
                if scale.name in one.parameters:
                    numbers[row, column] = _position(scale, one.parameters[scale.name])
            for column, (name, codes) in enumerate(self._choices.items()):
                if name in one.parameters:
                    value = value_key(one.parameters[name])
                    choices[row, column] = codes.get(value, _UNKNOWN)
        names = [one.method for one in configurations]
        found = self._finished(method, names, model, numbers, choices)
        found = replace(found, cost=self.costs.of_configurations(configurations))
        relative = relative_screening(screening)
        return found.with_screening([relative.get(one.model or "", 0.0) for one in configurations])

    def relative_rates(self, configurations: Sequence[Configuration]) -> NDArray[np.float64]:
        """Return decades by which learning rates exceed their method's usual one; NaN without."""
        if LEARNING_RATE not in self.number_names:
            return np.full(len(configurations), np.nan)
        place = self.number_names.index(LEARNING_RATE)
        return self.of_configurations(configurations).numbers[:, place]

    def of_history(self, history: History, screening: NDArray[np.float64] | None = None) -> Design:
        """Return experiences as arrays; hyper-parameters that the space does not have are idle.

        Args:
            history: The experiences.
            screening: Shape (rows,): screening score of each row's model on its task; NaN where it
                was not screened.
        """
        rows = len(history)
        numbers = np.full((rows, len(self._numeric)), np.nan)
        choices = np.full((rows, len(self._choices)), _UNKNOWN, dtype=np.int64)
        for column, scale in enumerate(self._numeric):
            known = history.parameters.get(scale.name)
            if known is not None:
                numbers[:, column] = _spread(known, [_position(scale, v) for v in known.values])
        for column, (name, codes) in enumerate(self._choices.items()):
            known = history.parameters.get(name)
            if known is not None:
                found = [codes.get(_key(v), _UNKNOWN) for v in known.values]
                choices[:, column] = known.spread(found, none=_UNKNOWN)
        methods = history.method.values
        method = history.method.spread([self._method(name) for name in methods], none=_UNKNOWN)
        models = [self._models.get(name, _UNKNOWN) for name in history.model.values]
        model = history.model.spread(models, none=_UNKNOWN)
        words = [history.method[row] for row in range(rows)] if rows else []
        design = self._finished(
            method.astype(np.int64), words, model.astype(np.int64), numbers, choices
        )
        if screening is None:
            return design
        relative = np.zeros(rows)
        for task in np.unique(history.task.codes):
            members = np.flatnonzero((history.task.codes == task) & np.isfinite(screening))
            scores = {history.model[row]: float(screening[row]) for row in members.tolist()}
            by_model = relative_screening(scores)
            relative[members] = [by_model[history.model[row]] for row in members.tolist()]
        return design.with_screening(relative)

    def _method(self, name: str) -> int:
        return self._methods.setdefault(name, len(self._methods))

    def _finished(
        self,
        method: NDArray[np.int64],
        names: Sequence[str],
        model: NDArray[np.int64],
        numbers: NDArray[np.float64],
        choices: NDArray[np.int64],
    ) -> Design:
        for column, scale in enumerate(self._numeric):
            if scale.name == LEARNING_RATE:
                usual = [math.log10(USUAL_LEARNING_RATES.get(name, 1e-4)) for name in names]
                numbers[:, column] = numbers[:, column] - np.asarray(usual)
            else:
                numbers[:, column] = numbers[:, column] / scale.span
        table = np.vstack([self._model_table, np.zeros((1, self._model_table.shape[1]))])
        return Design(method, model, table[model], numbers, choices, np.zeros(len(method)))


def _absence(
    name: str,
    space: SearchSpace,
    history: History | None,
    is_laid_out: Callable[[object], bool],
) -> Absence:
    found: dict[str, set[bool]] = {}
    for branch in space.branches:
        found.setdefault(branch.method, set()).add(branch.parameter(name) is not None)
    if history is not None and len(history):
        column = history.parameters.get(name)
        known = np.zeros(len(history), dtype=bool)
        if column is not None:
            admitted = [is_laid_out(value) for value in column.values]
            known = np.asarray(column.spread(admitted, none=False), dtype=bool)
        for code, method in enumerate(history.method.values):
            rows = history.method.codes == code
            if rows.any():
                found.setdefault(method, set()).update(np.unique(known[rows]).tolist())
    if any(len(has) > 1 for has in found.values()):
        return Absence.ANYWHERE
    return Absence.NEVER if all(True in has for has in found.values()) else Absence.BY_METHOD


def _by_name(space: SearchSpace) -> dict[str, list[Parameter]]:
    found: dict[str, list[Parameter]] = {}
    models = {branch.model.handle for branch in space.branches}
    for handle, parameter in domains(space).items():
        if handle not in models:
            found.setdefault(parameter.name, []).append(parameter)
    return found


def _values(parameter: Parameter) -> Sequence[Any]:
    match parameter:
        case Categorical(choices=choices):
            return choices
        case Integer(low=low, high=high):
            return (low, high)
        case _:
            return (False, True)


def _number_scale(name: str, parameters: Sequence[Parameter]) -> NumberScale | None:
    """Return the scale of a hyper-parameter whose values are all numbers; None for any other."""
    values = [value for parameter in parameters for value in _values(parameter)]
    if not all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
        return None
    low, high = min(values), max(values)
    logarithmic = low > 0 and high / low >= _WIDE_RATIO and not _is_range(parameters)
    scale = NumberScale(name, logarithmic or name == LEARNING_RATE, 1.0)
    span = _position(scale, high) - _position(scale, low)
    return replace(scale, span=span if span > 0 else 1.0)


def _is_range(parameters: Sequence[Parameter]) -> bool:
    return any(isinstance(parameter, Integer) for parameter in parameters)


def _position(scale: NumberScale, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return math.nan
    if not scale.is_logarithmic:
        return float(value)
    return math.log10(value) if value > 0 else math.nan


def _has_position(scale: NumberScale, value: object) -> bool:
    return not math.isnan(_position(scale, value))


def _has_code(codes: Mapping[Any, int], value: object) -> bool:
    return _key(value) in codes


def _key(value: object) -> Any:
    return value_key(value) if isinstance(value, bool | int | float | str | None) else None


def _spread(column: Coded, by_value: Sequence[float]) -> NDArray[np.float64]:
    return np.asarray(column.spread(by_value, none=math.nan), dtype=float)


def _standardised(descriptors: Sequence[Mapping[str, Any]]) -> NDArray[np.float64]:
    """Return descriptors in units of their spread over the models; 0 where one is not known."""
    table = np.full((len(descriptors), len(_MODEL_NUMBERS) + 2), np.nan)
    for row, descriptor in enumerate(descriptors):
        for column, name in enumerate(_MODEL_NUMBERS):
            value = descriptor.get(name)
            if isinstance(value, int | float) and value > 0:
                table[row, column] = math.log10(value)
        pretrained = descriptor.get("pretrained")
        table[row, -2] = math.nan if pretrained is None else float(bool(pretrained))
        languages = descriptor.get("languages") or ()
        if languages:
            many = len(languages) > 1 or "multilingual" in languages
            table[row, -1] = float(many)
    known = ~np.isnan(table)
    counts = np.maximum(known.sum(axis=0), 1)
    means = np.where(known, table, 0.0).sum(axis=0) / counts
    centred = np.where(known, table - means, 0.0)
    spread = np.sqrt((centred**2).sum(axis=0) / counts)
    found = centred / np.where(spread > 1e-9, spread, 1.0)
    # The last one is of the task: how well the model was screened on it.
    return np.column_stack([found, np.zeros(len(found))])
