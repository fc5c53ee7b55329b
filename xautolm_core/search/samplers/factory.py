"""Build a sampler from its name and options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING
from typing import Any

from xautolm_core.search.samplers.contract import SAMPLERS

if TYPE_CHECKING:
    from pathlib import Path

    from xautolm_core.records.features import FeatureVector
    from xautolm_core.search.contract import Objective
    from xautolm_core.search.history import History
    from xautolm_core.search.resource_load import Load
    from xautolm_core.search.samplers.base import Infeasibility
    from xautolm_core.search.samplers.base import SpaceSampler
    from xautolm_core.search.samplers.contract import SamplerKind
    from xautolm_core.search.samplers.options import RandomOptions
    from xautolm_core.space.space import SearchSpace

SAMPLER_NAMES = SAMPLERS.built_in
"""Built-in samplers; ``SAMPLERS.names()`` has those of other packages, too."""


def check_sampler(name: str, options: Mapping[str, Any]) -> RandomOptions:
    """Check a sampler's name and options without building it.

    Raises:
        ConfigError: The name or an option is unknown, or a value is wrong.
    """
    from xautolm_core.search.samplers.options import parse_options

    kind: SamplerKind = SAMPLERS.load(name)
    with SAMPLERS.blaming(name):
        parsed = parse_options(kind.options_type, options, name)
    return parsed


def learns_from_history(name: str, options: Mapping[str, Any]) -> bool:
    """Whether earlier experiences influence a sampler's draws.

    Raises:
        ConfigError: See ``check_sampler``.
    """
    return check_sampler(name, options).learns


def reads_history(name: str, options: Mapping[str, Any]) -> bool:
    """Whether a sampler uses earlier experiences, if only to predict failures.

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
        name: One of ``SAMPLERS.names()``.
        space: The space to draw from.
        objectives: What the search optimises.
        seed: Seed of its draws.
        task_type: Kind of the current task.
        task_features: Meta-features of the current task.
        system_features: Meta-features of the machine.
        options: The sampler's own options (see ``xautolm_core.search.samplers.options``).
        history: Earlier experiences, none if None; ``zero_shot`` and ``random`` read them only for
            the failure model.
        expected_trials: Expected number of trials of the search; None if unbounded.
        infeasible: Returns why a configuration cannot run here, or None if it can.
        task_name: Name of the current task, as in the history.
        seconds_allowed: Time limit of one trial; None if unbounded. Configurations from similar
            tasks are tried first only if they fit.
        load: Returns the estimated needs of a configuration relative to its limits; None if
            unknown.
        learnt_folder: Cache folder for what is learnt on a history; None for no cache.

    Raises:
        ConfigError: The name or an option is unknown, or a value is wrong.
    """
    from xautolm_core.search.history import History
    from xautolm_core.search.samplers.contract import SamplerInputs
    from xautolm_core.search.samplers.failure_rows import FailureForecaster
    from xautolm_core.search.samplers.selection import SearchContext

    parsed = check_sampler(name, options or {})
    search = SearchContext(space, objectives, task_type, task_features, system_features, task_name)
    past = history if history is not None and parsed.reads else History.empty()
    failures = None
    if parsed.failure_model:
        failures = FailureForecaster(
            space, load=load, history=past.relevant(search.relevance), task_name=task_name
        )
    # In a space of only cheap candidates, nothing is drawn.
    name = name if space.branches else "random"
    kind: SamplerKind = SAMPLERS.load(name)
    inputs = SamplerInputs(
        search=search,
        options=parsed,
        seed=seed,
        history=past,
        expected_trials=expected_trials,
        infeasible=infeasible,
        failures=failures,
        seconds_allowed=seconds_allowed,
        load=load,
        learnt_folder=learnt_folder,
    )
    with SAMPLERS.blaming(name):
        sampler = kind.build(inputs)
    return sampler
