"""From a sampler's name and options to a sampler."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING
from typing import Any

from xautolm_core.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from xautolm_core.features.vector import FeatureVector
    from xautolm_core.search.contract import Objective
    from xautolm_core.search.contract import WarmStartReport
    from xautolm_core.search.history import History
    from xautolm_core.search.resource_load import Load
    from xautolm_core.search.samplers.base import FirstConfiguration
    from xautolm_core.search.samplers.base import Infeasibility
    from xautolm_core.search.samplers.base import SpaceSampler
    from xautolm_core.search.samplers.options import RandomOptions
    from xautolm_core.space.space import SearchSpace

SAMPLER_NAMES = ("guarded", "xautolm", "zero_shot", "knn", "random")


def check_sampler(name: str, options: Mapping[str, Any]) -> RandomOptions:
    """Check a sampler's name and options without building it.

    Raises:
        ConfigError: The name or an option is unknown, or a value is wrong.
    """
    from xautolm_core.search.samplers import options as kinds

    types: dict[str, type[RandomOptions]] = {
        "guarded": kinds.GuardedOptions,
        "xautolm": kinds.WarmStartOptions,
        "zero_shot": kinds.EvolutionOptions,
        "knn": kinds.NeighbourOptions,
        "random": kinds.RandomOptions,
    }
    if name not in types:
        raise ConfigError(f"unknown sampler {name!r}", hint=f"Use {', '.join(SAMPLER_NAMES)}")
    return kinds.parse_options(types[name], options, name)


def learns_from_history(name: str, options: Mapping[str, Any]) -> bool:
    """Whether a sampler draws what earlier experiences made it draw.

    Raises:
        ConfigError: See ``check_sampler``.
    """
    return check_sampler(name, options).learns


def reads_history(name: str, options: Mapping[str, Any]) -> bool:
    """Whether a sampler uses earlier experiences, be it to foresee failures alone.

    Raises:
        ConfigError: See ``check_sampler``.
    """
    return check_sampler(name, options).reads


def make_sampler(
    name: str,
    *,
    space: SearchSpace,
    objectives: tuple[Objective, ...],
    seed: int,
    task_type: str,
    task_features: FeatureVector,
    system_features: FeatureVector,
    options: Mapping[str, Any] | None = None,
    history: History | None = None,
    expected_trials: int | None = None,
    infeasible: Infeasibility | None = None,
    task_name: str | None = None,
    seconds_allowed: float | None = None,
    load: Load | None = None,
    learnt_folder: Path | None = None,
) -> SpaceSampler:
    """Build a sampler.

    Args:
        name: One of ``SAMPLER_NAMES``.
        space: What it draws from.
        objectives: What the search optimises.
        seed: Seed of its draws.
        task_type: Kind of the current task.
        task_features: Meta-features of the current task.
        system_features: Meta-features of the machine.
        options: See ``xautolm_core.search.samplers.options``.
        history: Earlier experiences, none if None; ``zero_shot`` and ``random`` read them only for
            the failure model.
        expected_trials: How many trials the search will probably come to; None if unbounded.
        infeasible: Returns why a configuration cannot run here, or None if it can.
        task_name: Name of the current task, by which the history knows it.
        seconds_allowed: What one trial may take; None if unbounded. What history says of similar
            tasks is tried first only if it fits.
        load: Returns what a configuration is estimated to need of what a trial is allowed; None if
            that is not known.
        learnt_folder: Where what is learnt on a history is kept for the next time; None for
            nowhere.

    Raises:
        ConfigError: The name or an option is unknown, or a value is wrong.
    """
    from xautolm_core.search.history import History
    from xautolm_core.search.samplers.failure_rows import FailureForecaster
    from xautolm_core.search.samplers.guarded.learnt import LearntCache
    from xautolm_core.search.samplers.guarded.start import guarded_sampler
    from xautolm_core.search.samplers.neighbours import neighbour_start
    from xautolm_core.search.samplers.options import EvolutionOptions
    from xautolm_core.search.samplers.options import GuardedOptions
    from xautolm_core.search.samplers.options import HistoryOptions
    from xautolm_core.search.samplers.options import NeighbourOptions
    from xautolm_core.search.samplers.options import WarmStartOptions
    from xautolm_core.search.samplers.probabilistic_model import ProbabilisticModel
    from xautolm_core.search.samplers.random_sampler import UniformSampler
    from xautolm_core.search.samplers.recall import Recollection
    from xautolm_core.search.samplers.selection import SearchContext
    from xautolm_core.search.samplers.warm_start import warm_start
    from xautolm_core.search.samplers.zero_shot import EvolutionSampler

    parsed = check_sampler(name, options or {})
    if getattr(parsed, "features", "all") == "paper":
        task_features = _paper_features(task_features)
        system_features = _paper_features(system_features)
    context = SearchContext(space, objectives, task_type, task_features, system_features, task_name)
    past = history if history is not None and parsed.reads else History.empty()
    failures = None
    if parsed.failure_model:
        failures = FailureForecaster(
            space, load=load, history=past.relevant(context.relevance), task_name=task_name
        )
    if isinstance(parsed, GuardedOptions) and space.branches:
        return guarded_sampler(
            past,
            context,
            parsed,
            seed=seed,
            infeasible=infeasible,
            failures=failures,
            load=load,
            learnt=None if learnt_folder is None else LearntCache(learnt_folder),
        )
    if not isinstance(parsed, EvolutionOptions) or not space.branches:
        return UniformSampler(
            space, seed=seed, options=parsed, infeasible=infeasible, failures=failures
        )
    started = None
    exploration = None
    if isinstance(parsed, WarmStartOptions):
        started = warm_start(past, context, parsed)
        if parsed.exploration == "uniform":
            exploration = ProbabilisticModel.initial(space)
    elif isinstance(parsed, NeighbourOptions):
        started = neighbour_start(past, context, parsed)
    from_memory: list[FirstConfiguration] = []
    if started is not None and isinstance(parsed, HistoryOptions) and parsed.memory_first:
        from_memory = Recollection(
            started.usable,
            started.similarity,
            context,
            infeasible=infeasible,
            seconds_allowed=seconds_allowed,
        ).first_configurations()
    return EvolutionSampler(
        space,
        seed=seed,
        options=parsed,
        expected_trials=expected_trials,
        initial=started.model if started else None,
        exploration=exploration,
        prior=_prior_in_words(started.report) if started else "the uniform model",
        infeasible=infeasible,
        report=started.report if started else None,
        from_memory=from_memory,
        failures=failures,
    )


def _paper_features(vector: FeatureVector) -> FeatureVector:
    """Return a vector with the paper's features alone; all of them if it has none of those."""
    from xautolm_core.features import system_features
    from xautolm_core.features import task_features

    paper = {*task_features.PAPER_FEATURES, *system_features.PAPER_FEATURES}
    values = {name: value for name, value in vector.values.items() if name in paper}
    return replace(vector, values=values) if values else vector


def _prior_in_words(report: WarmStartReport) -> str:
    used = report.applied + report.mapped
    if not used:
        return "the uniform model (no experience applied)"
    tasks = ", ".join(f"{n} (weight {w:.2f}, {c})" for n, w, c in report.neighbours[:3])
    return f"the model biased by {used} experiences of {tasks}"
