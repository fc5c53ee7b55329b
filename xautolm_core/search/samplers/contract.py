"""The contract of samplers: the inputs that they are built from, and the kind behind a name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Protocol

from xautolm_core.plugins import Registry

if TYPE_CHECKING:
    from pathlib import Path

    from xautolm_core.search.history import History
    from xautolm_core.search.resource_load import Load
    from xautolm_core.search.samplers.base import Infeasibility
    from xautolm_core.search.samplers.base import SpaceSampler
    from xautolm_core.search.samplers.failure_rows import FailureForecaster
    from xautolm_core.search.samplers.options import RandomOptions
    from xautolm_core.search.samplers.selection import SearchContext
    from xautolm_core.space.space import SearchSpace

_HERE = "xautolm_core.search.samplers"

SAMPLERS = Registry(
    "xautolm.samplers",
    "sampler",
    {
        "guarded": f"{_HERE}.built_in:GUARDED",
        "xautolm": f"{_HERE}.built_in:WARM_START",
        "zero_shot": f"{_HERE}.built_in:ZERO_SHOT",
        "knn": f"{_HERE}.built_in:NEIGHBOURS",
        "random": f"{_HERE}.random_sampler:UniformSampler",
    },
)


@dataclass(frozen=True)
class SamplerInputs:
    """The inputs that a sampler is built from.

    Attributes:
        search: The current search: its space, objectives, task and meta-features.
        options: The sampler's own options, checked.
        seed: Seed of its draws.
        history: Earlier experiences of all kinds of tasks, whose scores do not compare: ours use
            those whose ``task_type`` is the search's. Empty where the options do not read any.
        expected_trials: Expected number of trials of the search; None if unbounded.
        infeasible: Returns why a configuration cannot run here, or None if it can.
        failures: Predicts probabilities of failure; None without the option ``failure_model``.
        seconds_allowed: Time limit of one trial; None if unbounded.
        load: Returns the estimated needs of a configuration relative to its limits; None if
            unknown.
        learnt_folder: Cache folder for what is learnt on a history; None for no cache.
    """

    search: SearchContext
    options: RandomOptions
    seed: int
    history: History
    expected_trials: int | None = None
    infeasible: Infeasibility | None = None
    failures: FailureForecaster | None = None
    seconds_allowed: float | None = None
    load: Load | None = None
    learnt_folder: Path | None = None

    @property
    def space(self) -> SearchSpace:
        """The space to draw from."""
        return self.search.space


class SamplerKind(Protocol):
    """The kind of sampler behind a name; a subclass of ``SpaceSampler`` is one.

    Attributes:
        options_type: Type of its options: ``RandomOptions`` or a subclass.
        build: Builds the sampler of a search.
    """

    @property
    def options_type(self) -> type[RandomOptions]:
        """Return the type of its options."""
        ...

    @property
    def build(self) -> Callable[[SamplerInputs], SpaceSampler]:
        """Return the function that builds the sampler of a search."""
        ...
