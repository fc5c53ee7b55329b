"""The built-in samplers by name; ``random`` is registered as its class."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import replace
from typing import TYPE_CHECKING

from xautolm_core.search.samplers.options import EvolutionOptions
from xautolm_core.search.samplers.options import GuardedOptions
from xautolm_core.search.samplers.options import HistoryOptions
from xautolm_core.search.samplers.options import NeighbourOptions
from xautolm_core.search.samplers.options import RandomOptions
from xautolm_core.search.samplers.options import WarmStartOptions

if TYPE_CHECKING:
    from xautolm_core.records.features import FeatureVector
    from xautolm_core.search.contract import WarmStartReport
    from xautolm_core.search.samplers.base import FirstConfiguration
    from xautolm_core.search.samplers.base import SpaceSampler
    from xautolm_core.search.samplers.contract import SamplerInputs
    from xautolm_core.search.samplers.selection import SearchContext


@dataclass(frozen=True)
class _Kind:
    """See ``contract.SamplerKind``."""

    options_type: type[RandomOptions]
    build: Callable[[SamplerInputs], SpaceSampler]


def _guarded(inputs: SamplerInputs) -> SpaceSampler:
    from xautolm_core.search.samplers.guarded.learnt import LearntCache
    from xautolm_core.search.samplers.guarded.start import guarded_sampler

    assert isinstance(inputs.options, GuardedOptions)
    return guarded_sampler(
        inputs.history,
        inputs.search,
        inputs.options,
        seed=inputs.seed,
        infeasible=inputs.infeasible,
        failures=inputs.failures,
        load=inputs.load,
        learnt=None if inputs.learnt_folder is None else LearntCache(inputs.learnt_folder),
    )


def _evolution(inputs: SamplerInputs) -> SpaceSampler:
    """Build a sampler of the paper, chosen by the type of its options."""
    from xautolm_core.search.samplers.neighbours import neighbour_start
    from xautolm_core.search.samplers.probabilistic_model import ProbabilisticModel
    from xautolm_core.search.samplers.recall import Recollection
    from xautolm_core.search.samplers.warm_start import warm_start
    from xautolm_core.search.samplers.zero_shot import EvolutionSampler

    options = inputs.options
    assert isinstance(options, EvolutionOptions)
    search = _with_features(inputs.search, options)
    started = None
    exploration = None
    if isinstance(options, WarmStartOptions):
        started = warm_start(inputs.history, search, options)
        if options.exploration == "uniform":
            exploration = ProbabilisticModel.initial(inputs.space)
    elif isinstance(options, NeighbourOptions):
        started = neighbour_start(inputs.history, search, options)
    from_memory: list[FirstConfiguration] = []
    if started is not None and isinstance(options, HistoryOptions) and options.memory_first:
        from_memory = Recollection(
            started.usable,
            started.similarity,
            search,
            infeasible=inputs.infeasible,
            seconds_allowed=inputs.seconds_allowed,
        ).first_configurations()
    return EvolutionSampler(
        inputs.space,
        seed=inputs.seed,
        options=options,
        expected_trials=inputs.expected_trials,
        initial=started.model if started else None,
        exploration=exploration,
        prior=_prior_in_words(started.report) if started else "the uniform model",
        infeasible=inputs.infeasible,
        report=started.report if started else None,
        from_memory=from_memory,
        failures=inputs.failures,
    )


GUARDED = _Kind(GuardedOptions, _guarded)
WARM_START = _Kind(WarmStartOptions, _evolution)
ZERO_SHOT = _Kind(EvolutionOptions, _evolution)
NEIGHBOURS = _Kind(NeighbourOptions, _evolution)


def _with_features(search: SearchContext, options: RandomOptions) -> SearchContext:
    """Return the search with the features that distances are taken on."""
    if not isinstance(options, HistoryOptions) or options.features != "paper":
        return search
    return replace(
        search,
        task_features=_paper_features(search.task_features),
        system_features=_paper_features(search.system_features),
    )


def _paper_features(vector: FeatureVector) -> FeatureVector:
    """Return a vector with only the paper's features; all features if it has none of those."""
    from xautolm_core.features import prompt_features
    from xautolm_core.features import system_features
    from xautolm_core.features import task_features

    extractors = (task_features, prompt_features, system_features)
    paper = {name for extractor in extractors for name in extractor.PAPER_FEATURES}
    values = {name: value for name, value in vector.values.items() if name in paper}
    return vector.model_copy(update={"values": values}) if values else vector


def _prior_in_words(report: WarmStartReport) -> str:
    used = report.applied + report.mapped
    if not used:
        return "the uniform model (no experience applied)"
    tasks = ", ".join(f"{n} (weight {w:.2f}, {c})" for n, w, c in report.neighbours[:3])
    return f"the model biased by {used} experiences of {tasks}"
