"""Did memory save time? Two searches on one task, one with experiences and one without.

Pure functions over the rows of ``trials.parquet``. The question has a strict answer: memory gets
the credit only where the trial that reached the score was proposed from experiences, and in
clearly less time. Everything else is reported as it is.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from xautolm_core.records.methods import is_cheap
from xautolm_core.report.wording import method_words
from xautolm_core.report.wording import score_words

CLEARLY_LESS = 0.5
"""Largest share of the other's time: two runs of one search differ by a trial or two anyway."""

CREDIT = "Memory saved"
"""How a verdict begins that gives memory the credit."""

_EQUAL = 1e-9
# What the samplers say of a configuration that they recall.
_RECALLED = (" similar task", " on this task", " of the portfolio of ")


@dataclass(frozen=True)
class DemoTrial:
    """One trial that left a model.

    Attributes:
        number: Its number in the search.
        name: How its classifier is made.
        cheap: Whether it is a cheap candidate, which runs before any language model.
        why: Why it was run.
        seconds: From the start of the search's process to the end of the trial.
        macro_f1: On validation.
    """

    number: int
    name: str
    cheap: bool
    why: str
    seconds: float
    macro_f1: float

    @property
    def is_recalled(self) -> bool:
        """Whether the configuration itself was taken from experiences."""
        return any(words in self.why for words in _RECALLED)


def demo_trials(rows: Iterable[Mapping[str, Any]], *, begun_at: datetime) -> list[DemoTrial]:
    """Read the rows of ``trials.parquet``; the trials that left a model, in the order of their end.

    Args:
        rows: Rows by column; a search without a trial has no column but ``trial``.
        begun_at: When the search's process was started (UTC).
    """
    found = []
    for row in rows:
        score, ended = row.get("score.macro_f1"), row.get("ended_at")
        if ended is None or score is None or not math.isfinite(score):
            continue
        if row["outcome"] != "ok" and not row["chosen"]:
            continue
        model = str(row["model"] or "").rsplit("/", 1)[-1]
        found.append(
            DemoTrial(
                number=int(row["trial"]),
                name=method_words(row["method"], model),
                cheap=is_cheap(row["method"]),
                why=str(row["why"]),
                seconds=(ended - begun_at).total_seconds(),
                macro_f1=float(score),
            )
        )
    return sorted(found, key=lambda trial: (trial.seconds, trial.number))


def first_to_reach(trials: Iterable[DemoTrial], target: float) -> DemoTrial | None:
    """Return the first trial that reached a score; None if there is none.

    Args:
        trials: In the order of their end.
        target: Macro-F1 on validation.
    """
    return next((trial for trial in trials if trial.macro_f1 >= target - _EQUAL), None)


def best_of(trials: Iterable[DemoTrial]) -> DemoTrial | None:
    """Return the trial with the best score, the earliest of equal ones; None without any."""
    return max(trials, key=lambda trial: trial.macro_f1, default=None)


def comparison_lines(
    cold: Sequence[DemoTrial], warm: Sequence[DemoTrial], *, validation_rows: int
) -> list[str]:
    """Return the effect of memory, line by line, for people.

    Args:
        cold: Trials of the search with an empty store, in the order of their end.
        warm: Trials of the search with experiences, likewise.
        validation_rows: Number of rows that the scores were measured on.
    """
    lines = [f"{'best score without memory':<29}{'macro F1':>8}   {'without':<13}with memory"]
    groups = {"of all trials": (cold, warm)}
    models = [[t for t in trials if not t.cheap] for trials in (cold, warm)]
    groups["of language models"] = (models[0], models[1])
    for name, (without, with_memory) in groups.items():
        best = best_of(without)
        if best is not None:
            reached = first_to_reach(with_memory, best.macro_f1)
            lines.append(
                f"{name:<29}{score_words(best.macro_f1):>8}   "
                f"{_when(best):<13}{_when(reached) if reached else 'not reached'}"
            )
    recalled = min((t for t in warm if t.is_recalled), key=lambda t: t.number, default=None)
    lines.append(
        "No configuration came from memory."
        if recalled is None
        else f"Memory began with #{recalled.number}, {recalled.name}: {recalled.why}."
    )
    lines.append(verdict(cold, warm, validation_rows=validation_rows))
    best = best_of(cold)
    if best is not None and best.cheap and all(models):
        among = verdict(*models, validation_rows=validation_rows)
        lines.append(f"Among language models alone: {among[0].lower()}{among[1:]}")
        if among.startswith(CREDIT):
            lines.append("The model handed over is none of them.")
    return lines


def verdict(cold: Sequence[DemoTrial], warm: Sequence[DemoTrial], *, validation_rows: int) -> str:
    """Return in a sentence or two what may be credited to memory.

    Args:
        cold: Trials of the search with an empty store, in the order of their end.
        warm: Trials of the search with experiences, likewise.
        validation_rows: Number of rows that the scores were measured on.
    """
    target, ahead = best_of(cold), best_of(warm)
    if target is None or ahead is None:
        return "Inconclusive: one of the two searches has no score."
    reached = first_to_reach(warm, target.macro_f1)
    if reached is None:
        behind = target.macro_f1 - ahead.macro_f1
        noise = _noise(target.macro_f1, validation_rows)
        size = "within" if behind <= noise else "beyond"
        return (
            f"Inconclusive: with memory it reached {score_words(ahead.macro_f1)}, not the "
            f"{score_words(target.macro_f1)} of the cold search; the difference is {size} the "
            f"noise of {validation_rows} validation rows (about {score_words(noise)})."
        )
    if target.cheap:
        return (
            f"Inconclusive: the cold search's final score is that of a cheap candidate "
            f"({target.name}), and those run first with memory or without."
        )
    share = reached.seconds / target.seconds
    times = f"{reached.seconds:.0f} s with memory, {target.seconds:.0f} s without"
    if share > CLEARLY_LESS:
        return (
            f"Inconclusive: {times}; one run of each cannot show a difference of less than "
            f"a factor of {1 / CLEARLY_LESS:g}."
        )
    if not reached.is_recalled:
        return (
            f"Inconclusive: {times}, but the trial that reached the score was not taken "
            f"from memory ({reached.why})."
        )
    return (
        f"{CREDIT} {1 - share:.0%} of the time: {times}, by trial #{reached.number}, "
        f"{reached.name}: {reached.why}. One run of each is an example, not a measurement."
    )


def _when(trial: DemoTrial) -> str:
    return f"{trial.seconds:.0f} s (#{trial.number})"


def _noise(score: float, rows: int) -> float:
    """Return two standard errors of a difference of two scores, each on ``rows`` rows."""
    return 2 * math.sqrt(2 * score * (1 - score) / max(rows, 1))
