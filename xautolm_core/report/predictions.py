"""What a sampler expected of a trial beside what came out, in words and for documents."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from typing import TYPE_CHECKING
from typing import Any

from xautolm_core.report.wording import count_words
from xautolm_core.report.wording import joules_words
from xautolm_core.report.wording import score_words
from xautolm_core.report.wording import seconds_words
from xautolm_core.report.wording import share_words
from xautolm_core.search.contract import Objective
from xautolm_core.search.records import objective_values

if TYPE_CHECKING:
    from xautolm_core.records.attempt import TrialResult
    from xautolm_core.search.contract import SearchResult
    from xautolm_core.search.contract import TrialRecord
    from xautolm_core.search.explanation import NearTask
    from xautolm_core.search.explanation import PredictedRange
    from xautolm_core.search.explanation import TrialExplanation

OBJECTIVE_WORDS: Mapping[str, str] = {
    Objective.F1: "macro F1",
    Objective.TIME: "time",
    Objective.ENERGY: "energy",
    Objective.LATENCY: "latency",
}
"""Objectives in the order in which they are shown."""

_FAILURE_WORDS: Mapping[str, str] = {
    "oom": "out of memory",
    "timeout": "past its time limit",
    "diverged": "training diverged",
    "invalid": "cannot be run",
}


def came_to(result: TrialResult | None) -> dict[str, float]:
    """Return objective name to what a trial came to; empty for one that did not end ok."""
    if result is None:
        return {}
    found: dict[str, float] = {}
    for objective in Objective:
        found |= objective_values(result, (objective,))
    return found


def predicted_document(explanation: TrialExplanation | None) -> dict[str, Any] | None:
    """Return the predictions of a trial for documents; None where nothing was predicted."""
    if explanation is None:
        return None
    found: dict[str, Any] = {
        name: one.model_dump() for name, one in explanation.predictions.items()
    }
    if explanation.failure_probability is not None:
        found["failure_probability"] = explanation.failure_probability
    return found or None


def predicted_columns(explanation: TrialExplanation | None) -> dict[str, float]:
    """Return the columns ``predicted.*`` of a trial in a table of trials."""
    if explanation is None:
        return {}
    columns: dict[str, float] = {}
    for name, one in explanation.predictions.items():
        columns |= {
            f"predicted.{name}": one.median,
            f"predicted.{name}.low": one.low,
            f"predicted.{name}.high": one.high,
        }
    if explanation.failure_probability is not None:
        columns["predicted.failure_probability"] = explanation.failure_probability
    for kind, probability in explanation.failure_probabilities.items():
        columns[f"predicted.failure_probability.{kind}"] = probability
    return columns


def amount_words(objective: str, value: float | None) -> str:
    """Return a value of an objective with its unit; empty if there is none."""
    if value is None:
        return ""
    match objective:
        case Objective.F1:
            return score_words(value)
        case Objective.TIME:
            return seconds_words(value)
        case Objective.ENERGY:
            return joules_words(value)
        case Objective.LATENCY:
            return f"{value:.3g} ms a text"
    return f"{value:.4g}"


def interval_words(objective: str, prediction: PredictedRange) -> str:
    """Return the interval that 80 % of the outcomes are expected in."""
    return (
        f"{amount_words(objective, prediction.low)} to {amount_words(objective, prediction.high)}"
    )


def failure_words(kind: str) -> str:
    """Return what a kind of failure means."""
    return _FAILURE_WORDS.get(kind, kind)


def kinds_words(explanation: TrialExplanation) -> str:
    """Return the probabilities of failure by kind; empty if none is known."""
    return ", ".join(
        f"{failure_words(kind)} {share_words(probability)}"
        for kind, probability in explanation.failure_probabilities.items()
    )


def structure_words(weights: Mapping[str, float]) -> str:
    """Return how the history entered a prediction, such as ``history as the mean 62 %, ...``."""
    ordered = sorted(weights.items(), key=lambda item: -item[1])
    return ", ".join(f"{name} {share_words(weight)}" for name, weight in ordered)


def task_words(task: NearTask) -> str:
    """Return a task of the history with its weight and how much was used of it."""
    return f"{task.name} (weight {task.weight:.2f}, {count_words(task.trials, 'trial')})"


def objectives_of(explanations: Iterable[TrialExplanation]) -> list[str]:
    """Return the objectives that any of them predicts, in the order in which they are shown."""
    found = dict.fromkeys(name for one in explanations for name in one.predictions)
    known = [str(name) for name in OBJECTIVE_WORDS if name in found]
    return known + [name for name in found if name not in known]


def objective_words(name: str, result: SearchResult) -> str:
    """Return what an objective of a search is called; the score by its own name."""
    return result.primary.title if name == Objective.F1 else OBJECTIVE_WORDS.get(name, name)


def hits_words(records: Iterable[TrialRecord], score_title: str = "macro F1") -> str:
    """Return how many outcomes lie in their interval, by objective; empty if nothing came out.

    The time and energy of a trial that a deadline cut do not count: it would have taken longer.
    """
    inside: dict[str, list[bool]] = {}
    for record in records:
        predictions = {} if record.explanation is None else record.explanation.predictions
        values = came_to(record.result)
        if record.result.cut_by is not None:
            values = {n: v for n, v in values.items() if not Objective(n).grows_with_schedule}
        for name, one in predictions.items():
            if name in values:
                inside.setdefault(name, []).append(one.low <= values[name] <= one.high)
    words = {**OBJECTIVE_WORDS, Objective.F1: score_title}
    return ", ".join(
        f"{words.get(name, name)} {sum(hits)} of {len(hits)}"
        for name, hits in sorted(inside.items(), key=lambda item: _place(item[0]))
    )


def _place(objective: str) -> int:
    names = list(OBJECTIVE_WORDS)
    return names.index(objective) if objective in names else len(names)
