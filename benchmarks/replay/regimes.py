"""What history a search starts from: true, misleading, without meaning, scarce, or none.

The stores of a seed are the same for all tasks and arms, without the task that is searched on.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from benchmarks.replay.problem import Observed
from benchmarks.replay.problem import RecordedTrial
from benchmarks.replay.problem import Table
from benchmarks.replay.problem import experiences
from xautolm_core.search.history import History

NORMAL, HOSTILE, SHUFFLED, FAMILY, NONE = "normal", "hostile", "shuffled", "family", "none"
SCARCE = {"scarce5": 5, "scarce3": 3, "scarce1": 1}
"""Regime to the number of other tasks in the store."""

REGIMES: Mapping[str, str] = {
    NORMAL: "all other tasks",
    HOSTILE: "all other tasks, the scores of each mirrored: the best is the worst",
    SHUFFLED: "all other tasks, the outcomes of each permuted over its configurations",
    **{name: f"{count} other tasks, drawn at random" for name, count in SCARCE.items()},
    FAMILY: "all other tasks, without the models of one family (new models)",
    NONE: "nothing",
}

Sources = dict[str, list[RecordedTrial]]


def sources(table: Table, regime: str, task: str, seed: int) -> Sources:
    """Return the trials of other tasks that a search on a task starts from.

    Args:
        table: Has the tasks.
        regime: One of ``REGIMES``.
        task: What is searched on.
        seed: Of the store.
    """
    generator = np.random.default_rng([seed, zlib.crc32(f"{regime}/{task}".encode())])
    others = [name for name in table.tasks if name != task]
    match regime:
        case "none":
            return {}
        case "normal":
            return {name: table.source(name, seed) for name in others}
        case "hostile":
            return {name: mirrored(table.source(name, seed)) for name in others}
        case "shuffled":
            return {name: permuted(table.source(name, seed), generator) for name in others}
        case "family":
            models = table.family(generator)
            return {name: without(table.source(name, seed), models) for name in others}
    chosen = generator.choice(len(others), SCARCE[regime], replace=False)
    return {others[i]: table.source(others[i], seed) for i in sorted(chosen.tolist())}


def history_of(table: Table, found: Sources) -> History:
    """Return the history that some tasks' trials come to."""
    return History.of(
        experience
        for task, trials in found.items()
        for experience in experiences(table.problem(task), trials)
    )


def mirrored(trials: list[RecordedTrial]) -> list[RecordedTrial]:
    """Return trials in which the best score has become the worst; failures stay."""
    scores = [one.observed.score for one in trials if one.observed.score is not None]
    if not scores:
        return trials
    ends = min(scores) + max(scores)

    def flipped(observed: Observed) -> Observed:
        return (
            observed if observed.score is None else replace(observed, score=ends - observed.score)
        )

    return [RecordedTrial(one.configuration, flipped(one.observed)) for one in trials]


def permuted(trials: list[RecordedTrial], generator: np.random.Generator) -> list[RecordedTrial]:
    """Return trials whose outcomes are unrelated to their configurations."""
    order = generator.permutation(len(trials)).tolist()
    return [
        RecordedTrial(one.configuration, trials[other].observed)
        for one, other in zip(trials, order, strict=True)
    ]


def without(trials: list[RecordedTrial], models: frozenset[str]) -> list[RecordedTrial]:
    """Return the trials of other models."""
    return [one for one in trials if one.configuration.model not in models]
