"""The winner of a search beside what would have taken less: a smaller model, a cheap candidate."""

from __future__ import annotations

from dataclasses import dataclass

from xautolm_core.report.green.attempts import Attempt
from xautolm_core.report.green.searches import GreenSearch
from xautolm_core.space.methods import is_cheap


@dataclass(frozen=True)
class Beside:
    """One line of the comparison, all of one search.

    Attributes:
        what: What it is, with the trial that was measured.
        model: Its model and method.
        parameters: Of the model; None if unknown or none.
        validation_macro_f1: On validation data.
        test_macro_f1: On the test split, which only the winner and the best of the other kind have
            met.
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
    winner = search.winner
    candidates = (
        ("chosen", winner),
        ("best smaller model", search.smaller),
        ("best cheap candidate", search.cheap),
        # Beside a cheap winner.
        ("best language model", search.language_model if is_cheap(winner.method) else None),
        ("least energy on the front", next(iter(search.front), None)),
    )
    rows: dict[str, Beside] = {}
    for what, attempt in candidates:
        if attempt is not None and attempt.identity not in rows:
            rows[attempt.identity] = _of_trial(what, attempt, search)
    return list(rows.values())


def _of_trial(what: str, attempt: Attempt, search: GreenSearch) -> Beside:
    parts = [s for s in (attempt.train_seconds, attempt.evaluate_seconds) if s is not None]
    return Beside(
        what=f"{what}, trial {attempt.trial_number}",
        model=attempt.made,
        parameters=attempt.parameters,
        validation_macro_f1=attempt.macro_f1,
        test_macro_f1=search.run.test_scores.get(attempt.trial_number) if search.run else None,
        joules=attempt.joules,
        seconds=sum(parts) if parts else None,
        is_winner=attempt is search.winner,
        pretrained=attempt.pretrained,
    )
