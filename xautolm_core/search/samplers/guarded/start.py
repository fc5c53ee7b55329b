"""Build a guarded sampler from a history and options."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xautolm_core.search.contract import WarmStartReport
from xautolm_core.search.samplers.base import FirstConfiguration
from xautolm_core.search.samplers.distance import feature_space
from xautolm_core.search.samplers.guarded.acquisition import expected_gain
from xautolm_core.search.samplers.guarded.candidates import drawn
from xautolm_core.search.samplers.guarded.expectation import expectation
from xautolm_core.search.samplers.guarded.memory import Memory
from xautolm_core.search.samplers.guarded.own_trials import nothing_tried
from xautolm_core.search.samplers.guarded.sampler import GuardedSampler
from xautolm_core.search.samplers.recall import Recollection
from xautolm_core.search.samplers.selection import select_usable
from xautolm_core.search.samplers.warm_start import decay_rate
from xautolm_core.search.samplers.warm_start import similar_tasks

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from xautolm_core.records.configuration import Configuration
    from xautolm_core.search.history import History
    from xautolm_core.search.history.relevance import DropReason
    from xautolm_core.search.resource_load import Load
    from xautolm_core.search.samplers.base import Infeasibility
    from xautolm_core.search.samplers.failure_rows import FailureForecaster
    from xautolm_core.search.samplers.guarded.learnt import LearntCache
    from xautolm_core.search.samplers.options import GuardedOptions
    from xautolm_core.search.samplers.selection import SearchContext
    from xautolm_core.search.samplers.selection import UsableHistory

_MANY_TASKS = 10
_DECAY = 0.5


def guarded_sampler(
    history: History,
    context: SearchContext,
    options: GuardedOptions,
    *,
    seed: int,
    infeasible: Infeasibility | None,
    failures: FailureForecaster | None,
    load: Load | None = None,
    learnt: LearntCache | None = None,
) -> GuardedSampler:
    """Build the sampler with its memory and its first configurations."""
    usable, dropped = select_usable(history, context)
    memory = Memory(
        usable,
        context,
        options,
        history=history,
        infeasible=infeasible or (lambda _: None),
        load=load,
        learnt=learnt,
    )
    report = _report(usable, dropped, memory, context, seed)

    def chance(configurations: Sequence[Configuration]) -> NDArray[np.float64]:
        if failures is None:
            return np.ones(len(configurations))
        return 1.0 - failures.foreseen(configurations, failures.without_trials()).any

    first: list[FirstConfiguration] = []
    if options.memory_first:
        recollection = Recollection(usable, np.ones(len(usable)), context, infeasible=infeasible)
        first = recollection.first_configurations(from_similar=0)
    for rank, one in enumerate(memory.portfolio(_portfolio_size(options, memory), chance)):
        if all(one != known.configuration for known in first):
            why = f"number {rank + 1} of the portfolio of {_tasks_in_words(memory)}"
            first.append(FirstConfiguration(one, why))
    return GuardedSampler(
        context.space,
        seed=seed,
        options=options,
        objectives=context.objectives,
        memory=memory,
        infeasible=infeasible,
        report=report,
        failures=failures,
        from_memory=first,
    )


def _report(
    usable: UsableHistory,
    dropped: Mapping[DropReason, int],
    memory: Memory,
    context: SearchContext,
    seed: int,
) -> WarmStartReport:
    """Return the effect of the history: used experiences, and the favoured branches."""
    applied = int(np.count_nonzero(usable.mapped.complete))
    probabilities = _favoured(memory, context, seed) if len(usable) else {}
    uniform = 1 / max(len(probabilities), 1)
    return WarmStartReport(
        applied=applied,
        mapped=len(usable) - applied,
        dropped={str(reason): count for reason, count in sorted(dropped.items())},
        prior_shift=sum(abs(p - uniform) for p in probabilities.values()) / 2,
        neighbours=_most_similar(usable, context),
        branch_probabilities=probabilities,
    )


def _most_similar(usable: UsableHistory, context: SearchContext) -> list[tuple[str, float, int]]:
    """Return the tasks whose meta-features are nearest: name, similarity, experiences."""
    features = feature_space(usable.history, context.task_features, context.system_features)
    distances = features.distances("standard", "euclidean")
    similarity = np.exp(-decay_rate(distances, _DECAY) * distances)
    return similar_tasks(usable.history, np.arange(len(usable)), similarity)


def _favoured(memory: Memory, context: SearchContext, seed: int) -> dict[str, float]:
    """Return each branch's share of the expected gain of random configurations."""
    generator = np.random.default_rng(seed)
    found = drawn(context.space, generator, history=(), front=())
    nothing = nothing_tried(len(context.objectives))
    known = expectation(memory, nothing, found, context.objectives)
    gain = expected_gain(
        known.beliefs, memory.curves, known.candidates, known.front_scores, generator=generator
    )
    shares = dict.fromkeys((branch.name for branch in context.space.branches), 0.0)
    counts = dict.fromkeys(shares, 0)
    for one, value in zip(found, gain.tolist(), strict=True):
        shares[one.branch] += value
        counts[one.branch] += 1
    means = {name: share / max(counts[name], 1) for name, share in shares.items()}
    total = sum(means.values())
    return {name: mean / total for name, mean in means.items()} if total > 0 else {}


def _tasks_in_words(memory: Memory) -> str:
    count = len(memory.sources.others)
    return f"{count} earlier task{'s' if count > 1 else ''}"


def _portfolio_size(options: GuardedOptions, memory: Memory) -> int:
    if options.structures == "without_history":
        return 0
    if options.portfolio != "auto":
        return options.portfolio
    return 2 if len(memory.sources.others) >= _MANY_TASKS else 1
