"""Choose the epochs of a proposal so that its training fits into the time left."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from xautolm_core.space.parameters import Categorical
from xautolm_core.space.parameters import Integer

if TYPE_CHECKING:
    from xautolm_core.records.configuration import Configuration
    from xautolm_core.search.forecast import Forecast
    from xautolm_core.space.parameters import Parameter
    from xautolm_core.space.space import SearchSpace

EPOCHS = "epochs"


def fit_epochs(
    space: SearchSpace,
    configuration: Configuration,
    *,
    forecast: Callable[[Configuration], Forecast],
    limit_seconds: float,
) -> Configuration:
    """Return a configuration with no more epochs than fit into a limit.

    The learning rate then decays to the end of a whole epoch, and the record has the actual epochs.
    Where not even the fewest epochs of the space fit, those are kept: the trial itself shortens its
    schedule to the time that it has.

    Args:
        space: Defines the possible numbers of epochs.
        configuration: A proposal.
        forecast: Predicts a configuration's time.
        limit_seconds: Time for its training and evaluation; infinite without a budget.
    """
    branch = space.branch(configuration.branch)
    parameter = None if branch is None else branch.parameter(EPOCHS)
    if parameter is None:
        return configuration
    asked = configuration.parameters[EPOCHS]
    fewer = [number for number in epoch_choices(parameter) if number <= _number(asked)]
    found = configuration
    for epochs in sorted(fewer, reverse=True):
        found = configuration.model_copy(
            update={"parameters": {**configuration.parameters, EPOCHS: epochs}}
        )
        if forecast(found).seconds <= limit_seconds:
            return found
    return found


def epoch_choices(parameter: Parameter) -> list[int]:
    """Return the numbers of epochs that a space admits."""
    match parameter:
        case Integer(low=low, high=high):
            return list(range(low, high + 1))
        case Categorical(choices=choices):
            return [choice for choice in choices if isinstance(choice, int)]
    return []


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
