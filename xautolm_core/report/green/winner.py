"""The winner of a search beside what would have taken less: a smaller model, a linear model."""

from __future__ import annotations

from dataclasses import dataclass

from xautolm_core.report.green.attempts import Attempt
from xautolm_core.report.green.searches import GreenSearch


@dataclass(frozen=True)
class Beside:
    """One line of the comparison, all of one search.

    Attributes:
        what: What it is, with the trial that was measured.
        model: Its model and method.
        parameters: Of the model; None if unknown or none.
        validation_macro_f1: On validation data.
        test_macro_f1: On the test split, which only the winner and the baseline have met.
        joules: None if nobody metered it.
        seconds: Of training and evaluation.
        is_winner: Whether the others are compared with it.
        pretrained: False for random weights.
    """

    what: str
    model: str
    parameters: int | None
    validation_macro_f1: float | None
    test_macro_f1: float | None
    joules: float | None
    seconds: float | None
    is_winner: bool = False
    pretrained: bool = True


def beside_winner(search: GreenSearch) -> list[Beside]:
    """Return the winner and what it is compared with; nothing else was measured.

    Args:
        search: One with a winner.
    """
    if search.winner is None:
        return []
    rows = [_of_trial("chosen", search.winner, search)]
    if search.smaller is not None:
        rows.append(_of_trial("best smaller model", search.smaller, search))
    least = next((a for a in search.front if a.identity != search.winner.identity), None)
    if least is not None and (search.smaller is None or least.identity != search.smaller.identity):
        rows.append(_of_trial("least energy on the front", least, search))
    baseline = search.run.baseline if search.run else None
    if baseline is not None:
        rows.append(
            Beside(
                "linear baseline",
                "TF-IDF and logistic regression",
                None,
                baseline.validation_macro_f1,
                baseline.test_macro_f1,
                None,
                baseline.seconds,
            )
        )
    return rows


def _of_trial(what: str, attempt: Attempt, search: GreenSearch) -> Beside:
    is_winner = attempt is search.winner
    parts = [s for s in (attempt.train_seconds, attempt.evaluate_seconds) if s is not None]
    return Beside(
        what=f"{what}, trial {attempt.trial_number}",
        model=f"{attempt.model} {attempt.method}",
        parameters=attempt.parameters,
        validation_macro_f1=attempt.macro_f1,
        test_macro_f1=search.run.test_macro_f1 if is_winner and search.run else None,
        joules=attempt.joules,
        seconds=sum(parts) if parts else None,
        is_winner=is_winner,
        pretrained=attempt.pretrained,
    )
