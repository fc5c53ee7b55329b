"""What ``xautolm why`` prints: one line per trial, or all details of one."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Any

import typer

from xautolm_core.cli.output import console
from xautolm_core.cli.output import one_line
from xautolm_core.cli.output import print_table
from xautolm_core.report.predictions import OBJECTIVE_WORDS
from xautolm_core.report.predictions import amount_words
from xautolm_core.report.predictions import came_to
from xautolm_core.report.predictions import failure_words
from xautolm_core.report.predictions import interval_words
from xautolm_core.report.predictions import objectives_of
from xautolm_core.report.predictions import predicted_document
from xautolm_core.report.wording import configuration_words
from xautolm_core.report.wording import joules_words
from xautolm_core.report.wording import outcome_words
from xautolm_core.report.wording import share_words
from xautolm_core.search.contract import Objective
from xautolm_core.tasks.task_type import primary_title

if TYPE_CHECKING:
    from xautolm_core.records.attempt import TrialResult
    from xautolm_core.search.explanation import PredictedRange
    from xautolm_core.search.explanation import TrialExplanation
    from xautolm_core.search.folders import Proposal

NOT_ENDED = "not ended"
ORIGIN = "came from"

_GAP = "  "
_LEAST_ORIGIN_COLUMNS = 12
_INDENT = 5
_COLUMNS = {Objective.F1: ("score", "got"), Objective.TIME: ("time", "took")}
_COLUMNS |= {Objective.ENERGY: ("energy", "used"), Objective.LATENCY: ("latency", "had")}


@dataclass(frozen=True)
class ProposedTrial:
    """A trial as read from its folders.

    Attributes:
        proposal: Its proposal.
        result: Its result; None if it has not ended.
        attempts: Results of earlier attempts.
        waits_for: What its start waits for, if the launcher knows it; else empty.
    """

    proposal: Proposal
    result: TrialResult | None
    attempts: tuple[TrialResult, ...] = ()
    waits_for: str = ""


def trial_document(trial: ProposedTrial) -> dict[str, Any]:
    """Return the proposal, the result and the attempts of a trial as one document."""
    proposal, result = trial.proposal, trial.result
    explanation = proposal.explanation
    known = {} if explanation is None else explanation.model_dump(mode="json")
    return {
        "trial": proposal.number,
        "why": proposal.why,
        "configuration": proposal.configuration.model_dump(mode="json"),
        "outcome": None if result is None else result.outcome.value,
        "came_to": came_to(result),
        "predicted": predicted_document(explanation),
        "failure_probabilities": known.get("failure_probabilities", {}),
        "structures": known.get("structures", {}),
        "nearest_tasks": known.get("nearest_tasks", []),
        "waits_for": trial.waits_for or None,
        "earlier_attempts": [
            {
                "attempt": one.attempt,
                "outcome": one.outcome.value,
                "failure": None if one.failure is None else one.failure.model_dump(),
            }
            for one in trial.attempts
        ],
    }


def print_trials(trials: Sequence[ProposedTrial], *, sampler: str) -> None:
    """Print one line per trial; columns without any value are left out."""
    if not trials:
        typer.echo("no trial was proposed yet")
        return
    width = console().width if sys.stdout.isatty() else None
    for line in trial_lines(trials, width):
        typer.echo(line)
    if not any(_is_predicted(one.proposal.explanation) for one in trials):
        typer.echo(f"The sampler {sampler} predicts nothing of a trial")


def trial_lines(trials: Sequence[ProposedTrial], width: int | None) -> list[str]:
    """Return the titles and one line per trial.

    Where a line has no room for the trial's origin, that stands on the next line.

    Args:
        trials: What was proposed, and how it ended.
        width: Columns of the terminal; None for lines as long as they need to be.
    """
    rows = [_cells(one.proposal, one.result) for one in trials]
    names = [n for n in _all_columns() if any(row.get(n) for row in rows)]
    widths = {n: max(len(n), *(len(row.get(n, "")) for row in rows)) for n in names}
    used = sum(widths.values()) + len(_GAP) * len(names)
    is_beside = width is None or width - used >= _LEAST_ORIGIN_COLUMNS
    titles = _GAP.join(_aligned(n, n, widths[n]) for n in names)
    lines = [f"{titles}{_GAP}{ORIGIN}"[:width] if is_beside else titles.rstrip()]
    for row, trial in zip(rows, trials, strict=True):
        line = _GAP.join(_aligned(n, row.get(n, ""), widths[n]) for n in names)
        origin = one_line(trial.proposal.why)
        if is_beside:
            room = None if width is None else width - used
            lines.append(f"{line}{_GAP}{_cut(origin, room)}".rstrip())
        else:
            lines += [line.rstrip(), *_wrapped(origin, width)]
    return lines


def _all_columns() -> list[str]:
    pairs = [title for titles in _COLUMNS.values() for title in titles]
    return ["trial", *pairs, "fails", "outcome"]


def _cells(proposal: Proposal, result: TrialResult | None) -> dict[str, str]:
    explanation = proposal.explanation
    actual = came_to(result)
    cells = {"trial": str(proposal.number)}
    for objective, (expected, got) in _COLUMNS.items():
        one = None if explanation is None else explanation.predictions.get(objective.value)
        cells[expected] = "" if one is None else _short_prediction(objective, one)
        # The outcome is shown beside what was expected; score and time in any case.
        if one is not None or objective in (Objective.F1, Objective.TIME):
            cells[got] = _short(objective, actual.get(objective.value))
    probability = None if explanation is None else explanation.failure_probability
    cells["fails"] = "" if probability is None else f"{100 * probability:.0f} %"
    cells["outcome"] = NOT_ENDED if result is None else result.outcome.value
    return cells


def _short_prediction(objective: Objective, prediction: PredictedRange) -> str:
    median = _short(objective, prediction.median)
    if objective is not Objective.F1:
        return median
    low, high = (f"{end:.2f}".removeprefix("0") for end in (prediction.low, prediction.high))
    return f"{median} ({low}-{high})"


def _short(objective: Objective, value: float | None) -> str:
    """Return a value in few characters."""
    if value is None:
        return ""
    match objective:
        case Objective.F1:
            return f"{value:.3f}"
        case Objective.ENERGY:
            return joules_words(value)
        case Objective.TIME:
            return f"{value:.0f} s" if value >= 100 else f"{value:.3g} s"
    return f"{value:.3g} ms"


def _aligned(name: str, text: str, width: int) -> str:
    return text.ljust(width) if name == "outcome" else text.rjust(width)


def _cut(text: str, columns: int | None) -> str:
    from rich.text import Text

    if columns is None:
        return text
    shown = Text(text)
    shown.truncate(columns, overflow="ellipsis")
    return shown.plain


def _wrapped(text: str, width: int | None) -> list[str]:
    from rich.cells import cell_len

    room = (width or len(text) + _INDENT) - _INDENT
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if cell_len(longer) <= room or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    return [" " * _INDENT + _cut(line, room) for line in lines]


def _is_predicted(explanation: TrialExplanation | None) -> bool:
    if explanation is None:
        return False
    return bool(explanation.predictions) or explanation.failure_probability is not None


# --- one trial ---


def print_trial(trial: ProposedTrial) -> None:
    """Print the proposal, the result and the attempts of a trial; unknown values are left out."""
    proposal, result = trial.proposal, trial.result
    explanation = proposal.explanation
    outcome = NOT_ENDED if result is None else outcome_words(result.outcome)
    typer.echo(f"Trial {proposal.number}: {one_line(configuration_words(proposal.configuration))}")
    typer.echo(f"Came from: {one_line(proposal.why)}")
    typer.echo(f"Outcome: {outcome}")
    words = _words(result)
    if trial.waits_for:
        typer.echo(f"Waits for: {one_line(trial.waits_for)}")
    for one in trial.attempts:
        said = "" if one.failure is None else f" ({one.failure.message or one.failure.kind})"
        typer.echo(one_line(f"Attempt {one.attempt}: {outcome_words(one.outcome)}{said}"))
    if explanation is None:
        _print_values(came_to(result), words)
        return
    _print_predictions(explanation, came_to(result), words)
    _print_failures(explanation)
    _print_structures(explanation, words)
    if explanation.nearest_tasks:
        typer.echo()
        print_table(
            ("nearest task", "weight", "trials used"),
            [
                (one_line(one.name), f"{one.weight:.2f}", str(one.trials))
                for one in explanation.nearest_tasks
            ],
            right=("weight", "trials used"),
        )


def _words(result: TrialResult | None) -> Mapping[str, str]:
    """Return what objectives are called; the score by its own name, where a trial came to one."""
    scores = {} if result is None else result.scores
    return {**OBJECTIVE_WORDS, Objective.F1: primary_title(scores)}


def _print_values(actual: dict[str, float], words: Mapping[str, str]) -> None:
    for name, title in words.items():
        if name in actual:
            typer.echo(f"{title}: {amount_words(name, actual[name])}")


def _print_predictions(
    explanation: TrialExplanation, actual: dict[str, float], words: Mapping[str, str]
) -> None:
    objectives = objectives_of([explanation])
    _print_values({name: value for name, value in actual.items() if name not in objectives}, words)
    if not objectives:
        return
    typer.echo()
    print_table(
        ("", "expected", "80 % interval", "measured"),
        [
            (
                words.get(name, name),
                amount_words(name, one.median),
                interval_words(name, one),
                amount_words(name, actual.get(name)),
            )
            for name, one in ((name, explanation.predictions[name]) for name in objectives)
        ],
        right=("expected", "80 % interval", "measured"),
    )


def _print_failures(explanation: TrialExplanation) -> None:
    if explanation.failure_probability is None:
        return
    kinds = [
        (failure_words(kind), share_words(probability))
        for kind, probability in explanation.failure_probabilities.items()
    ]
    typer.echo()
    print_table(
        ("failure", "probability"),
        [*kinds, ("any of them" if kinds else "any", share_words(explanation.failure_probability))],
        right=("probability",),
    )


def _print_structures(explanation: TrialExplanation, words: Mapping[str, str]) -> None:
    if not explanation.structures:
        return
    names = dict.fromkeys(n for weights in explanation.structures.values() for n in weights)
    objectives = list(explanation.structures)
    titles = [words.get(name, name) for name in objectives]
    typer.echo()
    print_table(
        ("how the history is used", *titles),
        [
            (
                name,
                *(
                    share_words(explanation.structures[o][name])
                    if name in explanation.structures[o]
                    else ""
                    for o in objectives
                ),
            )
            for name in names
        ],
        right=titles,
    )
