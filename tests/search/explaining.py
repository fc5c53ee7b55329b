"""A sampler's double: uniform draws, each of them explained."""

from __future__ import annotations

import pytest

from xautolm_core.search.explanation import NearTask
from xautolm_core.search.explanation import PredictedRange
from xautolm_core.search.explanation import TrialExplanation
from xautolm_core.search.samplers.random_sampler import UniformSampler


def explanation(number: int, *, history: float = 0.75) -> TrialExplanation:
    """Return what is expected of a trial: different for each.

    Args:
        number: Of the trial.
        history: Weight of the structures of the score that use history.
    """
    return TrialExplanation(
        structures={
            "f1": {
                "without history": 1 - history,
                "history as the mean": 0.8 * history,
                "history as a feature": 0.2 * history,
            }
        },
        nearest_tasks=(NearTask(name="past-task", weight=0.5, trials=40),),
        predictions={
            "f1": PredictedRange(median=0.5 + number / 1000, low=0.4, high=0.9),
            "time": PredictedRange(median=2.0, low=1.0, high=4.0 + number),
        },
        failure_probabilities={"oom": 0.125, "timeout": 0.0, "diverged": 0.0},
        failure_probability=0.125,
    )


def explain_draws(patch: pytest.MonkeyPatch, *, first: int = 0, history: float = 0.75) -> None:
    """Let the sampler ``random`` explain what it draws.

    Args:
        patch: Undoes it.
        first: Trials before this number are not explained.
        history: See ``explanation``; of the first trial it is .75.
    """
    plain = UniformSampler.chooser

    def chooser(self, study, number, generator):
        if number >= first:
            self._explanations[number] = explanation(number, history=history if number else 0.75)
        return plain(self, study, number, generator)

    patch.setattr(UniformSampler, "chooser", chooser)
