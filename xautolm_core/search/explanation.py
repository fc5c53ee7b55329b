"""Explanations of proposals: the sampler's predictions and what they are based on."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel
from pydantic import ConfigDict
from pydantic import Field

WITHOUT_HISTORY = "without history"
"""Name of the structure that uses no history; all others use it."""


class PredictedRange(BaseModel):
    """A predicted value of an objective, in the objective's own unit.

    Attributes:
        median: Half of the outcomes are expected below it.
        low: 10 % of the outcomes are expected below it.
        high: 90 % of the outcomes are expected below it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    median: float
    low: float
    high: float


class NearTask(BaseModel):
    """A task of the history that a proposal is based on.

    Attributes:
        name: Name of the task.
        weight: Its weight among the tasks of the history, in [0, 1].
        trials: Trials of it that were used.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    weight: float
    trials: int


class TrialExplanation(BaseModel):
    """The basis of a proposal: predictions, structures and similar tasks.

    Attributes:
        structures: Objective name to structure name to its posterior weight; the weights of an
            objective sum to 1. Empty for samplers that do not weigh structures.
        nearest_tasks: Tasks of the history that the proposal is based on, highest weight first.
        predictions: Objective name to the predicted value, before the trial ran.
        failure_probabilities: Kind of failure (``oom``, ``timeout``, ``diverged``) to its
            probability; empty if no failure model was used.
        failure_probability: Probability of any of them; None if no failure model was used.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    structures: Mapping[str, Mapping[str, float]] = Field(default_factory=dict)
    nearest_tasks: tuple[NearTask, ...] = ()
    predictions: Mapping[str, PredictedRange] = Field(default_factory=dict)
    failure_probabilities: Mapping[str, float] = Field(default_factory=dict)
    failure_probability: float | None = None
