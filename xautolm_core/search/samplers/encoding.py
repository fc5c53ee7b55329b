"""Convert between configurations and the flat parameters of an Optuna study.

A study's parameter names are the space's handles: ``branch`` for the branch, the shared handle
of a model group for the model, ``<branch>.<parameter>`` for the others. Only active ones are set.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Any

from xautolm_core.records.configuration import Configuration
from xautolm_core.records.configuration import Value
from xautolm_core.search.samplers.updates import Observation
from xautolm_core.space.draw import BRANCH_HANDLE
from xautolm_core.space.draw import draw
from xautolm_core.space.parameters import Boolean
from xautolm_core.space.parameters import Categorical
from xautolm_core.space.parameters import Integer
from xautolm_core.space.parameters import Parameter
from xautolm_core.space.parameters import value_key
from xautolm_core.space.space import SearchSpace
from xautolm_core.space.space import domains

if TYPE_CHECKING:
    import optuna
    from optuna.distributions import BaseDistribution
OUTCOME_ATTRIBUTE = "outcome"
"""Attribute of an Optuna trial: how it ended."""


def distributions(space: SearchSpace) -> dict[str, BaseDistribution]:
    """Return the Optuna distribution of every handle of the space (their union)."""
    from optuna.distributions import CategoricalDistribution
    from optuna.distributions import IntDistribution

    if not space.branches:
        return {}  # only cheap candidates, which are not drawn
    branches = CategoricalDistribution([branch.name for branch in space.branches])
    result: dict[str, BaseDistribution] = {BRANCH_HANDLE: branches}
    for handle, parameter in domains(space).items():
        match parameter:
            case Categorical(choices=choices):
                result[handle] = CategoricalDistribution(choices)
            case Integer(low=low, high=high):
                result[handle] = IntDistribution(low, high)
            case Boolean():
                result[handle] = CategoricalDistribution([False, True])
    return result


def to_observation(handles: Mapping[str, Value]) -> Observation:
    """Return a trial's parameters as an observation of the probabilistic model."""
    values = {handle: value for handle, value in handles.items() if handle != BRANCH_HANDLE}
    return Observation(branch=str(handles[BRANCH_HANDLE]), values=values)


def handles_key(handles: Mapping[str, Value]) -> frozenset[tuple[str, tuple[bool, Value]]]:
    """Return a key by which exact repetitions are found."""
    return frozenset((handle, value_key(value)) for handle, value in handles.items())


@dataclass
class TrialChooser:
    """Takes the parts of a configuration from an Optuna trial (define by run)."""

    trial: optuna.Trial
    known: Mapping[str, BaseDistribution]

    def branch(self, names: Sequence[str]) -> str:
        """Ask the trial for the branch."""
        return str(self._suggest(BRANCH_HANDLE))

    def value(self, parameter: Parameter) -> Value:
        """Ask the trial for a model or a hyper-parameter's value."""
        value = self._suggest(parameter.handle)
        return bool(value) if isinstance(parameter, Boolean) else value

    def _suggest(self, handle: str) -> Any:
        from optuna.distributions import CategoricalDistribution
        from optuna.distributions import IntDistribution

        match self.known[handle]:
            case CategoricalDistribution(choices=choices):
                return self.trial.suggest_categorical(handle, choices)
            case IntDistribution(low=low, high=high):
                return self.trial.suggest_int(handle, low, high)
        raise TypeError(f"handle {handle} has a distribution of an unknown kind")


def ask_configuration(trial: optuna.Trial, space: SearchSpace) -> Configuration:
    """Return the configuration that a trial's sampler proposes for it."""
    return draw(space, TrialChooser(trial, distributions(space)))
