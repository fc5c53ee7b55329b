"""What ``search_quality.py`` computes from measured parts: pure functions, no process, no file."""

from __future__ import annotations

import math
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from xautolm_core.tasks.grouped import macro_f1
from xautolm_core.tasks.grouped import one_hot

# Methods that train no language model: they are not counted among its trials.
CHEAP_METHODS = frozenset({"tfidf", "linear_probe", "linear_probe_tfidf"})
ROW_DRAWS = 2_000
SET_DRAWS = 10_000
# A search may be over its budget by the larger of both, and under it by this share unexplained.
OVER_SHARE, OVER_SECONDS, UNDER_SHARE = 0.03, 5.0, 0.05
_EQUAL = 1e-9


@dataclass(frozen=True)
class ScoredTrial:
    """One trial of a search, as far as the figures need it.

    Attributes:
        number: Its number in the search.
        method: Fine-tuning method, or the name of a cheap candidate.
        launched_seconds: From the start of the search's process to its launch.
        ended_seconds: Likewise to its end.
        macro_f1: On validation; None if it left no model that could be chosen.
    """

    number: int
    method: str
    launched_seconds: float
    ended_seconds: float
    macro_f1: float | None


# --- the reference ---


def reference_of(
    candidates: Mapping[str, Mapping[str, Any]], *, with_epoch: bool
) -> tuple[str, Mapping[str, Any]]:
    """Choose the best candidate on validation, and return it with its name.

    Args:
        candidates: Name to ``validation`` and ``test``; the plain epoch's name is ``epoch``, and it
            has no ``validation`` if it was ended.
        with_epoch: Whether the epoch fits into the budget beside the others.
    """
    eligible = {
        name: found
        for name, found in candidates.items()
        if "validation" in found and (with_epoch or name != "epoch")
    }
    name = max(eligible, key=lambda one: eligible[one]["validation"]["macro_f1"])
    return name, eligible[name]


# --- a search's trials ---


def scored_trials(
    rows: Iterable[Mapping[str, Any]], *, begun_at: datetime
) -> tuple[ScoredTrial, ...]:
    """Read the rows of ``trials.parquet``, in the order of their launch.

    Only trials that ended ``ok``, and the chosen one, have left a model: others have no score here.
    Trials that were never launched are left out.

    Args:
        rows: Rows by column; a search without a trial has no column but ``trial``.
        begun_at: When the search's process was started (UTC).
    """
    found = []
    for row in rows:
        launched, ended = row.get("launched_at"), row.get("ended_at")
        if launched is None or ended is None:
            continue
        score = row.get("score.macro_f1")
        eligible = row["outcome"] == "ok" or bool(row["chosen"])
        usable = score is not None and eligible and math.isfinite(score)
        found.append(
            ScoredTrial(
                number=int(row["trial"]),
                method=str(row["method"]),
                launched_seconds=(launched - begun_at).total_seconds(),
                ended_seconds=(ended - begun_at).total_seconds(),
                macro_f1=score if usable else None,
            )
        )
    return tuple(sorted(found, key=lambda one: (one.launched_seconds, one.number)))


def curve_of(trials: Iterable[ScoredTrial]) -> tuple[tuple[float, float], ...]:
    """Return the steps (elapsed seconds, best validation macro-F1 so far), rising only."""
    steps: list[tuple[float, float]] = []
    for trial in sorted(trials, key=lambda one: one.ended_seconds):
        score = trial.macro_f1
        if score is not None and (not steps or score > steps[-1][1]):
            steps.append((trial.ended_seconds, score))
    return tuple(steps)


def seconds_to(curve: Sequence[tuple[float, float]], target: float) -> float | None:
    """Return when a curve first reaches a score; None if it never does."""
    return next((seconds for seconds, score in curve if score >= target - _EQUAL), None)


def final_score(curve: Sequence[tuple[float, float]]) -> float | None:
    """Return the best score of all; None without any."""
    return curve[-1][1] if curve else None


def language_models_until(trials: Sequence[ScoredTrial], target: float) -> int | None:
    """Return how many language models were launched up to the trial that reaches a score.

    0 if a cheap candidate reaches it before any; None if no trial does. A continuation counts as a
    trial of its own, as in the run folder.

    Args:
        trials: In the order of their launch.
        target: The score, macro-F1 on validation.
    """
    reaching = [t for t in trials if t.macro_f1 is not None and t.macro_f1 >= target - _EQUAL]
    if not reaching:
        return None
    first = min(reaching, key=lambda one: one.ended_seconds)
    return sum(
        one.method not in CHEAP_METHODS
        for one in trials
        if (one.launched_seconds, one.number) <= (first.launched_seconds, first.number)
    )


@dataclass(frozen=True)
class TimeToTarget:
    """How long two searches took to the first one's final validation score.

    Attributes:
        target: That score, macro-F1.
        cold_seconds: Of the first search.
        warm_seconds: Of the second one; the whole budget if it never reached it.
        reached: Whether it did, within the budget.
        budget_seconds: Of each.
    """

    target: float
    cold_seconds: float
    warm_seconds: float
    reached: bool
    budget_seconds: float

    @property
    def of_cold(self) -> float:
        """Seconds of the second over those of the first."""
        return self.warm_seconds / self.cold_seconds

    @property
    def of_budget(self) -> float:
        """Seconds of the second over the budget."""
        return self.warm_seconds / self.budget_seconds


def time_to_target(
    cold: Sequence[tuple[float, float]],
    warm: Sequence[tuple[float, float]],
    *,
    budget_seconds: float,
) -> TimeToTarget | None:
    """Compare two curves; None if the cold search has no score to be reached."""
    target = final_score(cold)
    if target is None:
        return None
    found = seconds_to(warm, target)
    reached = found is not None and found <= budget_seconds
    return TimeToTarget(
        target=target,
        cold_seconds=min(cold[-1][0], budget_seconds),
        warm_seconds=found if found is not None and reached else budget_seconds,
        reached=reached,
        budget_seconds=budget_seconds,
    )


# --- the budget ---


def budget_verdict(wall_seconds: float, budget_seconds: float) -> str:
    """Return ``over``, ``early`` or ``kept``."""
    if wall_seconds > budget_seconds + max(OVER_SHARE * budget_seconds, OVER_SECONDS):
        return "over"
    if wall_seconds < (1 - UNDER_SHARE) * budget_seconds:
        return "early"
    return "kept"


# --- differences ---


@dataclass(frozen=True)
class Difference:
    """A set's difference of test macro-F1, ours minus the reference's, in the mean of its seeds.

    Attributes:
        mean: The difference.
        standard_error: By a paired bootstrap over the test rows; it does not include how much
            another seed would change.
    """

    mean: float
    standard_error: float

    @property
    def clearly_below(self) -> bool:
        """Whether it is more than two standard errors below zero."""
        return self.mean < -2 * self.standard_error


@dataclass(frozen=True)
class PairedAnswers:
    """The answers of both to the test rows of one seed.

    Attributes:
        truth: True classes.
        ours: The answers of the search's model.
        reference: Those of the reference.
    """

    truth: Sequence[str]
    ours: Sequence[str]
    reference: Sequence[str]


def paired_difference(seeds: Sequence[PairedAnswers], *, draws: int = ROW_DRAWS) -> Difference:
    """Return the mean difference over seeds and its standard error by the test rows.

    Where the seeds have the same test rows, each draw takes the same ones in all of them: what a
    row does to one seed's difference it does to the other's. The weights of seeds with test rows of
    their own are drawn one by one.

    Raises:
        ValueError: There are no seeds or no rows, or the lengths differ.
    """
    if not seeds:
        raise ValueError("there is no seed to compare on")
    generator = np.random.default_rng(0)
    means, drawn = [], np.zeros(draws)
    weights: dict[tuple[str, ...], np.ndarray] = {}
    for answers in seeds:
        if len({len(answers.truth), len(answers.ours), len(answers.reference)}) != 1:
            raise ValueError("truth and answers have different lengths")
        rows = len(answers.truth)
        test = tuple(answers.truth)
        if test not in weights:
            weights[test] = generator.multinomial(rows, np.full(rows, 1 / rows), size=draws)
        gains = _gains(answers, np.vstack([np.ones(rows), weights[test]]))
        means.append(float(gains[0]))
        drawn += gains[1:] / len(seeds)
    return Difference(float(np.mean(means)), float(np.std(drawn, ddof=1)))


def _gains(answers: PairedAnswers, weights: np.ndarray) -> np.ndarray:
    """Return ours minus the reference's macro-F1 for several weightings of the rows."""
    names = sorted({*answers.truth, *answers.ours, *answers.reference})
    index = {name: place for place, name in enumerate(names)}
    truth, ours, reference = (
        np.array([index[name] for name in column], dtype=np.int64)
        for column in (answers.truth, answers.ours, answers.reference)
    )
    is_truth = one_hot(truth, len(names))

    def score(called: np.ndarray) -> np.ndarray:
        is_called = one_hot(called, len(names))
        return macro_f1(weights @ (is_truth * is_called), weights @ (is_truth + is_called))

    gains: np.ndarray = score(ours) - score(reference)
    return gains


def interval(groups: Sequence[Sequence[float]]) -> tuple[float, float, float]:
    """Return the mean over sets and its 95 % interval; sets are drawn, and seeds within each.

    Args:
        groups: One value a seed, by set.

    Raises:
        ValueError: There is nothing to average.
    """
    if not groups or not all(len(group) for group in groups):
        raise ValueError("a set without a value")
    generator = np.random.default_rng(0)
    columns = [np.asarray(group, dtype=float) for group in groups]
    # A draw of a set is a fresh draw of its seeds: two draws of one set differ.
    means = np.zeros(SET_DRAWS)
    for _ in columns:
        chosen = generator.integers(len(columns), size=SET_DRAWS)
        for place, values in enumerate(columns):
            hit = chosen == place
            seeds = generator.integers(len(values), size=(int(hit.sum()), len(values)))
            means[hit] += values[seeds].mean(axis=1) / len(columns)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(np.mean([values.mean() for values in columns])), float(low), float(high)
